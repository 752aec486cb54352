"""Who gets in line, and who is told to come back."""

from __future__ import annotations

import pytest

from dlhub_gateway import admission
from dlhub_gateway.admission import ALWAYS, Admission
from proto_msgs.errors import Overloaded


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission, "time", clock)
    return clock


@pytest.fixture
def door(clock: Clock) -> Admission:
    return Admission(max_wait_s=5.0, max_waiting=10_000)


def enter(door: Admission, version_id: str, count: int) -> None:
    for _ in range(count):
        door.check(version_id)
        door.enter(version_id)


def leave(door: Admission, version_id: str, count: int) -> None:
    for _ in range(count):
        door.leave(version_id)
    door.ended(version_id, count)


def pass_by(door: Admission, clock: Clock, version_id: str, per_s: float, seconds: float) -> None:
    """As many end as come, at this rate."""
    for _ in range(int(seconds / 0.25)):
        count = int(per_s * 0.25)
        for _ in range(count):
            door.enter(version_id)
        clock.now += 0.25
        leave(door, version_id, count)


def test_before_the_first_run_has_ended_everybody_gets_in(door: Admission) -> None:
    enter(door, "v", 4_000)
    assert door.waiting == 4_000


def test_who_would_wait_too_long_is_told_when_to_come_back(door: Admission, clock: Clock) -> None:
    pass_by(door, clock, "v", per_s=100, seconds=5)
    enter(door, "v", 501)
    for _ in range(200):
        door.enter("v")  # the items of a map, which was let in as a whole
    with pytest.raises(Overloaded, match=r"one more would wait 7\.0 s") as raised:
        door.check("v")
    assert raised.value.retry_after_s == 3
    assert door.refused == 1


def test_a_few_always_get_in(door: Admission, clock: Clock) -> None:
    pass_by(door, clock, "v", per_s=4, seconds=10)
    enter(door, "v", ALWAYS)
    with pytest.raises(Overloaded):
        door.check("v")


def test_a_line_that_stands_still_takes_nobody(door: Admission, clock: Clock) -> None:
    pass_by(door, clock, "v", per_s=1000, seconds=5)
    enter(door, "v", 1_000)
    clock.now += 60
    with pytest.raises(Overloaded):
        door.check("v")


def test_it_takes_everybody_again_as_soon_as_the_line_is_short(door: Admission, clock: Clock) -> None:
    pass_by(door, clock, "v", per_s=100, seconds=5)
    for _ in range(2_000):
        door.enter("v")
    with pytest.raises(Overloaded):
        door.check("v")
    clock.now += 1
    leave(door, "v", 2_000)
    door.check("v")


def test_one_long_line_leaves_half_of_the_room_to_others(door: Admission) -> None:
    enter(door, "flooded", 5_000)
    with pytest.raises(Overloaded, match="for this version"):
        door.check("flooded")
    enter(door, "quiet", 1_000)


def test_a_full_gateway_takes_nobody(door: Admission) -> None:
    for number in range(10_000):
        door.enter(f"v{number % 100}")
    with pytest.raises(Overloaded, match="in this gateway"):
        door.check("v1")
    with pytest.raises(Overloaded, match="in this gateway"):
        door.enter("v1")


def test_lines_without_anybody_are_forgotten(door: Admission) -> None:
    enter(door, "v", 1)
    assert door.versions() == {"v"}
    leave(door, "v", 1)
    door.forget_idle()
    assert door.versions() == set()
    door.ended("v", 1)
