"""Serving one version: which run goes to which replica, and what happens when a replica is lost.

Runs wait here in two lines, those somebody waits for before those of tasks; `dispatching` makes batches
of them. When a replica is lost, the runs of the batch it had in hand are tried again, each alone, so
that only the culprit is lost twice; those it had not begun go back without a mark.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable

from dlhub_task_manager.batching import Reason
from dlhub_task_manager.cache import Memory
from dlhub_task_manager.dispatching import Dispatcher
from dlhub_task_manager.fleet import Fleet, Ground, Prepare
from dlhub_task_manager.left import outcome_with_file, run_elements
from dlhub_task_manager.replica import Batch, Replica, ReplicaState
from dlhub_task_manager.runs import ColdStart, RunState, outcome_of
from dlhub_task_manager.scaler import Scaler
from dlhub_task_manager.waiting import Trouble
from proto_msgs.errors import Cancelled, DeadlineExceeded, LoadFailed, WorkerLost
from proto_msgs.runs import Outcome as RunOutcome
from proto_msgs.sites import Deployment, ServedVersion, Wish
from proto_msgs.topics import Lane
from proto_msgs.worker import Failure, Outcome

logger = logging.getLogger(__name__)

MAX_LOSSES = 2
"""A run that lost so many replicas is not tried again."""


class Serving:
    """One version at this site."""

    def __init__(
        self,
        wish: Wish,
        ground: Ground,
        prepare: Prepare,
        limit: int,
        on_capacity: Callable[[Serving], None],
    ) -> None:
        self.version = wish.version
        self.deployment: Deployment = wish.deployment
        self.fleet = Fleet(ground, prepare, wish.deployment.executor, self)
        self.cold = ColdStart()
        self.trouble = Trouble()
        self.dispatcher = Dispatcher(wish.version.description.servable, self._send)
        self.dispatcher.objective_s = wish.deployment.target_wait_ms / 1000
        self.lines = self.dispatcher.lines
        self.memory = Memory.of(wish.version, ground.cache, self)
        self.scaler = Scaler(self, limit)
        self.backlog = 0
        """Messages in the broker's queues, as last seen."""
        self._ground = ground
        self._on_capacity = on_capacity
        self._numbers = itertools.count()

    def accept(self, state: RunState) -> None:
        """Take on a run; `dispatch` hands it to a replica."""
        if state.overdue:
            _fail_overdue(state)
        elif self.memory is not None and self.memory.takes(state):
            return  # it needs no replica
        elif (refusal := self.trouble.refusal) and not self.fleet.ready:
            state.fail(**_as_arguments(refusal))
        else:
            self.lines.add(state)

    @property
    def capacity(self) -> int:
        """Deliveries that can be dealt with now: none while the first replica starts."""
        if self.fleet.ready:
            return self.fleet.ready * self.dispatcher.deliveries
        return 64 if self.trouble.refusal else 0

    def dispatch(self) -> None:
        """Give waiting runs to replicas with room."""
        self.dispatcher.dispatch()

    def _send(self, replica: Replica, states: list[RunState], reason: Reason) -> None:
        """Hand a batch to a replica."""
        now = time.time()
        states = [state for state in states if not state.settled]
        for state in states:
            state.dispatched_at, state.batch_size = now, len(states)
        if not states:
            return
        first = states[0]
        batch = Batch(
            batch_id=next(self._numbers),
            method=first.method,
            runs={state.run.run_id: state for state in states},
            items=sum([state.run.items for state in states]),
            joint=self.dispatcher.is_joint(first.method),
            alone=first.alone,
            sent_at=time.monotonic(),
        )
        self.dispatcher.sent(replica, batch)
        self.scaler.last_busy = batch.sent_at
        self._ground.stats.sent(len(states), reason)
        sent = replica.executor.send(
            replica.replica_id,
            batch.batch_id,
            first.method,
            run_elements(replica, states, self._files_above(first.method)),
        )
        if not sent:
            self.replica_lost(replica, "its connection was closed")

    def _files_above(self, method: str) -> int:
        """Larger outputs may be left as files; 0: none, since they are remembered here."""
        remembered = self.memory is not None and self.memory.remembers(method)
        return 0 if remembered else self._ground.inline_bytes

    def replica_ready(self, replica: Replica) -> None:
        self.trouble.clear()
        self.scaler.replica_ready(replica)
        if not self.cold.ended_at:
            self.cold.ended_at = time.time()
        logger.info("Replica ready", extra={"action": "replica_ready", "replica": replica.replica_id})
        self.dispatcher.pool.update(replica)
        self._on_capacity(self)
        self.dispatch()

    def replica_did(self, replica: Replica, batch: Batch, outcomes: list[Outcome], last: bool) -> None:
        answered, durable, items = [], False, 0
        for fields in outcomes:
            state = batch.runs.pop(str(fields[0]), None)
            if state is not None:
                items += state.run.items
                if isinstance(fields[2], bytes):
                    outcome: RunOutcome | None = outcome_of(state, fields, self.cold)
                else:
                    outcome = outcome_with_file(replica, state, fields, self.cold)
                if outcome is None:
                    continue
                state.settle(outcome)
                answered.append(outcome)
                durable = state.durable  # runs of one batch have come by the same lane
        self._ground.stats.answered(Lane.DURABLE if durable else Lane.INTERACTIVE, answered)
        self.scaler.did(len(outcomes), batch.took_s)
        if self.dispatcher.learn(batch, answered, items, last):
            self._on_capacity(self)
        if last:
            for state in batch.runs.values():  # its process belongs to the model, which may say what it likes
                state.fail(WorkerLost.code, "the replica gave no outcome for this run")
            self.dispatcher.done(replica, batch)
            self._finish_stopping(replica)
            self.dispatch()

    def replica_unloadable(self, replica: Replica, why: Failure) -> None:
        """The model cannot be loaded: trying again would not help those who wait."""
        self.trouble.note(why["message"], {**why, "code": LoadFailed.code})
        self._end(replica)
        self._refuse_waiting()

    def replica_lost(self, replica: Replica, why: str) -> None:
        """A replica is gone, or is ended because of what `why` says; its runs are not forgotten."""
        if replica.state is ReplicaState.ENDED:
            return
        self._ground.stats.lost += 1
        loaded = replica.state in (ReplicaState.READY, ReplicaState.STOPPING)
        logger.warning(
            "Replica lost", extra={"action": "replica_lost", "replica": replica.replica_id, "why": why}
        )
        if not loaded:
            self._start_failed(why)
        in_hand, *untouched = [list(batch.runs.values()) for batch in replica.batches] or [[]]
        self._end(replica)
        for states in reversed(untouched):
            self._put_back(states)
        if any(state.stop_by is not None for state in in_hand):
            self._put_back(in_hand)  # it was ended because of those that are settled; the others did nothing
        else:
            self._try_again(in_hand, why)
        self._on_capacity(self)
        self.dispatch()

    def _put_back(self, states: list[RunState]) -> None:
        for state in reversed(states):
            if not state.settled:
                self.lines.add(state, first=True)

    def _try_again(self, states: list[RunState], why: str) -> None:
        """Each alone, on another replica; one that has lost too many replicas fails."""
        again = []
        for state in states:
            state.losses += 1
            state.alone = True
            if state.losses >= MAX_LOSSES:
                state.dead_because = f"{MAX_LOSSES} replicas were lost with it: {why}"
                state.fail(
                    WorkerLost.code,
                    f"the replica was lost with this run in it ({why}), and so was the one that tried again",
                )
            else:
                again.append(state)
        self._put_back(again)

    def _start_failed(self, why: str) -> None:
        self.trouble.note(why)
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        """Tell those who wait, when there is nothing to wait for."""
        refusal = self.trouble.refusal
        if refusal and not self.fleet.ready:
            for state in self.dispatcher.drain():
                state.fail(**_as_arguments(refusal))
        self._on_capacity(self)

    def interrupt(self, state: RunState, code: str, message: str) -> None:
        """Free the caller at once; a replica that runs it gets a moment to return, then is ended."""
        if state.settled:
            return
        state.fail(code, message)
        replica = self._replica_of(state)
        if replica is None:
            if state in self.lines:
                self.lines.remove(state)
            return
        state.stop_by = time.monotonic() + self._ground.liveness.grace_s
        replica.executor.cancel(replica.replica_id, state.run.run_id)

    def cancel(self, state: RunState) -> None:
        """Somebody cancelled the task."""
        self.interrupt(state, Cancelled.code, "the task was cancelled")

    def _replica_of(self, state: RunState) -> Replica | None:
        run_id = state.run.run_id
        for replica in self.fleet.replicas.values():
            if any(run_id in batch.runs for batch in replica.batches):
                return replica
        return None

    def tick(self) -> None:
        """Called a few times a second: deadlines, silence, and how many replicas there should be."""
        for state in [state for state in self.lines if state.overdue]:
            self.lines.remove(state)
            _fail_overdue(state)
        for state in [state for state in self._followers if state.overdue]:
            _fail_overdue(state)
        for replica in list(self.fleet.replicas.values()):
            self._check_deadlines(replica)
        for replica, why in self.fleet.find_silent():
            self.replica_lost(replica, why)

    def _check_deadlines(self, replica: Replica) -> None:
        now = time.monotonic()
        for batch in list(replica.batches):
            for state in [state for state in batch.runs.values() if state.stop_by is None and state.overdue]:
                self.interrupt(
                    state, DeadlineExceeded.code, "the deadline passed while the model was running"
                )
            if batch.must_end(now):
                self.replica_lost(replica, "it did not return after its run was ended")
                return

    @property
    def _followers(self) -> Iterable[RunState]:
        """Runs that wait for identical ones."""
        return self.memory.followers if self.memory else ()

    def start_replica(self) -> None:
        """Start one more."""
        self.fleet.start(self._start_failed)

    def retire(self, replica: Replica) -> None:
        """Let a replica finish what it has and end."""
        if replica.idle:
            self.scaler.demand.wanted_at = float("-inf")  # those who wanted it have been served
        replica.state = ReplicaState.STOPPING
        self.dispatcher.pool.update(replica)
        self._finish_stopping(replica)
        self._on_capacity(self)

    def redeploy(self, deployment: Deployment) -> None:
        """Follow another wish; another executor needs other replicas."""
        changed = deployment.executor != self.deployment.executor
        self.deployment = deployment
        self.dispatcher.objective_s = deployment.target_wait_ms / 1000
        if changed:
            self.fleet.use(deployment.executor)
            if self.fleet.replicas:
                for replica in list(self.fleet.replicas.values()):
                    self.retire(replica)
                self.want()

    def _finish_stopping(self, replica: Replica) -> None:
        if replica.state is ReplicaState.STOPPING and not replica.batches:
            replica.executor.stop(replica.replica_id)
            self._end(replica)

    def _end(self, replica: Replica) -> None:
        if replica.state is not ReplicaState.ENDED:
            self.fleet.end(replica)
            self.dispatcher.forget(replica)

    def take_waiting(self) -> list[RunState]:
        """The runs that no replica has; they are no longer this serving's."""
        followers = self.memory.take_followers() if self.memory else []
        return followers + [state for state in self.dispatcher.drain() if not state.settled]

    def close(self) -> list[RunState]:
        """End all replicas; returns the runs that have no outcome, to be given back to the queues."""
        unfinished = self.take_waiting()
        for replica in list(self.fleet.replicas.values()):
            unfinished += [state for batch in replica.batches for state in batch.runs.values()]
            self._end(replica)
        return [state for state in unfinished if not state.settled]

    def want(self) -> None:
        """Somebody said that runs wait in the queues."""
        self.scaler.demand.wanted_at = time.monotonic()

    def report(self) -> ServedVersion:
        """How it fares, for the heartbeat."""
        running = sum(len(b.runs) for r in self.fleet.replicas.values() for b in r.batches)
        return ServedVersion(
            version_id=self.version.version_id,
            servable=self.version.servable,
            ready=self.fleet.ready,
            starting=self.fleet.starting,
            running=running,
            waiting=len(self.lines),
            trouble=self.trouble.words,
            item_s=self.dispatcher.item_s,
        )


def _as_arguments(failure: Failure) -> dict[str, str]:
    """The arguments of `RunState.fail`."""
    return {"code": failure["code"], "message": failure["message"], "error_type": failure["type"],
            "traceback": failure["traceback"]}  # fmt: skip


def _fail_overdue(state: RunState) -> None:
    state.fail(DeadlineExceeded.code, "the deadline passed before a replica was free")
