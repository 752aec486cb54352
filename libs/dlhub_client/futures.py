"""A run that goes on at the hub, as a `concurrent.futures.Future`.

It works with `as_completed` and `wait`. A long poll resolves it in the moment in which the hub knows the
outcome. Callbacks run on the client's thread, so they must be quick and may not wait for the client.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

_BaseFuture = concurrent.futures.Future[Any]


class DLHubFuture(_BaseFuture):
    """The output of a task to come; `task_id` finds it again from anywhere, with `get_result`."""

    def __init__(self, task_id: str, cancel_remotely: Callable[[], bool], debug: bool = False) -> None:
        super().__init__()
        self.task_id = task_id
        self._cancel_remotely = cancel_remotely
        self._debug = debug
        self._lock = threading.Lock()
        self._settled = False

    def cancel(self) -> bool:
        """End the run at the hub; False when it had ended already, so that there is a result instead."""
        if self.done():
            return self.cancelled()
        if not self._cancel_remotely():
            return False
        self.settle_cancelled()
        with contextlib.suppress(concurrent.futures.CancelledError, TimeoutError):
            self.exception(timeout=1.0)  # the long poll may have been quicker, and be just about to say so
        return True

    def settle(self, output: Any, metadata: Mapping[str, Any]) -> None:
        """The hub has the output."""
        if self._claim():
            self.set_result((output, metadata) if self._debug else output)

    def settle_failed(self, error: BaseException) -> None:
        """The run failed, or nothing more can be learnt about it."""
        if self._claim():
            self.set_exception(error)

    def settle_cancelled(self) -> None:
        """The hub says that it is cancelled."""
        if self._claim():
            super().cancel()
            self.set_running_or_notify_cancel()  # wakes `wait` and `as_completed`

    def _claim(self) -> bool:
        """Whether the caller settles it first; no lock is held while callbacks run, as they may cancel."""
        with self._lock:
            first, self._settled = not self._settled, True
        return first
