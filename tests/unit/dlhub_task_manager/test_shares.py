"""Who gets how many of a site's replicas."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dlhub_task_manager.shares import PATIENCE_S, Claim, Room, shares
from proto_msgs.description import Resources


def claim(version_id: str, needed: int, *, have: int = 0, **fields: Any) -> Claim:
    return Claim(version_id=version_id, needed=needed, have=have, **fields)


def test_all_get_what_they_ask_for_where_it_fits() -> None:
    assert shares([claim("a", 3), claim("b", 1)], Room(8)) == {"a": 3, "b": 1}


def test_every_version_gets_one_before_any_gets_two() -> None:
    assert shares([claim("flooded", 50, have=4), claim("b", 1), claim("c", 1)], Room(4)) == {
        "flooded": 2,
        "b": 1,
        "c": 1,
    }


def test_what_nobody_else_needs_goes_to_those_who_do() -> None:
    assert shares([claim("a", 50), claim("b", 50), claim("c", 1)], Room(9)) == {"a": 4, "b": 4, "c": 1}


def test_replicas_that_are_only_kept_make_room() -> None:
    idle = claim("idle", 0, kept=4, have=4, working=False, idle_s=60)
    assert shares([idle], Room(4)) == {"idle": 4}
    assert shares([idle, claim("a", 3)], Room(4)) == {"idle": 1, "a": 3}
    assert shares([idle, claim("a", 9)], Room(4)) == {"idle": 0, "a": 4}


def test_one_that_was_used_a_moment_ago_keeps_a_replica_beside_a_flood() -> None:
    quiet = claim("quiet", 1, have=1, working=False, idle_s=5)
    assert shares([quiet, claim("flooded", 50)], Room(4)) == {"quiet": 1, "flooded": 3}


def test_work_goes_before_a_minimum_that_nobody_uses() -> None:
    warm = claim("warm", 1, have=1, working=False, idle_s=900)
    assert shares([warm, claim("a", 1)], Room(1)) == {"warm": 0, "a": 1}


def test_one_that_has_its_replica_keeps_it_until_another_has_waited_for_long() -> None:
    holder, other = claim("z", 1, have=1, held_s=60), claim("a", 1, starved_s=PATIENCE_S - 1)
    assert shares([holder, other], Room(1)) == {"z": 1, "a": 0}
    assert shares([holder, claim("a", 1, starved_s=PATIENCE_S + 1)], Room(1)) == {"z": 0, "a": 1}


def test_whoever_has_had_a_replica_for_longest_gives_way() -> None:
    holders = [claim("new", 1, have=1, held_s=11), claim("old", 1, have=1, held_s=99)]
    assert shares([*holders, claim("a", 1, starved_s=PATIENCE_S + 1)], Room(2)) == {
        "new": 1,
        "old": 0,
        "a": 1,
    }


def test_replicas_are_packed_by_what_they_need() -> None:
    large = claim("large", 9, resources=Resources(cores=4, memory_mb=6000))
    small = claim("small", 9, resources=Resources(cores=0.5, memory_mb=1000))
    assert shares([large, small], Room(100, 8.0, 16_000)) == {"large": 1, "small": 8}


def test_accelerators_are_given_to_those_who_need_them() -> None:
    trained = claim("trained", 3, resources=Resources(accelerators=1))
    assert shares([trained, claim("plain", 3)], Room(8, accelerators=2)) == {"trained": 2, "plain": 3}
    assert shares([trained], Room(8)) == {"trained": 0}


def test_room_counts_down() -> None:
    room = Room(2, 2.0, 1000, 1).without(Resources(cores=1.5, memory_mb=400, accelerators=1))
    assert room == Room(1, 0.5, 600, 0)
    assert not room.holds(Resources())
    assert room.holds(Resources(cores=0.5))
    assert room.count(Resources(cores=0.25), 9) == 1
    assert Room(9, 2.0).count(Resources(cores=0.5), 3) == 3
    assert Room(9, 2.0, 900).count(Resources(cores=0.5, memory_mb=400), 9) == 2


claims = st.lists(
    st.builds(
        Claim,
        version_id=st.uuids().map(str),
        needed=st.integers(0, 20),
        kept=st.integers(0, 5),
        have=st.integers(0, 5),
        working=st.booleans(),
        starved_s=st.floats(0, 30),
        resources=st.builds(
            Resources,
            cores=st.floats(0.1, 8),
            memory_mb=st.none() | st.integers(1, 8000),
            accelerators=st.integers(0, 2),
        ),
    ),
    max_size=8,
    unique_by=lambda claim: claim.version_id,
)
rooms = st.builds(Room, st.integers(0, 30), st.floats(0, 32), st.floats(0, 32_000), st.integers(0, 4))


@given(claims, rooms)
def test_the_site_is_never_overfull_and_nothing_that_fits_is_refused(asked: list[Claim], site: Room) -> None:
    granted = shares(asked, site)
    left = site
    for each in asked:
        assert 0 <= granted[each.version_id] <= each.needed + each.kept
        left = left.without(each.resources, granted[each.version_id])
    assert left.replicas >= 0
    assert left.cores >= -1e-6
    assert left.memory_mb >= 0
    assert left.accelerators >= 0
    for each in asked:
        assert granted[each.version_id] >= each.needed or not left.holds(each.resources)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.integers(0, 40))
def test_equal_needs_get_max_min_fair_shares(needs: list[int], replicas: int) -> None:
    granted = shares([claim(str(n), need) for n, need in enumerate(needs)], Room(replicas))
    got = [granted[str(n)] for n in range(len(needs))]
    assert sum(got) == min(sum(needs), replicas)
    for mine, need in zip(got, needs, strict=True):
        assert mine == need or mine >= max(got) - 1
