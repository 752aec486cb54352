"""Logging: constant messages, a stable `action` per event, the rest as fields.

`extra={"action": "task_finished", "task_id": ...}` becomes `task_finished task_id=...` for people,
or one JSON object per line for machines.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Literal

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
QUIET = ("aio_pika", "aiormq", "aiohttp.access", "asyncio", "parsl", "pymongo")


def configure(service: str, level: str, form: Literal["text", "json"]) -> None:
    """Send all logging of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service) if form == "json" else TextFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    # aiormq reports every lost connection as errors with tracebacks; the bus says it in one line.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What was passed as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


class TextFormatter(logging.Formatter):
    """`2026-11-23 12:00:00.123 catalog INFO Task finished action=task_finished task_id=...`."""

    converter = staticmethod(time.gmtime)

    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s.%(msecs)03d {service} %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in fields(record).items())
        return f"{super().formatMessage(record)} {extra}".rstrip()


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": record.created,
            "service": self._service,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
