"""Runs become calls of a server: vectorised ones share calls, others are called at the same time, bounded.

Runs with the same parameters and inputs of one kind share a call. When the model refuses it, its two halves
are called, and so on, until only the culprits are alone with their errors. A call is ended, and its
connection closed, when nobody waits for any of its runs.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

from dlhub_shim import failures, payloads
from dlhub_shim.complaints import InputMismatch, OutputMismatch
from dlhub_shim.payloads import Result, Unreadable, Wanted
from dlhub_shim.vectorised import Kind, Mismatch
from dlhub_task_manager.executors.elsewhere.service import Gone, ModelFailed, RemoteMethod
from proto_msgs import codec, worker
from proto_msgs.errors import DLHubError

Tell = Callable[[list[worker.Outcome], bool], None]
"""Takes outcomes of a batch, and whether they are its last."""
LARGE_BYTES = 64 * 1024
"""Larger values are encoded and decoded in a thread, so that the event loop goes on."""
_PENDING: Result = (False, b"")


class Member:
    """One run of a batch, and what became of it."""

    __slots__ = ("deadline", "inputs", "kind", "parameters", "payload", "result", "run_id", "wanted")

    def __init__(self, run: worker.Run) -> None:
        self.run_id, self.payload, self.deadline = run[:3]
        self.inputs: Any = None
        self.parameters: dict[str, Any] = {}
        self.wanted: Wanted = None
        self.kind: Kind = None
        self.result = _PENDING

    def read(self, method: RemoteMethod) -> None:
        """Make the inputs ready, or the result that says why that cannot be."""
        try:
            inputs, self.parameters, self.wanted = payloads.read(self.payload)
            self.inputs = method.convert(inputs)
            self.kind = method.joining.kind(self.inputs) if method.joining else None
        except Unreadable as error:
            self.result = payloads.failed(error.failure)
        except Exception as error:  # inputs that are not what is declared raise whatever NumPy raises
            self.result = payloads.failed(failure_of(error))

    @property
    def size_bytes(self) -> int:
        return len(self.payload) if isinstance(self.payload, bytes) else self.payload[1]


class Calls:
    """The calls that one replica has under way."""

    def __init__(self, concurrent: int) -> None:
        self._concurrent = concurrent
        self._cancelled: set[worker.RunId] = set()
        self._open: dict[asyncio.Timeout, list[Member]] = {}

    def cancel(self, run_id: worker.RunId) -> None:
        """Nobody waits for that run, which is in a batch that is answered now or later."""
        self._cancelled.add(run_id)
        for scope, group in self._open.items():
            if all(self._reason(member) for member in group):
                scope.reschedule(0)

    async def answer(
        self, name: str, method: RemoteMethod | None, runs: Sequence[worker.Run], tell: Tell
    ) -> None:
        """Call for all runs of a batch and tell their outcomes. Raises Gone when the server is."""
        members = [Member(run) for run in runs]
        if method is None:
            failure = worker.failure(worker.NOT_FOUND, f"there is no method {name!r}")
            for member in members:
                member.result = payloads.failed(failure)
            tell(_outcomes(members, 0.0), True)
            return
        await aside(sum(member.size_bytes for member in members), _read, members, method)
        await self._answer_groups(method, _groups(members, method), tell)
        self._cancelled.difference_update(member.run_id for member in members)

    async def _answer_groups(self, method: RemoteMethod, groups: list[list[Member]], tell: Tell) -> None:
        places = asyncio.Semaphore(self._concurrent)
        left = len(groups)

        async def answer(group: list[Member]) -> None:
            nonlocal left
            async with places:
                began = time.perf_counter()
                await self._settle(method, group)
                left -= 1
                tell(_outcomes(group, time.perf_counter() - began), left == 0)

        try:
            async with asyncio.TaskGroup() as tasks:
                for group in groups:
                    tasks.create_task(answer(group))
        except* Gone as gone:
            raise Gone(str(gone.exceptions[0])) from None

    async def _settle(self, method: RemoteMethod, group: list[Member]) -> None:
        """Give each member of a group its result."""
        group = [member for member in group if self._is_wanted(member)]
        if not group:
            return
        error = await self._call(method, group)
        if error is not None:
            await self._search(method, group, error)

    def _is_wanted(self, member: Member) -> bool:
        """Whether it has to be called; one that nobody waits for gets its result here."""
        if member.result is _PENDING and (reason := self._reason(member)):
            member.result = payloads.failed(failures.of_interruption(reason))
        return member.result is _PENDING

    def _reason(self, member: Member) -> str:
        """Why nobody waits for it; empty: somebody does."""
        if member.run_id in self._cancelled:
            return worker.CANCELLED
        overdue = member.deadline is not None and time.time() > member.deadline
        return worker.DEADLINE_EXCEEDED if overdue else ""

    async def _call(self, method: RemoteMethod, group: list[Member]) -> Exception | None:
        """Give each member its result, unless the model refuses: what was said."""
        scope = asyncio.timeout_at(_last_deadline(group))
        try:
            async with scope:
                self._open[scope] = group
                outputs = await _outputs(method, group)
        except Gone:
            raise
        except TimeoutError as error:
            if not scope.expired():
                return error
            for member in group:
                reason = self._reason(member) or worker.DEADLINE_EXCEEDED
                member.result = payloads.failed(failures.of_interruption(reason))
        except Exception as error:  # what it was decides about the run, not about the replica
            return error
        else:
            await aside(sum(member.size_bytes for member in group), _keep, group, outputs)
        finally:
            self._open.pop(scope, None)
        return None

    async def _search(self, method: RemoteMethod, group: list[Member], error: Exception) -> None:
        """A call failed: find whose fault it was."""
        if len(group) == 1 or not _may_be_a_runs_fault(error):
            failed = payloads.failed(failure_of(error))
            for member in group:
                member.result = failed
            return
        # An output without an entry for each input is no fault of one run: halves would not fare better.
        size = 1 if isinstance(error, Mismatch) else (len(group) + 1) // 2
        for start in range(0, len(group), size):
            await self._settle(method, group[start : start + size])


async def aside(size_bytes: int, work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` gives for the arguments; in a thread where their size says that it takes long."""
    if size_bytes > LARGE_BYTES:
        return await asyncio.to_thread(work, *arguments)
    return work(*arguments)


async def _outputs(method: RemoteMethod, group: list[Member]) -> list[Any]:
    inputs, parameters = [member.inputs for member in group], group[0].parameters
    if method.joining is None:
        return [await method(inputs[0], parameters)]
    return method.joining.apart(await method(method.joining.together(inputs), parameters), inputs)


def _read(members: list[Member], method: RemoteMethod) -> None:
    for member in members:
        member.read(method)


def _keep(group: list[Member], outputs: list[Any]) -> None:
    encode = functools.partial(codec.pack, path="output")
    for member, output in zip(group, outputs, strict=True):
        member.result = payloads.result_of(output, member.wanted, encode)


def _groups(members: list[Member], method: RemoteMethod) -> list[list[Member]]:
    """Members that may share a call; those that have a result already stay together."""
    groups: dict[Any, list[Member]] = {}
    for number, member in enumerate(members):
        key: Any = number
        if member.result is not _PENDING:
            key = None
        elif method.joining is not None and member.kind is not None:
            key = (codec.pack(member.parameters), member.kind)
        groups.setdefault(key, []).append(member)
    return list(groups.values())


def _last_deadline(group: list[Member]) -> float | None:
    """When nobody waits any more, by the event loop's clock; None: somebody always does."""
    deadlines = [member.deadline for member in group]
    if None in deadlines:
        return None
    left_s = max(deadline for deadline in deadlines if deadline is not None) - time.time()
    return asyncio.get_running_loop().time() + left_s


def _outcomes(group: list[Member], run_s: float) -> list[worker.Outcome]:
    return [(member.run_id, *member.result, run_s, "", "") for member in group]


def _may_be_a_runs_fault(error: Exception) -> bool:
    """Whether it might have gone well without one of the runs."""
    return not isinstance(error, DLHubError | TimeoutError)


def failure_of(error: Exception) -> worker.Failure:
    """What a caller is told of a call that failed."""
    if isinstance(error, InputMismatch):
        return worker.failure(worker.INPUT_MISMATCH, str(error), "InputMismatch")
    if isinstance(error, ModelFailed | OutputMismatch | Mismatch):
        return worker.failure(worker.SERVABLE_FAILED, str(error), type(error).__name__)
    if isinstance(error, DLHubError):
        return worker.failure(error.code, str(error))
    return failures.of_run(error)
