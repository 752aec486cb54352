"""A hub whose supervisor is real and whose services are not: see fake_service."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_service

from dlhub_embedded.control import status
from dlhub_embedded.settings import SERVICES, Settings
from dlhub_embedded.state import HubStatus, PartStatus

FAKES = {name: (sys.executable, str(fake_service.__file__), name) for name in SERVICES}


def settings(**given: Any) -> Settings:
    """Settings of a hub of fake services with private servers."""
    return Settings(services=FAKES, **({"ready_timeout_s": 60, "stop_timeout_s": 10} | given))


def serverless(**given: Any) -> Settings:
    """The same with the servers of others, which nobody connects to: up in a moment."""
    return settings(**({"amqp_url": "amqp://other/", "mongo_url": "mongodb://other/"} | given))


def part(home: Path, name: str) -> PartStatus:
    return next(part for part in status(home).parts if part.name == name)


async def until(home: Path, holds: Callable[[HubStatus], object], timeout_s: float = 20) -> HubStatus:
    """The hub's status, once it is as asked for."""
    async with asyncio.timeout(timeout_s):
        while not holds(now := status(home)):
            await asyncio.sleep(0.02)
    return now


async def environment_of(home: Path, name: str, timeout_s: float = 20) -> dict[str, str]:
    """What a fake service was given, once it has written it down: it may start after the hub is ready."""
    path = home / f"{name}.env.json"
    async with asyncio.timeout(timeout_s):
        while not path.exists():
            await asyncio.sleep(0.02)
    return dict(json.loads(path.read_text()))
