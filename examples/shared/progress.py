"""A bar for each stage of the study, and a line for each step that is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


class Stage:
    """The bar of one stage."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._title = title
        self._task = progress.add_task(title, total=total)

    def doing(self, what: str) -> None:
        """Name the step at work, beside the bar."""
        self._progress.update(self._task, description=f"{self._title}: {escape(what)}")

    def done(self, line: str | None = None, *, steps: int = 1) -> None:
        """Move the bar on; a line stays on the screen, in a log file too."""
        self._progress.advance(self._task, steps)
        if line is not None:
            self._progress.console.print(f"  {escape(line)}", highlight=False)


@contextmanager
def stage(console: Console, title: str, total: int) -> Iterator[Stage]:
    """A heading, and a bar of `total` steps below it."""
    console.rule(f"[bold]{title}", align="left")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        now = Stage(progress, title, total)
        yield now
        now.doing("done")
