"""Runs: a batch in, an outcome for each run out. Nothing that a model does to one run reaches the next.

`Invoker` is the pure core: no sockets and no threads, `invoke(bytes) -> bytes`. The worker's loop hands it an
`Outbox` too, so that outcomes of a long batch leave while the rest still runs.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from dlhub_shim import failures, payloads
from dlhub_shim.capture import Capture
from dlhub_shim.files import Outputs
from dlhub_shim.interrupt import Gate, RunInterrupted
from dlhub_shim.joint import JointCalls
from dlhub_shim.loaders import Method
from dlhub_shim.payloads import Result, Unreadable
from dlhub_shim.vectorised import Vectorised
from proto_msgs import worker

FLUSH_S = 0.005
"""Outcomes of an unfinished batch are sent when this long has passed since the last were."""


class Outbox:
    """Outcomes of the batch in hand that were not sent yet.

    The control thread sends them too (`flush`), when a slow run keeps the main thread from it. ZeroMQ allows
    that because the lock orders the two and the main thread never waits in the socket with outcomes pending.
    """

    def __init__(self, send: Callable[[bytes], Any]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._batch_id: worker.RunId = ""
        self._pending: list[worker.Outcome] = []
        self._sent_at = 0.0

    def begin(self, batch_id: worker.RunId) -> None:
        self._batch_id = batch_id
        self._sent_at = time.perf_counter()

    def add(self, outcomes: list[worker.Outcome]) -> None:
        """Keep outcomes that are not the batch's last, and send what is kept if that is due."""
        with self._lock:
            self._pending += outcomes
            if time.perf_counter() - self._sent_at >= FLUSH_S:
                self._send_pending()

    def flush(self) -> None:
        """Send what is kept; called by the control thread."""
        with self._lock:
            if self._pending:
                self._send_pending()

    def finish(self, outcomes: list[worker.Outcome]) -> None:
        """Send what is kept with the batch's last outcomes."""
        with self._lock:
            self._pending += outcomes
            message = worker.done(self._batch_id, self._pending, True)
            self._pending = []
            self._send(message)

    def _send_pending(self) -> None:
        message = worker.done(self._batch_id, self._pending, False)
        self._pending = []
        self._send(message)
        self._sent_at = time.perf_counter()


class Invoker:
    """The loaded methods of one servable, ready to answer batches."""

    def __init__(
        self, methods: Dict[str, Method], capture: Capture, gate: Gate, folder: Optional[Path] = None
    ) -> None:
        self._methods = methods
        self._capture = capture
        self._gate = gate
        self._outputs = Outputs(folder)
        self._joint = JointCalls(capture, gate, self._outputs)

    def invoke(self, batch: bytes) -> bytes:
        """A batch frame in, the done frame with all its outcomes out. Raises FrameError for anything else."""
        sent: list[bytes] = []
        self.answer(worker.read(batch), Outbox(sent.append), flush=False)
        return sent[0]

    def answer(self, frame: worker.Frame, outbox: Outbox, flush: bool = True) -> None:
        """Run a batch; its outcomes go to the outbox, with `flush` some of them early."""
        _, batch_id, method, runs = frame[:4]
        outbox.begin(batch_id)
        self._capture.begin()
        function = self._methods.get(method)
        if isinstance(function, Vectorised):
            self._answer_together(function, runs, outbox, flush)
        elif len(runs) == 1 or not flush:
            outbox.finish([self._outcome(method, run) for run in runs])
        else:
            for run in runs[:-1]:
                outbox.add([self._outcome(method, run)])
            outbox.finish([self._outcome(method, run) for run in runs[-1:]])

    def _answer_together(
        self, function: Vectorised, runs: List[worker.Run], outbox: Outbox, flush: bool
    ) -> None:
        kept: List[worker.Outcome] = []
        for outcomes in self._joint.answer(function, runs):
            if flush and kept:
                outbox.add(kept)
                kept = []
            kept = kept + outcomes
        outbox.finish(kept)

    def _outcome(self, method: str, run: worker.Run) -> worker.Outcome:
        began = time.perf_counter()
        ok, body = self._result(method, run)
        run_s = time.perf_counter() - began
        stdout, stderr = self._capture.take()
        return (run[0], ok, body, run_s, stdout, stderr)

    def _result(self, method: str, run: worker.Run) -> Result:
        run_id, payload, deadline = run[:3]
        gate = self._gate
        function = self._methods.get(method)
        if function is None:
            return payloads.failed(self._no_method(method))
        try:
            inputs, parameters, wanted = payloads.read(payload)
        except Unreadable as error:
            return payloads.failed(error.failure)
        try:
            try:
                reason = gate.enter(run_id, deadline)
                if reason is not None:
                    return payloads.failed(failures.of_interruption(reason))
                output = function(inputs, parameters)
            finally:
                gate.leave()
        except RunInterrupted as interruption:
            return payloads.failed(failures.of_interruption(interruption.code))
        except BaseException as error:  # whatever a model raises, sys.exit() included, is its run's outcome
            return payloads.failed(failures.of_run(error))
        return payloads.result_of(output, wanted, self._outputs.encoder(run))

    def _no_method(self, method: str) -> worker.Failure:
        known = ", ".join(self._methods)
        return worker.failure(worker.NOT_FOUND, f"there is no method {method!r}; there are {known}")
