"""Which waiting runs go to which replica: the next batch, and when it is sent.

Nothing here is done per run but taking it off its line. Only for vectorised methods, whose calls are
worth sharing, is a batch ever held back; then one timer per serving looks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from dlhub_task_manager.batching import JointPace, Line, Pace, Reason
from dlhub_task_manager.replica import Batch, Replica
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.waiting import Lines
from proto_msgs.description import Servable
from proto_msgs.worker import Outcome

TIMER_S = 0.001
"""Event loops count in milliseconds."""
Send = Callable[[Replica, list[RunState], Reason], None]


class Dispatcher:
    """The lines of one serving, and how its methods fare in batches."""

    def __init__(self, servable: Servable, replicas: dict[str, Replica], send: Send) -> None:
        self.lines = Lines()
        self.objective_s = 0.1
        """What a batch should take at most."""
        self._joint = frozenset(name for name, method in servable.methods.items() if method.vectorised)
        self._paces: dict[str, Pace] = {}
        """By method: one may be quick and another slow."""
        self._replicas = replicas
        self._send = send
        self._timer: asyncio.TimerHandle | None = None

    def is_joint(self, method: str) -> bool:
        """Whether the runs of a batch are one call."""
        return method in self._joint

    def pace(self, method: str) -> Pace:
        """What is known of a method."""
        found = self._paces.get(method)
        if found is None:
            found = self._paces[method] = JointPace() if method in self._joint else Pace()
        return found

    @property
    def deliveries(self) -> int:
        """Messages with runs to hold for each replica."""
        joint = [pace.deliveries for pace in self._paces.values() if isinstance(pace, JointPace)]
        if joint:
            return max(joint)
        return min((pace.deliveries for pace in self._paces.values()), default=1)

    @property
    def item_s(self) -> dict[str, float]:
        """What one item takes a replica, by method."""
        return {name: pace.item_s for name, pace in self._paces.items() if pace.item_s is not None}

    def learn(self, batch: Batch, outcomes: list[Outcome], items: int, last: bool) -> None:
        """A replica has answered some runs of a batch, with so many items, or with `last` all the rest."""
        pace = self.pace(batch.method)
        if not isinstance(pace, JointPace):
            if outcomes and items:
                pace.learn(len(outcomes), items, sum([outcome[3] for outcome in outcomes]))
        elif last and batch.items:
            pace.learn_call(batch.items, batch.took_s, self.objective_s)

    def dispatch(self) -> None:
        """Give waiting runs to replicas with room."""
        while self.lines:
            first = self.lines.first
            pace = self.pace(first.method)
            if isinstance(pace, JointPace):
                pace.hold.see(self._under_way())
            peers = self._peers(2 if pace.quick and not first.alone else 1)
            if not peers:
                return
            bound = pace.bound
            reason: Reason | None = None
            if isinstance(pace, JointPace) and not first.alone:
                reason = self._reason(pace, first)
                if reason is None:
                    return
            states = self.lines.take(-(-len(self.lines) // len(peers)), bound)
            self._send(peers[0], states, reason or (Reason.FULL if len(states) >= bound else Reason.QUIET))

    def _reason(self, pace: JointPace, first: RunState) -> Reason | None:
        """Why the next batch should be sent now; None: it is held, and the timer will ask again."""
        items = self.lines.items_ahead(pace.bound)
        line = Line(items, self._under_way(), first.run.deadline - time.time())
        now = time.monotonic()
        reason = pace.reason(now, line, self.objective_s)
        if reason is None and self._timer is None:
            delay_s = max(TIMER_S, pace.hold.until - now)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._look_again)
        return reason

    def _look_again(self) -> None:
        self._timer = None
        self.dispatch()

    def _under_way(self) -> int:
        in_hand = [len(batch.runs) for replica in self._replicas.values() for batch in replica.batches]
        return len(self.lines) + sum(in_hand)

    def _peers(self, most: int) -> list[Replica]:
        """Of the replicas that take another batch, if they may have `most`, those with the fewest."""
        free = [replica for replica in self._replicas.values() if replica.room(most)]
        if len(free) < 2:
            return free
        fewest = min(len(replica.batches) for replica in free)
        return [replica for replica in free if len(replica.batches) == fewest]

    def drain(self) -> list[RunState]:
        """Empty the lines; the runs that stood in them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self.lines.drain()
