"""From a deployment's word for an executor to the executor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_runtime.background import Spawner
from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.blocks import LocalProcesses
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.devices import Claim
from dlhub_task_manager.executors.elsewhere.choice import ELSEWHERE
from dlhub_task_manager.executors.engine import Spec
from dlhub_task_manager.executors.pooled import PooledExecutor
from dlhub_task_manager.executors.servable import ServableExecutor
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.errors import Unavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What an executor of one version is made from."""

    label: str
    """Begins the ids of its replicas."""
    command: WorkerCommand
    folder: Path
    """Gets a folder per replica."""
    blocks: Path
    """For what Parsl leaves: scripts that start blocks, what they print, logs, certificates."""
    switchboard: Switchboard
    tasks: Spawner
    claim: Claim | None = None
    """Accelerators of each replica; None: it needs none."""


def make_executor(kind: str, needs: Needs) -> Executor:
    """The executor that a deployment names. Raises Unavailable when this site has none of that name."""
    make = EXECUTORS.get(kind)
    if make is None:
        known = ", ".join(sorted([*EXECUTORS, *ELSEWHERE]))
        raise Unavailable(f"this site has no executor {kind!r}; it has {known}")
    return make(needs)


def _parsl(needs: Needs) -> Executor:
    tray = needs.blocks / "outputs"
    return ServableExecutor(
        needs.label, _provider(needs), needs.command, needs.folder, needs.switchboard, tray, needs.claim
    )


def _htex(needs: Needs) -> Executor:
    from dlhub_task_manager.executors.htex import CAPABILITIES, HtexPool

    def make(name: str) -> Any:
        return HtexPool(name, _provider(needs), needs.blocks)

    return PooledExecutor(needs.label, make, _spec(needs), CAPABILITIES, needs.tasks)


def _ipp(needs: Needs) -> Executor:
    # Not at the top: it brings IPython along, which few sites use.
    try:
        from dlhub_task_manager.executors.ipp import CAPABILITIES, IpyParallelPool
    except ModuleNotFoundError as error:
        raise Unavailable(
            "the executor 'ipp' needs IPyParallel, which this site lacks: pip install 'dlhub[ipp]'"
        ) from error

    def make(name: str) -> Any:
        return IpyParallelPool(name, _provider(needs), needs.blocks)

    return PooledExecutor(needs.label, make, _spec(needs), CAPABILITIES, needs.tasks)


EXECUTORS: dict[str, Callable[[Needs], Executor]] = {"parsl": _parsl, "htex": _htex, "ipp": _ipp}


def _provider(needs: Needs) -> LocalProcesses:
    return LocalProcesses(needs.blocks)


def _spec(needs: Needs) -> Spec:
    """Sockets lie beside the switchboard's: their paths must be short."""
    sockets = Path(needs.switchboard.endpoint.removeprefix("ipc://")).parent
    return Spec(
        command=needs.command,
        folder=needs.folder,
        states=needs.blocks / "states",
        sockets=sockets,
    )
