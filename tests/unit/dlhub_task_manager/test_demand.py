"""Running totals."""

from __future__ import annotations

import time

from dlhub_task_manager.demand import Demand


def test_a_message_counts_for_as_many_runs_as_messages_have_had_so_far() -> None:
    demand = Demand()
    demand.see_depth(3, here=0)
    assert demand.backlog(here=0) == 3  # nothing is known: one run each, at least
    demand.came(10)
    demand.came(30)
    demand.see_depth(3, here=40)
    assert demand.backlog(here=40) == 60


def test_what_has_come_here_since_the_look_waits_in_the_broker_no_more() -> None:
    demand = Demand()
    demand.see_depth(10, here=2)
    demand.did(3, 0.1)
    assert demand.backlog(here=5) == 4
    assert demand.backlog(here=50) == 0
    assert demand.backlog(here=0) == 9


def test_runs_that_are_given_up_do_not_make_the_backlog_grow() -> None:
    demand = Demand()
    demand.see_depth(10, here=5)
    assert demand.backlog(here=0) == 10


def test_start_up_times_are_averaged() -> None:
    demand = Demand()
    assert demand.start_s is None
    demand.started(1.0)
    demand.started(2.0)
    assert demand.start_s is not None
    assert 1.0 < demand.start_s < 2.0


def test_being_wanted_passes() -> None:
    assert Demand().wanted
    assert not Demand(wanted_at=time.monotonic() - 3).wanted
