"""From a deployment's word for a server elsewhere to the executor; and the removal of what a crash has left.

What only these executors need is imported when one is asked for: few sites have them.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_runtime.background import Spawner
from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.elsewhere.executor import ElsewhereExecutor
from dlhub_task_manager.executors.elsewhere.marks import Marks
from dlhub_task_manager.executors.elsewhere.service import Gone
from dlhub_task_manager.site_file import SiteFile
from proto_msgs.errors import Unavailable
from proto_msgs.servables import VersionRecord

logger = logging.getLogger(__name__)

SWEEP_S = 60.0
"""Between two looks for what a crash, or a server that refused, has left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Yard:
    """What a site has of servers elsewhere."""

    site: SiteFile
    marks: Marks
    folder: Path
    """For servers that we start ourselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What an executor of one version is made from."""

    label: str
    """Unlike any before; begins the ids of its replicas."""
    version: VersionRecord
    files: Callable[[], Awaitable[Path]]
    """Fetches the published files."""
    folder: Path
    """Of the version, on this machine."""
    yard: Yard
    tasks: Spawner


async def make_elsewhere(kind: str, needs: Needs) -> Executor:
    """The executor that a deployment names, one of `ELSEWHERE`. Raises Unavailable."""
    service = await _module(kind).make(needs)
    return ElsewhereExecutor(needs.label, service, needs.folder, needs.tasks)


async def sweep_forever(yard: Yard) -> None:
    """Remove what is ours and nobody looks after, at start and now and then."""
    kinds = [kind for kind, table in ELSEWHERE.items() if getattr(yard.site, table) is not None]
    while kinds:
        for kind in kinds:
            await _sweep(kind, yard)
        await asyncio.sleep(SWEEP_S)


async def _sweep(kind: str, yard: Yard) -> None:
    try:
        removed = await _module(kind).sweep(yard)
    except (Unavailable, Gone, OSError) as error:
        logger.warning("Not swept", extra={"action": "sweep_failed", "executor": kind, "error": str(error)})
        return
    except Exception:  # a fault of ours must not end the task manager
        logger.exception("Not swept", extra={"action": "sweep_failed", "executor": kind})
        return
    if removed:
        logger.info("Leftovers removed", extra={"action": "swept", "executor": kind, "names": removed})


ELSEWHERE = {"tensorflow-serving": "tensorflow_serving", "sagemaker": "sagemaker"}
"""By a deployment's word: the table of the site file, which is also the package and the extra's name."""


def _module(kind: str) -> Any:
    package = f"dlhub_task_manager.executors.{ELSEWHERE[kind]}.making"
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"the executor {kind!r} needs {error.name!r}, which this site lacks: pip install 'dlhub[{kind}]'"
        ) from error
