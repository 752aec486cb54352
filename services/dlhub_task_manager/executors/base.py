"""What a serving asks of whatever runs its replicas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dlhub_task_manager.executors.tray import Refused
from proto_msgs.worker import Failure, Outcome, Run


class ReplicaListener(Protocol):
    """Told of what one replica's worker says."""

    def on_hello(self, info: dict[str, Any]) -> None: ...
    def on_ready(self, load_s: float) -> None: ...
    def on_unloadable(self, why: Failure) -> None: ...
    def on_done(self, batch_id: int, outcomes: list[Outcome], last: bool) -> None: ...
    def on_gone(self) -> None: ...


Listen = Callable[[str], ReplicaListener]
"""Given a replica's id, who is told what its worker says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """In what executors differ."""

    cancels_running: bool
    """Whether a run that a model is at work on can be interrupted; if not, it takes the replica's end."""
    loss_noticed_s: float
    """How long it may take until a replica whose process was killed is known to be gone."""
    shares_files: bool = False
    """Whether replicas see the files of this machine, so that large values need not be sent to them."""
    runs_python: bool = True
    """Whether replicas are workers of ours, which run any type of servable; if not, a server elsewhere."""


class Executor(ABC):
    """Starts replicas of one version and carries batches to them.

    All methods are called from the event loop's thread; listeners are told there too.
    """

    capabilities: Capabilities

    @abstractmethod
    async def launch(self, listen: Listen) -> str:
        """Start a replica; its id.

        `listen` is called once, before anything can be heard of the replica. Raises Unavailable, with the
        provider's own words; then nothing more is heard of it.
        """

    @abstractmethod
    def send(self, replica_id: str, batch_id: int, method: str, runs: list[Run]) -> bool:
        """Hand runs to a replica, which does its batches in order; False when it is gone."""

    def take(self, replica_id: str, file: Any) -> Path:
        """The file that a replica has left, out of its reach. Raises Refused."""
        raise Refused("its replicas leave no files")

    @abstractmethod
    def cancel(self, replica_id: str, run_id: str) -> None:
        """Do not begin a run or, where that is possible, interrupt it."""

    @abstractmethod
    def stop(self, replica_id: str) -> None:
        """Let a replica finish what it has and then end."""

    @abstractmethod
    async def end(self, replica_id: str) -> Path:
        """End a replica now, whatever it is doing; its listener hears no more.

        Returns the folder of what ended: where replicas can stand in for one another, maybe another's.
        """

    @abstractmethod
    def silence_s(self, replica_id: str) -> float:
        """How long nothing was heard of a replica; 0 where something else watches that it lives."""

    @abstractmethod
    async def ended(self) -> dict[str, str]:
        """Replicas whose process has ended by itself, with its last words."""

    @abstractmethod
    async def close(self) -> None:
        """End what is left and give everything back."""
