"""What methods declare, remembered per version; asked for only when a value needs it."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dlhub_client.errors import NotFound
from proto_msgs.arguments import Argument

FLOATING_S = 60.0
"""How long the version that a name without a number means is believed to be the same."""
MAX_KNOWN = 256
_PINNED = re.compile(r"@\d+$")

Describe = Callable[[str], Awaitable[Mapping[str, Any]]]
"""From a name to the hub's description of what it means."""


@dataclass(frozen=True)
class _Known:
    version: Any
    methods: Mapping[str, Any]
    until: float | None
    """Monotonic time, seconds; None: for good."""


class Declarations:
    """The declared types of the methods that a client has used."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._known: dict[str, _Known] = {}

    async def input_of(self, name: str, method: str) -> Argument:
        """How a method's input is declared. Raises NotFound."""
        return Argument.model_validate((await self._method(name, method))["input"])

    async def output_of(self, name: str, method: str) -> Argument:
        """How a method's output is declared. Raises NotFound."""
        return Argument.model_validate((await self._method(name, method))["output"])

    def forget(self, name: str) -> None:
        """What is known of a name did not fit."""
        self._known.pop(name, None)

    def saw(self, name: str, metadata: Mapping[str, Any]) -> None:
        """A run was answered by this version."""
        known = self._known.get(name)
        if known is not None and metadata.get("version") not in (None, known.version):
            self.forget(name)

    async def _method(self, name: str, method: str) -> Mapping[str, Any]:
        known = self._known.get(name)
        if known is None or (known.until is not None and known.until < time.monotonic()):
            known = await self._ask(name)
        if method not in known.methods:
            raise NotFound(f"{name} has no method {method!r}; it has: {', '.join(sorted(known.methods))}.")
        found: Mapping[str, Any] = known.methods[method]
        return found

    async def _ask(self, name: str) -> _Known:
        record = await self._describe(name)
        until = None if _PINNED.search(name) else time.monotonic() + FLOATING_S
        methods = (record.get("description") or record)["servable"].get("methods") or {}
        self.forget(name)
        while len(self._known) >= MAX_KNOWN:
            self.forget(next(iter(self._known)))
        self._known[name] = known = _Known(record.get("version"), methods, until)
        return known
