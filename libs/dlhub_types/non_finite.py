"""Floats that JSON has no number for, by the text that stands for them."""

from __future__ import annotations

import math

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def name_of(value: float) -> str:
    """The text for a float that is not finite."""
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
