"""Which waiting runs go to which replica: the next batch, and when it is sent.

Nothing here is done per run but taking it off its line, and nothing per replica: there may be hundreds.
Only for vectorised methods, whose calls are worth sharing, is a batch ever held back; then one timer
per serving looks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from dlhub_task_manager.batching import JointPace, Line, Pace, Reason
from dlhub_task_manager.pool import Pool
from dlhub_task_manager.replica import Batch, Replica
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.waiting import Lines
from proto_msgs.description import Servable
from proto_msgs.runs import Outcome

TIMER_S = 0.001
"""Event loops count in milliseconds."""
LITTLE_S = 0.002
"""Work that is not worth another message and the attention of another process."""
SOON_S = 0.005
"""A batch of little work that left so recently is about to come back, even where replicas share the cores."""
Send = Callable[[Replica, list[RunState], Reason], None]


class Dispatcher:
    """The lines of one serving, and how its methods fare in batches."""

    def __init__(self, servable: Servable, send: Send) -> None:
        self.lines = Lines()
        self.pool = Pool()
        self.in_hand = 0
        """Runs that replicas have."""
        self.objective_s = 0.1
        """What a batch should take at most."""
        self._joint = frozenset(name for name, method in servable.methods.items() if method.vectorised)
        self._paces: dict[str, Pace] = {}
        """By method: one may be quick and another slow."""
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

    def learn(self, batch: Batch, outcomes: list[Outcome], items: int, last: bool) -> bool:
        """A replica has answered some runs of a batch, with so many items, or with `last` all the rest.

        Returns whether more deliveries than before are worth holding.
        """
        self.in_hand -= len(outcomes)
        pace = self.pace(batch.method)
        if isinstance(pace, JointPace):
            before = pace.deliveries
            if last:
                pace.learn_call(batch.items, batch.took_s, self.objective_s)
            return pace.deliveries > before
        if items:
            pace.learn(len(outcomes), items, sum([outcome.run_ms for outcome in outcomes]) / 1000)
        return False

    def dispatch(self) -> None:
        """Give waiting runs to replicas with room."""
        while self.lines:
            first = self.lines.first
            pace = self.pace(first.method)
            if isinstance(pace, JointPace):
                pace.hold.see(len(self.lines) + self.in_hand)
            replica = self._next(pace, first)
            if replica is None:
                return
            bound = pace.bound
            reason: Reason | None = None
            if isinstance(pace, JointPace) and not first.alone:
                reason = self._reason(pace, first)
                if reason is None:
                    return
            states = self.lines.take(self._share(pace), bound)
            self._send(replica, states, reason or (Reason.FULL if len(states) >= bound else Reason.QUIET))

    def _next(self, pace: Pace, first: RunState) -> Replica | None:
        """An idle replica, or one whose next batch may lie ready."""
        if first.alone or not pace.quick:
            return self.pool.idle
        busy = self.pool.busy
        idle = self.pool.idle
        if busy is not None and (idle is None or self._done_soon(busy.batches[0])):
            return busy
        return idle

    def _done_soon(self, batch: Batch) -> bool:
        """Whether waiting for it costs less than waking another replica."""
        work_s = (self.pace(batch.method).item_s or LITTLE_S) * batch.items
        return work_s < LITTLE_S and time.monotonic() - batch.sent_at < SOON_S

    def _share(self, pace: Pace) -> int:
        """How many runs the next batch should have, so that all replicas get some."""
        share = -(-len(self.lines) // max(1, self.pool.peers))
        # A worker may say that its runs took no time at all: the average then sinks to where 1 / x overflows.
        return max(share, int(LITTLE_S / max(pace.item_s, 1e-9))) if pace.item_s else share

    def sent(self, replica: Replica, batch: Batch) -> None:
        """A batch went to a replica."""
        replica.batches.append(batch)
        self.pool.update(replica)
        self.in_hand += len(batch.runs)

    def done(self, replica: Replica, batch: Batch) -> None:
        """A replica has answered a batch."""
        self.in_hand -= len(batch.runs)
        self.pool.update(replica)

    def forget(self, replica: Replica) -> None:
        """A replica has ended, with what it had in hand."""
        self.pool.update(replica)
        self.in_hand -= sum(len(batch.runs) for batch in replica.batches)

    def _reason(self, pace: JointPace, first: RunState) -> Reason | None:
        """Why the next batch should be sent now; None: it is held, and the timer will ask again."""
        items = self.lines.items_ahead(pace.bound)
        line = Line(items, len(self.lines) + self.in_hand, first.run.deadline - time.time())
        now = time.monotonic()
        reason = pace.reason(now, line, self.objective_s)
        if reason is None and self._timer is None:
            delay_s = max(TIMER_S, pace.hold.until - now)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._look_again)
        return reason

    def _look_again(self) -> None:
        self._timer = None
        self.dispatch()

    def drain(self) -> list[RunState]:
        """Empty the lines; the runs that stood in them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self.lines.drain()
