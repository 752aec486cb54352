"""The control thread: beats, deadlines, cancels, the order to stop, and the end of a worker nobody talks to.

It works in ticks. Silence is counted in ticks that really happened: while a model keeps Python's lock, or the
whole machine sleeps, this thread does not run, and that time must not look like a silent task manager.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Dict

import zmq

from dlhub_shim.interrupt import Gate
from dlhub_shim.invoke import Outbox
from proto_msgs import worker

TICK_S = 0.1
"""How late a deadline, a stop or a held-up outcome may be noticed."""


class Control:
    """What the thread needs, and the one thing that others learn from it."""

    def __init__(self, gate: Gate, outbox: Outbox, beat_s: float) -> None:
        self._gate = gate
        self._outbox = outbox
        self._beat_s = beat_s
        self.heard = threading.Event()
        """The task manager has answered: from now on cancels and stops arrive."""

    def run(self, dealer: Any, info: Dict[str, Any]) -> None:
        """Serve the control socket until the process ends, by `zmq.ContextTerminated` or by silence."""
        dealer.send(worker.hello(info))
        dealer.send(worker.BEAT_FRAME)
        last = time.monotonic()
        since_beat_s = silent_s = 0.0
        while True:
            came = dealer.poll(int(TICK_S * 1000))
            now = time.monotonic()
            passed_s, last = now - last, now
            since_beat_s += passed_s
            silent_s = 0.0 if came else silent_s + min(passed_s, 2 * TICK_S)
            if came:
                self._receive(dealer)
            self._gate.tick()
            self._outbox.flush()
            if since_beat_s >= self._beat_s:
                dealer.send(worker.BEAT_FRAME, zmq.NOBLOCK)
                since_beat_s = 0.0
            if silent_s >= worker.SILENCE_S:
                _leave_silence()

    def _receive(self, dealer: Any) -> None:
        self.heard.set()
        try:
            frame = worker.read(dealer.recv())
        except worker.FrameError as error:
            sys.stderr.write(f"dropped a control message: {error}\n")
            return
        if frame[0] == worker.CANCEL:
            self._gate.cancel(frame[1])
        elif frame[0] == worker.STOP:
            self._gate.stop()


def _leave_silence() -> None:
    sys.stderr.write(f"heard nothing from the task manager for {worker.SILENCE_S:.0f} s: exiting\n")
    sys.stderr.flush()
    os._exit(worker.EXIT_ORPHANED)  # the main thread may be inside a model's call that never returns
