"""Tables of numbers as CSV: a line per row, the columns' names in the first one if they like."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from dlhub_types.arrays import Array
from dlhub_types.unreadable import unreadable
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch

_SHOWN = 12


def read(data: bytes, declared: Argument, path: str = "inputs") -> Array:
    """The numbers of a CSV file; of one column or row where the declared array has one axis.

    Raises InputMismatch for what is no table of numbers, and for other columns than are declared.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(path, "CSV in UTF-8", f"it is no such text: {error}") from error
    names, body = _without_head(text)
    if not body.strip():
        raise unreadable(path, "CSV with a line per row", "there are no rows")
    table = _numbers(body, declared, path, head_lines=1 if names else 0)
    if names:
        check_columns(names, declared, path)
    if declared.shape is not None and len(declared.shape) == 1 and 1 in table.shape:
        return table.reshape(-1)
    return table


def feature_names(declared: Argument) -> tuple[str, ...]:
    """The names of an array's columns, if the description tells them; else none."""
    return declared.feature_names or ()


def check_columns(came: Sequence[str], declared: Argument, path: str = "inputs") -> None:
    """Raises InputMismatch unless a table's columns are the declared ones, in their order."""
    wanted, names = feature_names(declared), tuple(map(str, came))
    if not wanted or names == wanted:
        return
    missing, extra = [n for n in wanted if n not in names], [n for n in names if n not in wanted]
    if missing or extra:
        because = "; ".join(
            f"{what}: {', '.join(map(repr, some[:_SHOWN]))}"
            for what, some in (("missing", missing), ("not declared", extra))
            if some
        )
        advice = "give these columns alone"
    else:
        index = next(i for i, pair in enumerate(zip(names, wanted, strict=False)) if pair[0] != pair[1])
        because = f"column {index} is {names[index]!r}, where {wanted[index]!r} is declared"
        advice = "put them in the declared order"
    raise InputMismatch(
        f"{path}: the table's columns are not those of the method ({because}); {advice}: "
        f"{list(wanted[:_SHOWN])}{' and so on' if len(wanted) > _SHOWN else ''}",
        details={"path": path, "declared": list(wanted), "came": list(names)},
    )


def write(array: Array) -> str:
    """An array of one or two axes as CSV. Raises ValueError for more."""
    if array.ndim > 2:
        raise ValueError(f"an array of shape {list(array.shape)} is no table: CSV has rows and columns")
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(np.atleast_2d(array.T).T.tolist())
    return file.getvalue()


def _without_head(text: str) -> tuple[list[str], str]:
    """The columns' names, none if the first line is numbers, and what follows them."""
    lines = text.lstrip("\r\n")
    first, _, rest = lines.partition("\n")
    cells = next(csv.reader([first]), [])
    if all(_is_number(cell) for cell in cells):
        return [], lines
    return [cell.strip() for cell in cells], rest


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell.strip()
    return True


def _numbers(body: str, declared: Argument, path: str, head_lines: int) -> Array:
    integers = (np.dtype(declared.dtype).kind in "iu") if declared.dtype else _holds(declared, "integer")
    try:
        return np.loadtxt(
            io.StringIO(body), np.int64 if integers else np.float64, comments=None, delimiter=",", ndmin=2
        )
    except ValueError as error:
        after = " (counted after the line of names)" if head_lines else ""
        raise unreadable(
            path, f"CSV of {'integers' if integers else 'numbers'}", f"{error}{after}"
        ) from error


def _holds(declared: Argument, kind: str) -> bool:
    return declared.item_type is not None and declared.item_type.type == kind
