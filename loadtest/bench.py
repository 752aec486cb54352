"""What the scenarios of one run share: how much work, the hub, the yardsticks, where to report.

A scenario is a module of `loadtest.scenarios` with a TITLE and a `measure(bench, report)`. It asks the bench
for a hub and for the yardsticks, and puts what it finds into the report. Nothing is measured twice in one
run: a yardstick that several scenarios compare with is measured once, by whoever asks first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

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

from loadtest import yardsticks
from loadtest.hub import MOST_REPLICAS, BenchHub, existing_hub, running_hub
from loadtest.rawhttp import Caller, Target
from loadtest.results import Chart, Check, Sheet
from loadtest.wrk import Bodies, Load, drive
from loadtest.yardsticks import Alone, Queued, Wanted

REFERENCE_HTEX_PER_S = 900.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long things are measured."""

    rounds: int
    """Repetitions of each point."""
    seconds: float
    """Of load per repetition."""
    warm_s: float
    """Of load before the first repetition."""
    serial: int
    """Runs one after the other, where a distribution is wanted."""
    queued: int
    """Runs handed over at once, where a completion time is wanted."""
    queued_ipp: int
    """The same for IPyParallel, which takes half a minute for 10,000."""


FULL = Effort(rounds=5, seconds=6.0, warm_s=3.0, serial=1000, queued=10_000, queued_ipp=10_000)
SHORT = Effort(rounds=3, seconds=2.0, warm_s=1.0, serial=300, queued=10_000, queued_ipp=2_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the command line said."""

    short: bool = False
    site: str | None = None
    hub_url: str | None = None
    out: Path = Path("bench")
    minutes: float | None = None
    """Length of the soak; None: 30, or 1 of a short run."""
    most_replicas: int = 512

    @property
    def effort(self) -> Effort:
        return SHORT if self.short else FULL


class Steps:
    """A progress bar and lines that stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    @contextmanager
    def of(self, title: str) -> Iterator[None]:
        """A bar for one scenario, from here to the end of the block."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24))
        with Progress(
            *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=self._console, transient=True
        ) as progress:
            self._progress = progress
            self._title = title
            self._task = progress.add_task(title, total=None)
            yield
            self._progress = None

    def expect(self, steps: int) -> None:
        """So many steps are still to come."""
        if self._progress:
            done = self._progress.tasks[0].completed
            self._progress.update(self._task, total=done + steps)

    def doing(self, what: str) -> None:
        """A step begins; without a terminal it is a line of its own."""
        if self._progress and self._console.is_terminal:
            self._progress.update(self._task, description=f"{self._title}: {escape(what)}", advance=1)
        else:
            self._console.print(f"  {escape(what)}", highlight=False)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(f"  {escape(line)}", highlight=False)


@dataclass
class Report:
    """What a scenario has found so far."""

    checks: list[Check] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Bench:
    """A run of one or several scenarios; a context manager that stops what it started."""

    def __init__(self, options: Options, console: Console) -> None:
        self.options = options
        self.effort = options.effort
        self.steps = Steps(console)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def hub(self) -> BenchHub:
        """The hub that all scenarios share which need nothing special of it; started when first asked for."""
        if self.options.hub_url:
            return self._stack.enter_context(existing_hub(self.options.hub_url, self.options.site))
        self.steps.say("starting a hub")
        return self._stack.enter_context(running_hub(site=self.options.site))

    @contextmanager
    def own_hub(
        self,
        variables: dict[str, str] | None = None,
        *,
        packed: bool = False,
        most_replicas: int = MOST_REPLICAS,
    ) -> Iterator[BenchHub]:
        """A hub with settings of its own, for one scenario; the shared one when a hub was given."""
        if self.options.hub_url:
            yield self.hub
            return
        self.steps.say("starting a hub for this scenario")
        site = self.options.site
        with running_hub(variables, site, packed=packed, most_replicas=most_replicas) as hub:
            yield hub

    def drive(self, target: Target, in_flight: int, bodies: Bodies | None = None) -> list[Load]:
        """What wrk saw in each round.

        What wrk left behind is waited for: a slow servable would be busy with it in the next round.
        """
        wanted = bodies or Bodies()
        seconds = [self.effort.warm_s, *[self.effort.seconds] * self.effort.rounds]
        loads = []
        for length in seconds:
            loads.append(drive(target, in_flight=in_flight, seconds=length, bodies=wanted))
            with Caller(target) as caller:
                caller.post(wanted.first)
        return loads[1:]

    @property
    def pace(self) -> float:
        """How fast the machine is: 1 where raw HTEX does 900 runs/s or more; absolute goals scale with it."""
        return min(1.0, self.htex.best_per_s / REFERENCE_HTEX_PER_S)

    @cached_property
    def htex(self) -> Alone:
        """Raw HighThroughputExecutor: the yardstick of most goals."""
        self.steps.doing("raw HTEX: one worker, queued and serial no-ops")
        return yardsticks.measure("htex", Wanted(serial=self.effort.serial))

    @cached_property
    def ipp(self) -> Alone:
        """Raw IPyParallel."""
        self.steps.doing("raw IPP: one engine, queued and serial no-ops")
        return yardsticks.measure(
            "ipp", Wanted(serial=self.effort.serial, rounds=1, queued=(Queued(runs=self.effort.queued_ipp),))
        )

    @cached_property
    def servable(self) -> Alone:
        """Our executor, without broker and HTTP."""
        self.steps.doing("ServableExecutor alone: one replica, queued and serial no-ops")
        return yardsticks.measure("servable", Wanted(serial=self.effort.serial))
