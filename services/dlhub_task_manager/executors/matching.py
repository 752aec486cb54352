"""Which engine ends with which slot: pure decisions, so that they can be tested without any."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dlhub_task_manager.executors.base import ReplicaListener
from dlhub_task_manager.executors.engine import GONE


@dataclass(slots=True, eq=False)
class Slot:
    """The right to have one batch with the pool at a time: a replica, as its owner sees it."""

    replica_id: str
    listener: ReplicaListener
    engine: str
    """The one that ends with it, unless another must."""
    ready: bool = False
    stopping: bool = False
    batches: deque[tuple[int, bytes]] = field(default_factory=deque)
    """Ids and frames; the first is with the pool."""
    began_at: float = field(default_factory=time.monotonic)

    @property
    def at(self) -> str:
        """The batch that is with the pool, as an engine's state file names it; empty: none."""
        return str(self.batches[0][0]) if self.batches else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """How blocks and engines were when somebody looked."""

    center_lives: bool = True
    ended: Mapping[str, str] = field(default_factory=dict)
    """Last words of engines whose blocks have ended by themselves."""
    states: Mapping[str, str] = field(default_factory=dict)
    """What each engine was at."""

    @property
    def dead(self) -> set[str]:
        """Engines that ended, or whose child did."""
        return {*self.ended, *(engine for engine, state in self.states.items() if state == GONE)}


def owner_of(engine: str, slots: Collection[Slot]) -> Slot | None:
    """The slot that an engine belongs to."""
    return next((slot for slot in slots if slot.engine == engine), None)


def slot_to_lose(engine: str, slots: Collection[Slot], sight: Sight) -> Slot | None:
    """The slot that a dead engine takes along: the one whose batch it was at, or one without a batch.

    None: nobody's engine, or one that never loaded, or one that did nothing while every slot's batch is
    with the others; then there will be a slot later.
    """
    owner = owner_of(engine, slots)
    if owner is None or not owner.ready:
        return None
    state = sight.states.get(engine)
    if state and (at_it := next((slot for slot in slots if slot.at == state), None)):
        return at_it
    idle = [slot for slot in slots if slot.ready and not slot.batches]
    return owner if owner in idle else next(iter(idle), None)


def engine_to_end(slot: Slot, others: Collection[Slot], sight: Sight) -> str:
    """The engine that ends with a slot: the one at its batch, else one that is at nobody's."""
    if slot.at:
        for engine, state in sight.states.items():
            if state == slot.at:
                return engine
    wanted = {other.at for other in others if other.at}
    candidates = [slot.engine, *(other.engine for other in others if other.ready and not other.at)]
    return next((engine for engine in candidates if sight.states.get(engine) not in wanted), slot.engine)


def exchange(slot: Slot, engine: str, others: Collection[Slot]) -> None:
    """Let `engine` belong to `slot`, and its own to whoever had that."""
    owner = owner_of(engine, others)
    if owner is not None:
        owner.engine = slot.engine
    slot.engine = engine
