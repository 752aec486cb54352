"""What a server elsewhere must offer to be an executor's replicas, and how it says that it cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from dlhub_shim.inputs import converter
from dlhub_shim.vectorised import Joining

Declared = dict[str, Any]
Call = Callable[[Any, dict[str, Any]], Awaitable[Any]]
"""Takes a method's inputs and parameters, gives its output. Raises ModelFailed, Gone, Unavailable."""


class Gone(Exception):
    """The server, or the model on it, is not there any more."""


class ModelFailed(Exception):
    """The model raised, or refused its input: the server's own words."""


class RemoteMethod:
    """A method that a server runs, called as its description says."""

    def __init__(self, declared: Declared, call: Call) -> None:
        self._call = call
        self._defaults = declared.get("parameters") or {}
        self._convert = converter(declared.get("input") or {})
        self.joining = joining_of(declared)
        """How runs share a call; None: they do not."""

    def convert(self, inputs: Any) -> Any:
        """Inputs in the form that their declaration promises the model."""
        return inputs if self._convert is None else self._convert(inputs)

    async def __call__(self, inputs: Any, parameters: dict[str, Any]) -> Any:
        return await self._call(inputs, {**self._defaults, **parameters})


def joining_of(declared: Declared) -> Joining | None:
    """How runs of a method share a call; None where it is not vectorised."""
    if not declared.get("vectorised"):
        return None
    declared_input = declared.get("input") or {}
    unpack = bool((declared.get("method_details") or {}).get("unpack"))
    return Joining(declared_input, converter(declared_input), unpack)


Methods = dict[str, RemoteMethod]


class Service(ABC):
    """One version on a server elsewhere. Made without touching anything; `open` may be called again."""

    look_s: float
    """How often it is looked at whether it still serves."""
    concurrent: int = 8
    """Calls of one replica that may be under way at the same time."""

    @abstractmethod
    async def open(self) -> None:
        """Have the server get the version, without waiting until it has loaded it.

        Does nothing where that was done and still holds. Raises Unavailable, and LoadError when trying again
        would not help.
        """

    @abstractmethod
    async def resize(self, replicas: int) -> None:
        """Provide for so many replicas, at least one; returns when that is done. Raises Unavailable."""

    @abstractmethod
    async def ready(self) -> Methods:
        """Wait until the version can be called. Raises LoadError, Unavailable."""

    @abstractmethod
    async def look(self) -> None:
        """Raise Gone when the version is not served any more."""

    @abstractmethod
    async def close(self) -> None:
        """Take back all that `open` has done; the service is not used again."""
