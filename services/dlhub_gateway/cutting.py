"""Where a large input is cut, so that its pieces can run at the same time; pure.

A piece should be long enough to be worth a message and short enough that all replicas end at about
the same time: some tenths of a second, and several pieces for each replica. Lengths are powers of
two, so that a pace that varies a little does not move the cuts: the cache knows the pieces again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from proto_msgs.tasks import Split

LONGEST_S = 0.25
"""What a piece may take a replica; more would make the last one late."""
SHORTEST_S = 0.01
"""What a piece must take to be worth a message."""
PER_REPLICA = 4
"""Pieces for each replica that there could be: one that is slower than the others gets fewer."""
MAX_PIECES = 256
_QUICKEST_S = 1e-9


def cut(items: int, item_s: float | None, replicas: int) -> Split | None:
    """How to cut so many items; None when one piece is enough.

    item_s: how long a replica takes for one item; None when nobody has measured that yet.
    replicas: how many replicas there could be.
    """
    if items < 2:
        return None
    split = Split(items=items, per_piece=_per_piece(items, item_s, replicas))
    return split if split.pieces > 1 else None


def _per_piece(items: int, item_s: float | None, replicas: int) -> int:
    most = items / (PER_REPLICA * max(1, replicas))
    least = items / MAX_PIECES
    if item_s is not None:
        item_s = max(item_s, _QUICKEST_S)
        most = min(most, LONGEST_S / item_s)
        least = max(least, SHORTEST_S / item_s)
    return max(_power_up_to(most), _power_from(least))


def _power_up_to(number: float) -> int:
    """The largest power of two that is not above; at least 1."""
    return 1 << max(0, int(number).bit_length() - 1)


def _power_from(number: float) -> int:
    """The smallest power of two that is not below."""
    return 1 << (max(1, math.ceil(number)) - 1).bit_length()


def items_along(value: Any, axis: int) -> int:
    """How many items a checked input has; 1 where there is no such axis."""
    if isinstance(value, np.ndarray):
        return int(value.shape[axis]) if axis < value.ndim else 1
    return len(value)


def part(value: Any, axis: int, wanted: range) -> Any:
    """Some of the items; of an array a view."""
    piece = slice(wanted.start, wanted.stop)
    return value[(slice(None),) * axis + (piece,)] if isinstance(value, np.ndarray) else value[piece]


def words(split: Split, piece: int) -> str:
    """`items 16 to 31 of 256`."""
    items = split.range_of(piece)
    if len(items) == 1:
        return f"item {items[0]} of {split.items}"
    return f"items {items[0]} to {items[-1]} of {split.items}"
