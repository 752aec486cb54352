"""What a scenario leaves: one JSON file from which tables and plots can be made again.

A `Chart` holds data, not drawing: `plots.py` draws all of them alike. A `Check` is a line of the table
against the goals; one without a verdict is a yardstick, or was not measured long enough to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from loadtest.stats import Estimate, estimate


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(_Record):
    """One place on a line."""

    x: float
    values: tuple[float, ...] = Field(min_length=1)
    """One per repetition."""
    note: str = ""
    void: str = ""
    """Why it does not count, when it does not; it is kept and drawn hollow."""

    @property
    def estimate(self) -> Estimate:
        return estimate(self.values)


class Line(_Record):
    """Points of one series."""

    label: str
    points: tuple[Point, ...] = ()
    hollow_from: float | None = None
    """From this x on the points mean something a little different; the chart's note says what."""

    def at(self, x: float) -> Point | None:
        """The point at `x`, unless it is void or was not measured."""
        return next((point for point in self.points if point.x == x and not point.void), None)

    @property
    def best(self) -> float:
        """The highest mean. Raises ValueError when no point counts."""
        return max(point.estimate.mean for point in self.points if not point.void)


class Chart(_Record):
    """A picture to be."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    """Of its file, without `.png`."""
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    steps: bool = False
    """Draw lines without markers: a distribution, or a course over time."""
    note: str = ""
    """A sentence below the picture."""


class Check(_Record):
    """A line of the table against the goals."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None
    """None: a yardstick, or not judged."""


class Sheet(_Record):
    """A table of its own: servers against one another, executors against one another."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Machine(_Record):
    """Where it ran."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]


class Result(_Record):
    """Everything one scenario found."""

    scenario: str
    title: str
    began_at: datetime
    took_s: float
    short: bool
    """Few and short repetitions: good for a look, not for the record."""
    machine: Machine
    checks: tuple[Check, ...] = ()
    charts: tuple[Chart, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""
    """Why it could not be measured to the end."""

    def save(self, folder: Path) -> Path:
        """Write `<scenario>.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scenario}.json"
        path.write_text(self.model_dump_json(indent=1, exclude_defaults=True) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ValidationError."""
        return cls.model_validate_json(path.read_text())


def load_all(folder: Path, order: Sequence[str]) -> list[Result]:
    """The results in a folder, those of `order` that are there."""
    paths = [folder / f"{name}.json" for name in order]
    return [Result.load(path) for path in paths if path.exists()]


def at_least(what: str, values: Iterable[float], goal: float, unit: str, *, shown: str = "") -> Check:
    """Reached when the mean is `goal` or more; `shown` goes before the figure."""
    found = estimate(values)
    return Check(
        what=what, measured=_measured(found, unit, shown), goal=f"at least {number(goal)} {unit}",
        reached=found.mean >= goal,
    )  # fmt: skip


def at_most(what: str, values: Iterable[float], goal: float, unit: str, *, shown: str = "") -> Check:
    """Reached when the mean is `goal` or less."""
    found = estimate(values)
    return Check(
        what=what, measured=_measured(found, unit, shown), goal=f"at most {number(goal)} {unit}",
        reached=found.mean <= goal,
    )  # fmt: skip


def yardstick(what: str, values: Iterable[float], unit: str) -> Check:
    """A figure that others are compared with."""
    return Check(what=what, measured=_measured(estimate(values), unit, ""))


def not_judged(check: Check, why: str) -> Check:
    """The same line without a verdict."""
    return check.model_copy(update={"reached": None, "goal": f"{check.goal} ({why})"})


def _measured(found: Estimate, unit: str, shown: str) -> str:
    head = f"{shown}, " if shown else ""
    if found.count == 1:
        return f"{head}{number(found.mean)} {unit}"
    return f"{head}{number(found.mean)} ± {number(found.half_width)} {unit}"


def number(value: float) -> str:
    """Three digits that count: 12,345 and 12.3 and 0.0123."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"
