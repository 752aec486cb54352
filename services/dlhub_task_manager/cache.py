"""The site's level of the inference cache: what was computed here is not computed again.

Only for methods that their authors declared deterministic, and only outputs: a failure may have had
other reasons than its inputs. Of identical runs that are here at the same time one leads and the
others follow: they get its output, or the error that the model raised. When the leader ends for a
reason of its own (its replica was lost, it was cancelled, its deadline passed), the next one leads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from dlhub_runtime.byte_cache import ByteCache, fingerprint
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.waiting import Lines
from proto_msgs import codec
from proto_msgs.errors import Cancelled, DeadlineExceeded, WorkerLost
from proto_msgs.runs import Outcome
from proto_msgs.servables import VersionRecord

LEVEL = "site"
_THE_LEADERS_OWN = frozenset((Cancelled.code, DeadlineExceeded.code, WorkerLost.code))


class InferenceCache(ByteCache[bytes]):
    """Packed outputs of all versions of a site."""

    __slots__ = ("joined",)

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self.joined = 0
        """Misses that were not computed either, because an identical run was under way."""


class Owner(Protocol):
    """The serving, as seen from here."""

    lines: Lines

    def dispatch(self) -> None: ...


@dataclass(slots=True)
class Flight:
    """Identical runs: one that is computed, and those that wait for it."""

    leader: RunState
    followers: list[RunState] = field(default_factory=list)


class Memory:
    """Says which runs of one serving need no replica."""

    def __init__(
        self, version_id: str, methods: frozenset[str], results: InferenceCache, owner: Owner
    ) -> None:
        self._version_id = version_id
        self._methods = methods
        self._results = results
        self._owner = owner
        self._flights: dict[bytes, Flight] = {}

    @classmethod
    def of(cls, version: VersionRecord, results: InferenceCache, owner: Owner) -> Memory | None:
        """None: every run of this version is computed."""
        methods = version.description.servable.methods.items()
        deterministic = frozenset(name for name, method in methods if method.deterministic)
        if not deterministic or not results.max_bytes:
            return None
        return cls(version.version_id, deterministic, results, owner)

    def takes(self, state: RunState) -> bool:
        """Answer a run from memory or let it follow an identical one; False: it is to be computed."""
        if state.method not in self._methods:
            return False
        payload = state.payload if isinstance(state.payload, bytes) else b""
        key = fingerprint(self._version_id, state.method, payload, state.run.blob)
        if state.run.fresh:
            state.on_settled = partial(self._refreshed, key)
            return False
        body = self._results.get(key)
        if body is not None:
            state.settle(Outcome(run_id=state.run.run_id, ok=True, body=body, cached=LEVEL))
            return True
        return self._follows(key, state)

    def remembers(self, method: str) -> bool:
        """Whether outputs of this method are kept, for which they must be in memory."""
        return method in self._methods

    def _follows(self, key: bytes, state: RunState) -> bool:
        flight = self._flights.get(key)
        if flight is None:
            self._lead(key, Flight(state))
            return False
        self._results.joined += 1
        if flight.leader.durable and not state.durable and flight.leader in self._owner.lines:
            # Whoever waits for an answer must not stand in the tasks' line: the two change places.
            self._owner.lines.remove(flight.leader)
            flight.leader.on_settled = None
            flight.followers.append(flight.leader)
            flight.leader = state
            self._lead(key, flight)
            return False
        flight.followers.append(state)
        return True

    def _lead(self, key: bytes, flight: Flight) -> None:
        self._flights[key] = flight
        flight.leader.on_settled = partial(self._landed, key)

    def _refreshed(self, key: bytes, _: RunState, outcome: Outcome) -> None:
        if outcome.ok:
            self._results.put(key, outcome.body, len(outcome.body))

    def _landed(self, key: bytes, leader: RunState, outcome: Outcome) -> None:
        """The leader has its outcome: it is everybody's, or the next one leads."""
        self._refreshed(key, leader, outcome)
        flight = self._flights.pop(key, None)
        followers = [state for state in flight.followers if not state.settled] if flight else []
        if not followers:
            return
        if not outcome.ok and _code(outcome) in _THE_LEADERS_OWN:
            self._lead(key, Flight(followers[0], followers[1:]))
            followers[0].alone |= leader.alone  # the same inputs may be what kills replicas
            self._owner.lines.add(followers[0], first=True)
            # Later: this may be the middle of losing a replica.
            asyncio.get_running_loop().call_soon(self._owner.dispatch)
            return
        for state in followers:
            state.settle(_shared(outcome, state))

    @property
    def followers(self) -> Iterator[RunState]:
        """Runs that wait for others."""
        for flight in self._flights.values():
            yield from (state for state in flight.followers if not state.settled)

    def take_followers(self) -> list[RunState]:
        """Those that wait for others, which then end for themselves alone."""
        followers = list(self.followers)
        self._flights.clear()
        return followers


def _code(outcome: Outcome) -> str:
    try:
        failure = codec.unpack(outcome.body)
    except codec.DecodeError:  # a worker's process belongs to the model, which may have written it
        return ""
    return str(failure.get("code", "")) if isinstance(failure, dict) else ""


def _shared(outcome: Outcome, state: RunState) -> Outcome:
    """The leader's outcome as a follower's; what was printed was printed for the leader."""
    run_id = state.run.run_id
    waited_ms = max(0.0, time.time() - state.sent_at) * 1000 if state.sent_at else 0.0
    if outcome.ok:
        return Outcome(run_id=run_id, ok=True, body=outcome.body, queue_ms=waited_ms, cached=LEVEL)
    return replace(outcome, run_id=run_id, queue_ms=waited_ms, load_ms=0.0, run_ms=0.0)
