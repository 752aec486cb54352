"""Compositions -> feature vectors: statistics of the elements' properties, weighted by atomic fraction.

For each of the 22 properties of the elements in a compound (electronegativity, covalent radius, melting
point, ...) a vector holds Hölder means of several powers, the mean absolute deviation, the minimum, the
maximum and the range. De Jong et al. (Sci. Rep. 6, 34256, 2016) predicted elastic moduli from Hölder means;
the other statistics, and the properties, are those of Ward et al. (npj Comput. Mater. 2, 16028, 2016).

This folder is a servable: `dlhub publish --local .` publishes `featurise` as a Python function. It needs
numpy and `magpie_elements.csv` beside it, and gives a row the same bits whatever rows come with it.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Powers of the Hölder means: -1 harmonic, 0 geometric, 1 arithmetic, 2 quadratic mean. Lower
#: powers lean towards the smallest value, higher ones towards the largest.
POWERS = (-2, -1, 0, 1, 2, 3)
SPREADS = ("deviation", "minimum", "maximum", "range")
#: Orders of the stoichiometric norms (sum of x**order)**(1/order): how a compound is divided, not into what.
NORMS = (2, 3, 5)

ELEMENTS_FILE = Path(__file__).with_name("magpie_elements.csv")

#: A longer text is no formula; the bound keeps a hostile input from costing more than its length.
MAX_FORMULA_LENGTH = 1000
_TOKEN = re.compile(r"(?P<element>[A-Z][a-z]?)|(?P<open>[(\[])|(?P<close>[)\]])")
_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_OPENED_BY = {")": "(", "]": "["}


class FormulaError(ValueError):
    """A text that is no formula of known elements; the message says where and why."""


def featurise(formulas: str | Sequence[str]) -> Matrix:
    """Feature vectors of one formula or of several, one row each: shape (n, len(feature_names())), float64.

    Brackets may be nested and amounts decimal: `Ca3Al2(SiO4)3`, `La0.7Sr0.3MnO3`, `K4[Fe(CN)6]`.
    Raises FormulaError, which names the formula and the character.
    """
    rows = [formulas] if isinstance(formulas, str) else list(formulas)
    features = np.empty((len(rows), len(feature_names())))
    for number, formula in enumerate(rows):
        if not isinstance(formula, str):
            raise FormulaError(f"row {number}: expected a formula as text, got {type(formula).__name__}")
        features[number] = _features_of(fractions(formula))
    return features


@lru_cache(maxsize=1)
def feature_names() -> tuple[str, ...]:
    """What each column of `featurise` holds, in order."""
    statistics = [f"hölder {power:+d}" if power else "hölder 0" for power in POWERS] + list(SPREADS)
    names = [f"{name}, {statistic}" for statistic in statistics for name in _elements()[0]]
    return (*names, "number of elements", *(f"fractions, {order}-norm" for order in NORMS))


def fractions(formula: str) -> dict[str, float]:
    """Atomic fraction of each element: `Fe2O3` gives {"Fe": 0.4, "O": 0.6}. Raises FormulaError."""
    amounts = _parse(formula.strip())
    total = sum(amounts.values())
    if not math.isfinite(total):
        raise FormulaError(f"formula {formula[:60]!r}: its amounts multiply to more than a number can hold")
    return {element: amount / total for element, amount in amounts.items()}


def _features_of(fraction_of: dict[str, float]) -> Vector:
    weights = np.array(list(fraction_of.values()))
    table = _elements()[1]
    values = np.array([table[element] for element in fraction_of])  # (elements, properties)
    low, high = values.min(axis=0), values.max(axis=0)
    deviation = weights @ np.abs(values - weights @ values)
    norms = [float((weights**order).sum() ** (1 / order)) for order in NORMS]
    means = [_hoelder_mean(values, weights, power) for power in POWERS]
    return np.concatenate([*means, deviation, low, high, high - low, [len(weights)], norms])


def _hoelder_mean(values: Matrix, weights: Vector, power: int) -> Vector:
    """(sum of weight * value**power) ** (1/power), per column; the geometric mean for power 0.

    A value of zero draws a mean of power <= 0 to its limit, which is zero.
    """
    if power > 0:
        return np.asarray((weights @ values**power) ** (1 / power))
    zero = (values == 0).any(axis=0)
    safe = np.where(zero, 1.0, values)
    mean = np.exp(weights @ np.log(safe)) if power == 0 else (weights @ safe**power) ** (1 / power)
    return np.where(zero, 0.0, mean)


@lru_cache(maxsize=1)
def _elements() -> tuple[tuple[str, ...], dict[str, Vector]]:
    """The properties' names, and each element's values in that order: read once per process."""
    with ELEMENTS_FILE.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return tuple(header[1:]), {row[0]: np.array([float(value) for value in row[1:]]) for row in rows}


def _parse(text: str) -> dict[str, float]:
    """Amount of each element in one formula unit: `Ca(OH)2` gives {"Ca": 1.0, "O": 2.0, "H": 2.0}."""
    if not 0 < len(text) <= MAX_FORMULA_LENGTH:
        raise FormulaError(f"a formula has 1 to {MAX_FORMULA_LENGTH} characters, this one has {len(text)}")
    groups: list[tuple[str, dict[str, float]]] = [("", {})]  # the bracket that opened each, and its amounts
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _error(text, at, "expected an element such as Fe, or a bracket")
        at = token.end()
        if token["open"]:
            groups.append((token["open"], {}))
            continue
        inner = _element(text, token) if token["element"] else _close(text, token, groups)
        amount, at = _amount(text, at)
        outer = groups[-1][1]
        for element, count in inner.items():
            outer[element] = outer.get(element, 0.0) + amount * count
    if len(groups) > 1:
        raise _error(text, len(text) - 1, f"the formula ends with {len(groups) - 1} bracket(s) still open")
    return groups[0][1]


def _element(text: str, token: re.Match[str]) -> dict[str, float]:
    symbol = token["element"]
    if symbol not in _elements()[1]:
        known = f"{len(_elements()[1])} elements are known ({ELEMENTS_FILE.name})"
        raise _error(text, token.start(), f"no properties for an element {symbol!r}; {known}")
    return {symbol: 1.0}


def _close(text: str, token: re.Match[str], groups: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
    """The group that this bracket ends, taken off the pile."""
    bracket, inner = groups[-1]
    if bracket != _OPENED_BY[token["close"]]:
        raise _error(text, token.start(), "this bracket closes none that is open")
    if not inner:
        raise _error(text, token.start(), "nothing between the brackets")
    groups.pop()
    return inner


def _amount(text: str, at: int) -> tuple[float, int]:
    """The number that starts at `at` (1 when there is none), and where it ends."""
    match = _AMOUNT.match(text, at)
    if match is None:
        return 1.0, at
    amount = float(match[0])
    if not 0.0 < amount <= 1e6:
        raise _error(text, at, f"an amount lies above 0 and at most at a million, not {match[0][:20]}")
    return amount, match.end()


def _error(text: str, at: int, problem: str) -> FormulaError:
    return FormulaError(f"formula {text[:60]!r}, character {at + 1}: {problem}")
