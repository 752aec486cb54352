"""Who may see the network and who may run it, step by step, as another user of the hub finds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from examples.shared.checks import Check
from proto_msgs.errors import DLHubError, Forbidden, NotFound

QUICK_S = 1.0
"""What was shared must be gone so soon when it is taken back, ..."""
_PATIENCE_S = 10.0
"""... and this is how long it is waited for, so that it can be said how late it was."""
_ANSWERS = {NotFound: "404", Forbidden: "403"}


class Client(Protocol):
    """The part of DLHubClient that is used here."""

    def describe_servable(self, name: str) -> dict[str, Any]: ...

    def run(self, name: str, inputs: Any, *, timeout_s: float | None) -> Any: ...

    def search(self, query: str | None) -> list[dict[str, Any]]: ...

    def set_access(self, name: str, visible_to: Any = None, runnable_by: Any = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Seen:
    """What somebody gets: "ok", or the status of the answer."""

    describe: str
    run: str
    search: int
    """How many servables a search finds."""


HIDDEN, VISIBLE, RUNNABLE = Seen("404", "404", 0), Seen("ok", "403", 1), Seen("ok", "ok", 1)


@dataclass(frozen=True)
class Visitor:
    """Another user, who knows the servable's name and tries."""

    client: Client
    identity: str
    servable: str
    inputs: Mapping[str, Any]
    timeout_s: float = 60.0

    def looks(self) -> Seen:
        """All three ways to the servable."""
        found = self.client.search(self.servable.partition("/")[2])
        return Seen(
            _tried(lambda: self.client.describe_servable(self.servable)),
            self.tries_to_run(),
            sum(item["name"] == self.servable for item in found),
        )

    def tries_to_run(self) -> str:
        """ "ok", or the status of the answer."""
        return _tried(lambda: self.client.run(self.servable, self.inputs, timeout_s=self.timeout_s))

    def until_refused(self, began: float) -> float:
        """Seconds since `began` until a run is answered with 404; infinite when it is not for long."""
        while time.perf_counter() < began + _PATIENCE_S:
            if self.tries_to_run() == "404":
                return time.perf_counter() - began
        return float("inf")


def _tried(ask: Callable[[], Any]) -> str:
    try:
        ask()
    except DLHubError as error:
        return _ANSWERS.get(type(error), f"{type(error).__name__}: {error}")
    return "ok"


def conduct(owner: Client, visitor: Visitor, tell: Callable[[str], None]) -> list[Check]:
    """Hide, show, share and take back; what the visitor gets at each stage is a check."""
    name, who = visitor.servable, [visitor.identity]
    checks = [_check("private", visitor.looks(), HIDDEN, tell)]
    owner.set_access(name, visible_to=who, runnable_by=[])
    checks.append(_check("may be seen", visitor.looks(), VISIBLE, tell))
    owner.set_access(name, runnable_by=who)
    checks.append(_check("shared", visitor.looks(), RUNNABLE, tell))
    began = time.perf_counter()
    owner.set_access(name, visible_to=[], runnable_by=[])
    refused_s = visitor.until_refused(began)
    checks.append(_check("taken back", visitor.looks(), HIDDEN, tell))
    text = f"404 again {refused_s:.2f} s after it was taken back (limit {QUICK_S:.0f} s)"
    return [*checks, Check(refused_s <= QUICK_S, text)]


def _check(stage: str, seen: Seen, expected: Seen, tell: Callable[[str], None]) -> Check:
    text = f"{stage}: another user gets {_words(seen)}"
    tell(text)
    return Check(seen == expected, text if seen == expected else f"{text}; expected were {_words(expected)}")


def _words(seen: Seen) -> str:
    return f"{seen.describe} for its description, {seen.run} for a run, {seen.search} by search"
