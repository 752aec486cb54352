"""The harness of a service's process: settings, logging, the event loop, signals, exit status.

A service's `__main__` is `run("catalog", serve, Settings)`; its `serve(settings)` works until it is
cancelled. SIGTERM and SIGINT cancel it; whatever it opened closes on the way out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from dlhub_runtime import logs
from dlhub_runtime.settings import ServiceSettings, SettingsError, load
from proto_msgs.errors import DLHubError

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)
STUCK_S = 12.0
"""So long after a signal, tasks that were cancelled and are still there are cancelled once more."""
BAD_SETTINGS = 78  # EX_CONFIG of sysexits.h: starting again would not help
FAILED = 1


def instance_name(service: str) -> str:
    """A name for this process on the bus that no other one has."""
    return f"{service}-{secrets.token_hex(4)}"


def run(service: str, serve: Callable[[S], Awaitable[None]], settings_type: type[S]) -> None:
    """Run a service until a signal; ends the process with status 0, or 1, or 78 for bad settings."""
    try:
        settings = load(settings_type)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 # logging is not set up yet
        sys.exit(BAD_SETTINGS)
    logs.configure(service, settings.log_level, settings.log_format)
    sys.exit(uvloop.run(_supervise(serve(settings))))


async def _supervise(work: Awaitable[None]) -> int:
    """Await `work`, cancel it at a signal, and say how it ended."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        task.cancel()
        loop.call_later(STUCK_S, _cancel_again)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    logger.info("Service starts", extra={"action": "service_start", "pid": os.getpid()})
    try:
        await task
    except asyncio.CancelledError:
        logger.info("Service stopped", extra={"action": "service_stop"})
        return 0
    except Exception as error:
        _explain(error)
        return FAILED
    return 0


def _cancel_again() -> None:
    """Cancel what should have ended.

    `asyncio.wait_for` of Python 3.11, which libraries use, loses a cancellation that comes just as
    what it waits for is done; a loop around it would then go on for ever.
    """
    for task in asyncio.all_tasks():
        if task.cancelling():
            logger.warning("Cancelled again", extra={"action": "cancelled_again", "task": task.get_name()})
            task.cancel()


def _explain(error: Exception) -> None:
    """Log what ended the service: one line for what we expect, a traceback for what we do not."""
    causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    for cause in causes:
        known = isinstance(cause, DLHubError)
        logger.error(
            "Service failed",
            extra={"action": "service_failed", "error": str(cause)},
            exc_info=None if known else cause,
        )
