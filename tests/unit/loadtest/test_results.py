"""Results survive their JSON; checks judge means."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from loadtest.results import (
    Chart,
    Check,
    Line,
    Machine,
    Point,
    Result,
    Sheet,
    at_least,
    at_most,
    load_all,
    not_judged,
    number,
    yardstick,
)

MACHINE = Machine(
    cpu="A CPU", cores=2, memory_gb=24.0, system="Debian", python="3.11", versions={"parsl": "1"}
)


def result(scenario: str = "throughput", **fields: object) -> Result:
    return Result.model_validate(
        {
            "scenario": scenario, "title": "A title", "began_at": datetime(2026, 11, 3, tzinfo=UTC),
            "took_s": 1.5, "short": True, "machine": MACHINE, **fields,
        }
    )  # fmt: skip


def chart() -> Chart:
    line = Line(label="ours", points=(Point(x=1, values=(3.0, 5.0)), Point(x=2, values=(9.0,), void="late")))
    return Chart(name="a-chart", title="T", x_label="x", y_label="y", lines=(line,))


def test_json_there_and_back(tmp_path: Path) -> None:
    sheet = Sheet(title="S", columns=("a",), rows=(("1",),))
    found = result(charts=(chart(),), sheets=(sheet,), checks=(yardstick("w", [1.0], "ms"),), notes=("n",))
    assert Result.load(found.save(tmp_path / "new")) == found


def test_results_are_loaded_in_the_order_of_the_record(tmp_path: Path) -> None:
    for name in ("b", "a"):
        result(name).save(tmp_path)
    assert [found.scenario for found in load_all(tmp_path, ("a", "missing", "b"))] == ["a", "b"]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        result(surprise=1)


def test_a_point_needs_a_value() -> None:
    with pytest.raises(ValidationError):
        Point(x=1, values=())


def test_void_points_do_not_count() -> None:
    line = chart().lines[0]
    assert line.at(2) is None
    assert line.best == 4.0
    point = line.at(1)
    assert point and point.estimate.mean == 4.0


@pytest.mark.parametrize(
    ("check", "reached"),
    [
        (at_least("w", [7.0, 9.0], 8, "x"), True),
        (at_least("w", [7.0, 8.9], 8, "x"), False),
        (at_most("w", [0.3], 0.3, "ms"), True),
        (at_most("w", [0.31], 0.3, "ms"), False),
        (yardstick("w", [1.0], "ms"), None),
        (not_judged(at_most("w", [9.0], 1, "ms"), "too short"), None),
    ],
)
def test_verdicts(check: Check, reached: bool | None) -> None:
    assert check.reached is reached


def test_a_check_shows_mean_and_interval() -> None:
    check = at_least("w", [10.0, 10.0], 8, "x raw HTEX", shown="9,870 runs/s")
    assert check.measured == "9,870 runs/s, 10.0 ± 0 x raw HTEX"
    assert check.goal == "at least 8.00 x raw HTEX"
    assert "too short" in not_judged(check, "too short").goal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_345.6, "12,346"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (-2.0, "-2.00"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text
