"""Progress at a terminal, on standard error; silence where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlhub_client.models import OnProgress, Progress


@contextmanager
def shown(*, quiet: bool) -> Iterator[OnProgress | None]:
    """A callback that draws what it is told; None when there is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
    )
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        yield Board(display).show


class Board:
    """One line per stage; a build also names its step and shows the last line of its log."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._lines: dict[str, Any] = {}

    def show(self, progress: Progress) -> None:
        """Draw a step forward."""
        line = self._lines.get(progress.stage)
        if line is None:
            for earlier in self._lines.values():
                self._display.update(earlier, total=1, completed=1)
            line = self._display.add_task(progress.stage.capitalize(), total=None, count="")
            self._lines[progress.stage] = line
        self._display.update(
            line,
            description=_label(progress),
            total=progress.total,
            completed=progress.done,
            count=_count(progress),
        )


def _label(progress: Progress) -> str:
    if progress.stage == "build":
        return f"Build: {progress.step}  {progress.text}"[:70]
    return {"pack": "Packing", "upload": "Uploading", "map": "Running", "run": "Running"}[progress.stage]


def _count(progress: Progress) -> str:
    if progress.stage == "upload":
        unit, divisor = ("MB", 1e6) if (progress.total or 0) >= 1e6 else ("kB", 1e3)
        return f"{progress.done / divisor:.1f} of {(progress.total or 0) / divisor:.1f} {unit}"
    if progress.stage in ("map", "run"):
        return f"{progress.done:,}" + (f" of {progress.total:,}" if progress.total else "")
    return ""
