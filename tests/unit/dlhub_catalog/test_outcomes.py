"""What results do to their tasks."""

from __future__ import annotations

import pytest

from dlhub_catalog.outcomes import Expected, Plan, first_failure, plan, status_of, stored_form, task_ids
from proto_msgs import codec
from proto_msgs.runs import Outcome, ResultBatch

KEY = b"k" * 16
SINGLE = Expected(KEY, open=True, total=None)
MAP = Expected(KEY, open=True, total=3)


def _batch(*run_ids: str, key: bytes = KEY, body: bytes = b"") -> ResultBatch:
    outcomes = tuple(Outcome(run_id=run_id, ok=True, body=body) for run_id in run_ids)
    return ResultBatch(site="here", version_id="v", answer_key=key, outcomes=outcomes)


def _failure(code: str) -> Outcome:
    return Outcome(run_id="t", ok=False, body=codec.pack({"code": code, "message": "no"}))


def test_a_single_run_ends_its_task() -> None:
    made = plan([_batch("t")], {"t": SINGLE})
    assert list(made.single) == ["t"]


def test_an_item_of_a_map_is_kept_by_index() -> None:
    made = plan([_batch("t:0", "t:2")], {"t": MAP})
    assert list(made.items) == [("t", 0), ("t", 2)]


def test_the_first_of_two_results_wins() -> None:
    made = plan([_batch("t", body=b"first"), _batch("t", body=b"second")], {"t": SINGLE})
    assert made.single["t"].body == b"first"


def test_a_wrong_answer_key_is_refused() -> None:
    made = plan([_batch("t", key=b"x" * 16)], {"t": SINGLE})
    assert not made.single
    assert [(r.run_id, r.site) for r in made.refused] == [("t", "here")]


@pytest.mark.parametrize(("run_id", "task"), [("t:0", SINGLE), ("t", MAP), ("t:3", MAP)])
def test_a_run_that_the_task_does_not_have_is_refused(run_id: str, task: Expected) -> None:
    made = plan([_batch(run_id)], {"t": task})
    assert len(made.refused) == 1
    assert not made.single
    assert not made.items


def test_a_result_of_an_ended_task_only_tells_that_it_has_ended() -> None:
    made = plan([_batch("t")], {"t": Expected(KEY, open=False, total=None)})
    assert made == Plan(final={"t"})


def test_a_result_of_a_forgotten_task_does_nothing() -> None:
    assert plan([_batch("t")], {}) == Plan()


def test_task_ids_of_maps_and_single_runs() -> None:
    assert task_ids([_batch("a", "b:0"), _batch("b:1")]) == {"a", "b"}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(run_id="t", ok=True, body=b""), "succeeded"),
        (_failure("servable_failed"), "failed"),
        (_failure("deadline_exceeded"), "expired"),
        (Outcome(run_id="t", ok=False, body=b"\xc1"), "failed"),
        (Outcome(run_id="t", ok=False, body=codec.pack([1])), "failed"),
    ],
)
def test_the_status_of_a_task_follows_from_its_outcome(outcome: Outcome, status: str) -> None:
    assert status_of(stored_form(outcome, "here")) == status


def test_what_was_remembered_is_stored_as_that() -> None:
    assert "cached" not in stored_form(Outcome(run_id="a", ok=True, body=b""), "here").metadata
    metadata = stored_form(Outcome(run_id="a", ok=True, body=b"", cached="site"), "here").metadata
    assert (metadata["cached"], metadata["cache_level"]) == (True, "site")


@pytest.mark.parametrize(
    ("pieces", "failed"),
    [
        ({}, None),
        ({0: True, 1: True}, None),
        ({0: True, 1: False, 2: False}, 1),
        ({0: False}, 0),
        ({1: False}, None),  # the one before it may fail as well, and would decide
        ({0: True, 2: False}, None),
    ],
)
def test_the_first_failure_decides_once_all_before_it_have_succeeded(
    pieces: dict[int, bool], failed: int | None
) -> None:
    assert first_failure(pieces) == failed
