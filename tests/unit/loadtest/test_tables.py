"""Results as text."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from loadtest import tables
from loadtest.results import Chart, Check, Line, Machine, Point, Result, Sheet

MACHINE = Machine(
    cpu="A CPU", cores=2, memory_gb=24.0, system="Debian", python="3.11", versions={"parsl": "1"}
)
REACHED = Check(what="quick", measured="9 x", goal="8 x", reached=True)
MISSED = Check(what="slow | very", measured="1 x", goal="8 x", reached=False)


def result(*checks: Check, failure: str = "", **fields: object) -> Result:
    return Result.model_validate(
        {
            "scenario": "throughput", "title": "Throughput", "began_at": datetime(2026, 11, 3, tzinfo=UTC),
            "took_s": 1.0, "short": False, "machine": MACHINE, "checks": checks, "failure": failure, **fields,
        }
    )  # fmt: skip


def chart() -> Chart:
    lines = (
        Line(label="ours", points=(Point(x=1, values=(2.0,)), Point(x=64, values=(4.0, 6.0)))),
        Line(label="theirs", points=(Point(x=64, values=(1.0,), void="late"),)),
    )
    return Chart(name="a-chart", title="A chart", x_label="x", y_label="y", lines=lines, note="A note.")


def test_markdown_has_every_check_and_its_verdict() -> None:
    text = tables.markdown([result(REACHED, MISSED)])
    assert "| throughput | quick | 9 x | 8 x | reached |" in text
    assert "| throughput | slow \\| very | 1 x | 8 x | missed |" in text


def test_markdown_says_where_and_when() -> None:
    text = tables.markdown([result()])
    assert text.startswith(
        "2026-11-03, 2 cores of A CPU, 24 GB, Debian, Python 3.11, parsl 1; full repetitions."
    )


def test_a_failure_stays_in_the_table() -> None:
    text = tables.markdown([result(failure="TimeoutError: no replica")])
    assert "| throughput | not measured to the end | TimeoutError: no replica |  | failed |" in text


def test_pictures_tables_and_notes_of_a_scenario() -> None:
    sheet = Sheet(title="Medians", columns=("a", "b"), rows=(("1", "2"),))
    text = tables.markdown([result(charts=(chart(),), sheets=(sheet,), notes=("Remember this.",))])
    assert "## Throughput\n\n**Medians**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |" in text
    assert "![A chart](a-chart.png)\n\nA note." in text
    assert text.endswith("- Remember this.\n")


def test_nothing_measured() -> None:
    assert tables.markdown([]) == "Nothing was measured.\n"


def test_lines_of_a_chart_as_a_table() -> None:
    sheet = tables.lines_as_sheet("T", "in flight", chart())
    assert sheet.columns == ("in flight", "ours", "theirs")
    assert sheet.rows == (("1", "2.00", ""), ("64", "5.00 ± 12.7", "1.00 (void: late)"))


def test_all_reached() -> None:
    assert tables.all_reached([result(REACHED)])
    assert not tables.all_reached([result(REACHED, MISSED)])
    assert not tables.all_reached([result(REACHED, failure="oh")])


def test_the_terminal_shows_the_same() -> None:
    out = StringIO()
    console = Console(file=out, width=160)
    console.print(tables.checks_table([result(REACHED, MISSED, failure="broke")]))
    console.print(tables.sheet_table(Sheet(title="Medians", columns=("a", "b"), rows=(("17", "18"),))))
    for text in ("quick", "reached", "missed", "failed", "Medians", "17"):
        assert text in out.getvalue()
