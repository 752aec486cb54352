"""What must hold for an example to have succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

#: Two ways to the same number may add in another order; they may not differ by more than this.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    passed: bool
    text: str


def largest_difference(came: object, expected: Any) -> float:
    """Largest difference between two arrays, relative where values exceed one; infinite if shapes differ."""
    values, wanted = np.asarray(came, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if values.shape != wanted.shape:
        return np.inf
    difference = np.abs(values - wanted) / np.maximum(1.0, np.abs(wanted))
    # A NaN equals nothing, and must not pass for equality.
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))


def agreement(what: str, difference: float, tolerance: float = TOLERANCE) -> Check:
    """Whether the hub's answer and the direct call's differ by no more than `tolerance`."""
    text = f"{what}: hub and direct call within {difference:.0e}"
    if difference > tolerance:
        text += f", not within {tolerance:.0e}"
    return Check(difference <= tolerance, text)


def print_checks(checks: Sequence[Check], console: Console) -> None:
    for check in checks:
        console.print("[green]✓[/]" if check.passed else "[bold red]✗[/]", check.text, highlight=False)
