"""How many replicas a version gets: single decisions, and whole stories on virtual time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from unit.dlhub_task_manager.simulation import Simulation, at_random, evenly, ramp

from dlhub_task_manager.scaling import Controller, Load, Peak, cautious, steady_replicas
from proto_msgs.sites import Deployment


def load(**fields: Any) -> Load:
    calm: dict[str, Any] = {"ready": 0, "starting": 0, "busy": 0, "waiting": 0}
    return Load(**(calm | fields))


def running(ready: int, waiting: int, **fields: Any) -> Load:
    """All replicas are at work, on runs of 20 ms."""
    known = {"done": 100, "busy_s": 2.0, "start_s": 0.5}
    return load(ready=ready, busy=ready, in_hand=ready, waiting=waiting, **known, **fields)


DEFAULT = Deployment(target_wait_ms=100, idle_s=300)


@pytest.mark.parametrize(
    ("now", "deployment", "wanted"),
    [
        pytest.param(load(), DEFAULT, 0, id="nothing to do, nothing there"),
        pytest.param(load(wanted=True), DEFAULT, 1, id="woken"),
        pytest.param(load(waiting=5), DEFAULT, 1, id="runs wait for the first, and nothing is known of them"),
        pytest.param(
            load(waiting=500, done=9, busy_s=1.8), DEFAULT, 4, id="from none, with many runs of known length"
        ),
        pytest.param(load(), Deployment(min_replicas=2), 2, id="a minimum is kept warm"),
        pytest.param(load(starting=1, waiting=9), DEFAULT, 1, id="one is on its way"),
        pytest.param(running(1, 100), DEFAULT, 3, id="waits are long"),
        pytest.param(running(1, 4), DEFAULT, 1, id="waits are short"),
        pytest.param(running(1, 5000), DEFAULT, 4, id="the site's limit"),
        pytest.param(running(1, 5000), Deployment(max_replicas=2), 2, id="own limit"),
        pytest.param(
            load(ready=1, busy=1, in_hand=1, waiting=1, hand_s=9.0), DEFAULT, 2, id="a long first run"
        ),
        pytest.param(load(ready=3, idle_s=301), DEFAULT, 0, id="idle for long"),
        pytest.param(load(ready=3, idle_s=301), Deployment(min_replicas=1), 1, id="idle down to the minimum"),
        pytest.param(load(ready=1, idle_s=0.4), Deployment(idle_s=0), 1, id="less idle than a start takes"),
    ],
)
def test_single_decisions(now: Load, deployment: Deployment, wanted: int) -> None:
    assert Controller().decide(0.0, now, deployment, limit=4) == wanted


def test_what_was_needed_is_kept_for_a_while() -> None:
    controller = Controller()
    assert controller.decide(0.0, running(1, 5000), DEFAULT, limit=4) == 4
    quiet = load(ready=4, done=5101, busy_s=102.0, idle_s=200)
    assert controller.decide(200.0, quiet, DEFAULT, limit=4) == 4
    assert controller.called == 0  # and yet it is nothing that others must make room for


def test_runs_that_wait_whatever_the_figures_say_get_one_more() -> None:
    controller, short = Controller(), Deployment(target_wait_ms=1000)
    now = running(2, 1, longest_wait_ms=5000)
    assert controller.decide(0.0, now, short, limit=9) == 2
    assert controller.decide(1.5, now, short, limit=9) == 3


@pytest.mark.parametrize(("failures", "may_retry", "starting", "count"),
                         [(0, True, 0, 8), (2, True, 0, 2), (2, True, 1, 2), (2, False, 0, 1)])  # fmt: skip
def test_after_a_failed_start_one_at_a_time_is_tried(
    failures: int, may_retry: bool, starting: int, count: int
) -> None:
    assert cautious(8, load(ready=1, starting=starting), failures, may_retry) == count


def test_more_replicas_are_steady_where_runs_take_longer_than_they_may_wait() -> None:
    assert [steady_replicas(2.0, run_s, 0.1) for run_s in (0.001, 0.02, 1.0, 60.0)] == [3, 3, 5, 9]
    assert steady_replicas(0.0, 1.0, 0.1) == 0


def test_a_peak_forgets() -> None:
    peak = Peak()
    for at, value in enumerate([3, 9, 4, 6, 1]):
        peak.add(float(at), value)
    assert [peak.since(float(start)) for start in range(6)] == [9, 9, 6, 6, 1, 0]


Begin = Callable[..., Simulation]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Makes a simulation whose clock is everybody's."""

    def begin(**given: Any) -> Simulation:
        simulation = Simulation(**{"policy": Deployment(target_wait_ms=100, idle_s=10), **given})
        monkeypatch.setattr(time, "monotonic", simulation.clock)
        return simulation

    return begin


def test_a_burst_from_zero_is_cleared_and_everything_ends(begin: Begin) -> None:
    simulation = begin()
    simulation.advance(60, [0.0] * 500)
    assert len(simulation.waits) == 500
    # One core would take 10 s; one replica starts, tells how long a run takes, and the others follow.
    assert simulation.longest_wait(0, 60) < 2 * simulation.start_s + 10 / 16 + 0.3
    assert simulation.turns(0, 60) == 1  # up, then down
    assert simulation.counts[-1][1] == 0


@pytest.mark.parametrize("arrivals", [evenly, at_random])
@pytest.mark.parametrize("spread", [False, True])
def test_a_steady_load_has_a_steady_number_of_replicas(
    begin: Begin, arrivals: Callable[[float, float], list[float]], spread: bool
) -> None:
    source = random.Random(3)
    run_s = (lambda: source.expovariate(50.0)) if spread else (lambda: 0.02)
    simulation = begin(run_s=run_s)
    simulation.advance(300, arrivals(90, 300))  # keeps 1.8 replicas busy
    assert simulation.turns(30, 300) <= 2
    assert 2 <= simulation.most(30, 300) <= 6
    assert simulation.longest_wait(30, 300) < 0.5
    assert sum(wait for _, wait in simulation.waits) / len(simulation.waits) < 0.1


def test_a_ramp_is_followed_up_and_down(begin: Begin) -> None:
    simulation = begin()
    simulation.advance(90, ramp(5, 400, 90))
    assert simulation.turns(0, 90) == 0
    assert simulation.longest_wait(5, 90) < 1.0
    assert simulation.most(80, 90) >= 8
    simulation.advance(110, ramp(400, 5, 90))
    assert simulation.turns(100, 200) == 0
    assert simulation.longest_wait(90, 200) < 0.2
    assert simulation.counts[-1][1] == 0


def test_slow_starts_do_not_make_it_start_too_many(begin: Begin) -> None:
    simulation = begin(start_s=30.0)
    simulation.advance(300, at_random(90, 300))
    assert simulation.most(0, 300) <= 8
    assert simulation.turns(0, 300) <= 1
    assert simulation.longest_wait(120, 300) < 0.5


def test_bursts_that_come_again_before_idle_s_find_their_replicas(begin: Begin) -> None:
    simulation = begin()
    bursts = [6.0 * burst + 0.001 * run for burst in range(20) for run in range(200)]
    simulation.advance(115, bursts)
    assert simulation.turns(0, 115) == 0
    assert simulation.longest_wait(30, 115) < 0.5


def test_runs_much_longer_than_the_target_get_a_replica_each_and_no_more(begin: Begin) -> None:
    simulation = begin(run_s=lambda: 60.0, start_s=5.0, limit=100)
    simulation.advance(600, at_random(0.05, 600))  # keeps 3 replicas busy
    assert simulation.most(0, 600) <= 12
    assert simulation.longest_wait(60, 600) < 12
    assert simulation.turns(0, 600) <= 2


def test_even_an_impatient_policy_does_not_flap(begin: Begin) -> None:
    simulation = begin(policy=Deployment(target_wait_ms=100, idle_s=0))
    simulation.advance(60, at_random(90, 60))
    assert simulation.turns(0, 60) <= 4


def test_a_provider_that_dies_is_tried_rarely_and_found_again(begin: Begin) -> None:
    simulation = begin(start_works=lambda now: not 20 <= now < 60)
    simulation.advance(20, at_random(90, 20))
    simulation.kill(99)
    before = simulation.starts
    simulation.advance(40, at_random(90, 40))
    assert simulation.starts - before <= 8
    simulation.advance(40, at_random(90, 40, seed=2))
    assert simulation.line == simulation.line.__class__()  # nothing is left over
    assert simulation.turns(82, 100) <= 1
    assert simulation.longest_wait(90, 100) < 0.5


def test_replicas_that_keep_dying_are_replaced_and_nobody_starves(begin: Begin) -> None:
    source = random.Random(2)
    simulation = begin(start_works=lambda now: source.random() < 0.5)
    for second in range(20):
        simulation.advance(5, at_random(90, 5, seed=second))
        simulation.kill(1)
    simulation.advance(30)
    assert not simulation.line
    assert simulation.longest_wait(0, 130) < 10
