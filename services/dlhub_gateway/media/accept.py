"""The header `Accept` (RFC 9110, section 12.5.1): which of several forms a caller wants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_WEIGHT = re.compile(r"(?:^|;)\s*q\s*=\s*([^;\s]*)", re.IGNORECASE)


PLAIN = frozenset(
    ("application/json", "application/msgpack", "application/x-msgpack", "application/*", "*/*")
)
_OF_ERRORS = "application/problem+json"


class _Range(NamedTuple):
    """One entry of the header."""

    main: str
    sub: str
    weight: float
    order: int

    @property
    def specificity(self) -> int:
        return (self.main != "*") + (self.sub != "*")

    def covers(self, media_type: str) -> bool:
        main, _, sub = media_type.partition("/")
        return self.main in ("*", main) and self.sub in ("*", sub)


def choose(accept: str, offers: Sequence[str]) -> str | None:
    """Which of `offers` the header prefers; None when it wants none of them.

    The most specific entry that covers an offer gives its weight. Of offers with the same weight one that is
    named comes before one that a star covers, then the one that is named first, then the first offer.
    """
    ranges = _ranges(accept)
    best: tuple[float, int, int] | None = None
    chosen = None
    for offer in offers:
        covering = max((r for r in ranges if r.covers(offer)), key=_by_specificity, default=None)
        if covering is None or covering.weight <= 0:
            continue
        rank = (covering.weight, covering.specificity, -covering.order)
        if best is None or rank > best:
            best, chosen = rank, offer
    return chosen


def is_plain(accept: str | None) -> bool:
    """Whether a caller wants JSON or MessagePack, as nearly all do, and nothing else."""
    if accept is None or accept == "*/*":
        return True
    names = {entry.partition(";")[0].strip().lower() for entry in accept.split(",")} - {_OF_ERRORS}
    return bool(names) and PLAIN.issuperset(names)


def _by_specificity(entry: _Range) -> tuple[int, float]:
    return entry.specificity, entry.weight


def _ranges(accept: str) -> list[_Range]:
    found = []
    for order, entry in enumerate(accept.split(",")):
        name, _, parameters = entry.partition(";")
        main, slash, sub = name.strip().lower().partition("/")
        if slash and main and sub:
            found.append(_Range(main, sub, _weight(parameters), order))
    return found


def _weight(parameters: str) -> float:
    found = _WEIGHT.search(parameters)
    if found is None:
        return 1.0
    try:
        weight = float(found[1])
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
