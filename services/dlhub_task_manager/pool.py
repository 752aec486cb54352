"""Replicas that may take a batch, found without looking at all there are."""

from __future__ import annotations

from dlhub_task_manager.replica import Replica


class Pool:
    """Idle replicas, and busy ones for which a second batch may lie ready.

    It is told of every replica that has changed. The one that changed last is taken first: its memory is
    warm, and the others can be seen to be idle.
    """

    def __init__(self) -> None:
        self._idle: dict[str, Replica] = {}
        self._busy: dict[str, Replica] = {}

    def update(self, replica: Replica) -> None:
        """Its state has changed, or its batches."""
        self._idle.pop(replica.replica_id, None)
        self._busy.pop(replica.replica_id, None)
        if replica.room(1):
            self._idle[replica.replica_id] = replica
        elif replica.room(2):
            self._busy[replica.replica_id] = replica

    @property
    def idle(self) -> Replica | None:
        """One with nothing in hand."""
        return next(reversed(self._idle.values()), None)

    @property
    def busy(self) -> Replica | None:
        """One with a single batch in hand, beside which another fits."""
        return next(reversed(self._busy.values()), None)

    @property
    def peers(self) -> int:
        """How many are as free as the freest."""
        return len(self._idle) or len(self._busy)
