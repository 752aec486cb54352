"""Which replica takes the next batch."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.dlhub_task_manager.stage import FakeExecutor

from dlhub_task_manager.pool import Pool
from dlhub_task_manager.replica import Batch, Replica, ReplicaState


class World:
    """A pool and the replicas that it knows."""

    def __init__(self, folder: Path) -> None:
        self.pool = Pool()
        self._executor = FakeExecutor(folder)

    def replica(self, name: str, state: ReplicaState = ReplicaState.READY) -> Replica:
        replica = Replica(name, self._executor, None, state)  # type: ignore[arg-type]
        self.pool.update(replica)
        return replica

    def give(self, replica: Replica, *, alone: bool = False) -> None:
        batch = Batch(batch_id=1, method="run", runs={}, items=1, joint=False, alone=alone, sent_at=0.0)
        replica.batches.append(batch)
        self.pool.update(replica)

    def take(self, replica: Replica) -> None:
        replica.batches.popleft()
        self.pool.update(replica)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_replica_that_was_busy_last_is_taken_first(world: World) -> None:
    first, second = world.replica("a"), world.replica("b")
    assert world.pool.idle is second
    world.give(first)
    world.take(first)
    assert world.pool.idle is first
    assert world.pool.peers == 2


def test_a_busy_replica_takes_one_more_batch(world: World) -> None:
    replica = world.replica("a")
    world.give(replica)
    assert (world.pool.idle, world.pool.busy, world.pool.peers) == (None, replica, 1)
    world.give(replica)
    assert (world.pool.idle, world.pool.busy, world.pool.peers) == (None, None, 0)
    world.take(replica)
    assert world.pool.busy is replica


def test_beside_a_run_on_its_own_no_batch_fits(world: World) -> None:
    replica = world.replica("a")
    world.give(replica, alone=True)
    assert world.pool.busy is None


@pytest.mark.parametrize("state", [state for state in ReplicaState if state is not ReplicaState.READY])
def test_a_replica_that_is_not_ready_takes_none(world: World, state: ReplicaState) -> None:
    replica = world.replica("a")
    replica.state = state
    world.pool.update(replica)
    assert (world.pool.idle, world.pool.peers) == (None, 0)
