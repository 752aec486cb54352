"""Joint calls: the runs of a batch for a vectorised method, together, each with the outcome it has alone.

Runs with the same parameters and inputs of one kind share a call. When it raises, its two halves are called,
and so on, until only the culprits are alone with their errors. Inputs are read anew for that: the call that
failed may have changed them. Such a call is interrupted only when nobody waits for any of its runs. What it
prints belongs to each of its runs.
"""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List

from dlhub_shim import failures, payloads
from dlhub_shim.capture import MAX_TEXT_BYTES, Capture
from dlhub_shim.files import Encode, Outputs
from dlhub_shim.interrupt import Gate, RunInterrupted
from dlhub_shim.payloads import Result, Unreadable, Wanted
from dlhub_shim.vectorised import Kind, Mismatch, Vectorised
from proto_msgs import codec, worker

_LEAST_TEXT = 1024
_PENDING: Result = (False, b"")


class _Member:
    """One run of a joint call, and what became of it."""

    __slots__ = (
        "deadline",
        "encode",
        "inputs",
        "kind",
        "parameters",
        "payload",
        "result",
        "run_id",
        "wanted",
    )

    def __init__(
        self, run_id: worker.RunId, payload: worker.Content, deadline: float | None, encode: Encode
    ) -> None:
        self.run_id = run_id
        self.payload = payload
        self.deadline = deadline
        self.encode = encode
        self.inputs: Any = None
        self.parameters: Dict[str, Any] = {}
        self.wanted: Wanted = None
        self.kind: Kind = None
        self.result = _PENDING

    def read(self, method: Vectorised) -> None:
        """Make the inputs ready, or the result that says why that cannot be."""
        try:
            inputs, self.parameters, self.wanted = payloads.read(self.payload)
            self.inputs = method.convert(inputs)
            self.kind = method.kind(self.inputs)
        except Unreadable as error:
            self.result = payloads.failed(error.failure)
        except Exception as error:  # inputs that are not what is declared raise whatever NumPy raises
            self.result = payloads.failed(failures.of_run(error))

    def end(self, reason: str) -> None:
        self.result = payloads.failed(failures.of_interruption(reason))


class JointCalls:
    """Calls vectorised methods for batches of runs."""

    def __init__(self, capture: Capture, gate: Gate, outputs: Outputs) -> None:
        self._capture = capture
        self._gate = gate
        self._outputs = outputs

    def answer(self, method: Vectorised, runs: List[worker.Run]) -> Iterator[List[worker.Outcome]]:
        """The outcomes of a batch, some at a time."""
        began = time.perf_counter()
        members = [_Member(*run[:3], self._outputs.encoder(run)) for run in runs]
        for member in members:
            member.read(method)
        for group in _groups(members):
            self._settle(method, group)
            now = time.perf_counter()
            yield self._outcomes(group, now - began)
            began = now

    def _settle(self, method: Vectorised, group: List[_Member]) -> None:
        """Give each member of a group its result."""
        group = [member for member in group if self._is_wanted(member)]
        if not group:
            return
        error = self._call(method, group)
        # Outside the handler: what is raised from here on did not come up while that was handled.
        if error is not None:
            self._search(method, group, error)

    def _is_wanted(self, member: _Member) -> bool:
        """Whether it has to be called; one that nobody waits for gets its result here."""
        reason = self._gate.unwanted(member.run_id, member.deadline)
        if reason is not None:
            member.end(reason)
        return member.result is _PENDING

    def _call(self, method: Vectorised, group: List[_Member]) -> BaseException | None:
        """Give each member its result, unless the model raises: what it raised."""
        gate = self._gate
        try:
            try:
                gate.enter_joint(tuple((member.run_id, member.deadline) for member in group))
                outputs = method.call([member.inputs for member in group], group[0].parameters)
            finally:
                gate.leave()
        except RunInterrupted as interruption:
            for member in group:
                member.end(gate.unwanted(member.run_id, member.deadline) or interruption.code)
        except BaseException as error:  # whatever a model raises, sys.exit() included, is its run's outcome
            return error
        else:
            for member, output in zip(group, outputs):
                member.result = payloads.result_of(output, member.wanted, member.encode)
        return None

    def _search(self, method: Vectorised, group: List[_Member], error: BaseException) -> None:
        """A call raised: find whose fault it was."""
        if len(group) == 1:
            group[0].result = payloads.failed(failures.of_run(error))
            return
        self._capture.take()  # the calls that follow print it again
        for member in group:
            member.read(method)
        # An output without an entry for each input is no fault of one run: halves would not fare better.
        size = 1 if isinstance(error, Mismatch) else (len(group) + 1) // 2
        for start in range(0, len(group), size):
            self._settle(method, group[start : start + size])

    def _outcomes(self, group: List[_Member], run_s: float) -> List[worker.Outcome]:
        most = max(_LEAST_TEXT, MAX_TEXT_BYTES // len(group))
        stdout, stderr = (failures.shortened(text, most) for text in self._capture.take())
        return [(member.run_id, *member.result, run_s, stdout, stderr) for member in group]


def _groups(members: List[_Member]) -> List[List[_Member]]:
    """Members that may share a call; those that have a result already stay together."""
    groups: Dict[Any, List[_Member]] = {}
    for number, member in enumerate(members):
        if member.result is not _PENDING:
            key: Any = None
        elif member.kind is None:
            key = number
        else:
            key = (codec.pack(member.parameters) if member.parameters else b"", member.kind)
        groups.setdefault(key, []).append(member)
    return list(groups.values())
