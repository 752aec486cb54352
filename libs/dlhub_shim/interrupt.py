"""Which run the main thread is in, and how another thread ends it.

Only the main thread can be interrupted in Python, and only by a signal. So a cancel or a deadline is noted
here by the control thread, which then signals the main thread; the signal's handler raises `RunInterrupted`
if that very run is still the current one. A run is known by the tuple made when it was entered: comparing
identities, not ids, keeps a late signal from hitting the run that came next. A call that several runs share
is interrupted when nobody waits for any of them.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import Any, Optional, Tuple

from proto_msgs import worker

Entry = Tuple[worker.RunId, Optional[float]]
"""A run's id and its deadline, Unix time."""

SIGNAL = signal.SIGUSR1
_MAX_CANCELLED = 10_000


class RunInterrupted(BaseException):
    """Raised inside a model's code to end the run. Not an Exception, so that few models swallow it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class WorkerStopped(BaseException):
    """Raised in the main thread while it waits for work, or loads, to end the worker."""


class Gate:
    """Shared by the main thread (enter, leave, idle) and the control thread (cancel, tick, stop)."""

    def __init__(self) -> None:
        self.idle = False
        self.stopping = False
        self._running: tuple[Entry, ...] | None = None
        self._target: object = None
        self._reason = ""
        # A dict for its order: the oldest ids are forgotten first.
        self._cancelled: dict[worker.RunId, None] = {}

    def install(self) -> None:
        """Let `SIGNAL` interrupt runs; called by the main thread."""
        signal.signal(SIGNAL, self._on_signal)

    def enter(self, run_id: worker.RunId, deadline: float | None) -> str | None:
        """Begin a run; the code of the reason if it must not begin. From here on it can be interrupted."""
        self._running = ((run_id, deadline),)
        # After the line above: a cancel that comes now either is seen here or sees the run.
        return self.unwanted(run_id, deadline)

    def enter_joint(self, entries: tuple[Entry, ...]) -> None:
        """Begin a call for several runs; a cancel that it crosses is seen by the next `tick`."""
        self._running = entries

    def unwanted(self, run_id: worker.RunId, deadline: float | None) -> str | None:
        """The code of the reason why nobody waits for a run."""
        if self._cancelled and run_id in self._cancelled:
            return worker.CANCELLED
        if deadline is not None and time.time() >= deadline:
            return worker.DEADLINE_EXCEEDED
        return None

    def leave(self) -> None:
        """The run is over; nothing interrupts what follows."""
        self._running = None

    def cancel(self, run_id: worker.RunId) -> None:
        """Never begin that run; interrupt it if it is the current one."""
        if len(self._cancelled) >= _MAX_CANCELLED:
            del self._cancelled[next(iter(self._cancelled))]
        self._cancelled[run_id] = None
        running = self._running
        if running is not None and any(run_id == entry[0] for entry in running):
            self._interrupt_unwanted(running)

    def tick(self) -> None:
        """Interrupt the current run if nobody waits for it; end an idle worker that shall stop."""
        running = self._running
        if running is not None:
            self._interrupt_unwanted(running)
        if self.stopping:
            # Each tick again: a signal that arrives just before the main thread starts to wait wakes nobody.
            _signal_main_thread()

    def stop(self) -> None:
        """Let the worker end as soon as it is idle."""
        self.stopping = True
        _signal_main_thread()

    def _interrupt_unwanted(self, running: tuple[Entry, ...]) -> None:
        if running is self._target:
            return  # told once; if it goes on regardless, the task manager ends the process
        reason = ""
        for entry in running:
            why = self.unwanted(*entry)
            if why is None:
                return
            reason = reason or why
        self._reason = reason
        self._target = running
        _signal_main_thread()

    def _on_signal(self, _signal: int, _frame: Any) -> None:
        if self.idle and self.stopping:
            self.idle = False
            raise WorkerStopped
        running = self._running
        if running is not None and running is self._target:
            self._running = None  # before raising: the exception itself must not be interrupted again
            raise RunInterrupted(self._reason)


def _signal_main_thread() -> None:
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, SIGNAL)
