"""How a build tells what it does: steps, lines and progress, as they happen."""

from __future__ import annotations

from typing import Protocol

from proto_msgs.errors import BuildFailed

MAX_LINE_CHARS = 2000


class Report(Protocol):
    """Where a build tells what it does. Called on the event loop's thread; must return at once."""

    def step(self, name: str, /) -> None:
        """A step begins: extract, python, lock, wheels, environment or smoke test."""

    def line(self, text: str, /) -> None:
        """A line for the build's log."""

    def progress(self, done: int, total: int, /) -> None:
        """How far the present step is, in bytes; a total of 0 is one that is not known."""


class BoundedReport:
    """Passes on to another report, within a number of characters and without paths of this machine."""

    def __init__(self, report: Report, *, max_chars: int, hidden: tuple[str, ...] = ()) -> None:
        self._report = report
        self._left_chars = max_chars
        self._hidden: list[str] = []
        self.hide(*hidden)
        self.current_step = ""

    def hide(self, *texts: str) -> None:
        """Leave these out of all that follows; the longest is looked for first."""
        self._hidden = sorted(filter(None, {*self._hidden, *texts}), key=len, reverse=True)

    def step(self, name: str, /) -> None:
        self.current_step = name
        self._report.step(name)

    def line(self, text: str, /) -> None:
        if self._left_chars <= 0:
            return
        text = self.clean(text)
        if len(text) > MAX_LINE_CHARS:
            text = f"{text[:MAX_LINE_CHARS]} [{len(text) - MAX_LINE_CHARS:,} characters left out]"
        self._left_chars -= len(text) + 1
        self._report.line(text)
        if self._left_chars <= 0:
            self._report.line("[The log's limit is reached: the rest of the output is left out.]")

    def progress(self, done: int, total: int, /) -> None:
        self._report.progress(done, total)

    def clean(self, text: str) -> str:
        """`text` without what only this machine's operator may know (folders, credentials in addresses)."""
        for secret in self._hidden:
            text = text.replace(secret, "")
        return text

    def failure(self, message: str, **details: str) -> BuildFailed:
        """The error of the present step."""
        cleaned = {name: self.clean(text) for name, text in details.items()}
        return BuildFailed(self.clean(message), details={"step": self.current_step, **cleaned})


class NoReport:
    """Tells nobody."""

    def step(self, name: str, /) -> None:
        """Nothing."""

    def line(self, text: str, /) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, /) -> None:
        """Nothing."""
