"""Names of NumPy's element types, known without NumPy: descriptions are also read where it is not."""

from __future__ import annotations

import re

_BY_NAME = {
    "bool": "b",
    "bool_": "b",
    "int": "i",
    "uint": "u",
    "float": "f",
    "half": "f",
    "single": "f",
    "double": "f",
    "complex": "c",
    "str": "U",
    "str_": "U",
    "bytes": "S",
    "bytes_": "S",
    "datetime64": "M",
    "timedelta64": "m",
}
_UNIT = r"\[\d*(Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as)\]"
_SIZED = re.compile(
    r"(?P<i>int(8|16|32|64))|(?P<u>uint(8|16|32|64))|(?P<f>float(16|32|64))|(?P<c>complex(64|128))"
    rf"|(?P<M>datetime64{_UNIT})|(?P<m>timedelta64{_UNIT})"
)
_SHORT = re.compile(
    rf"[<>=|]?(\?|b1|[iu][1248]|f[248]|c8|c16|[US]\d+|[Mm]8({_UNIT})?)|[bhilqBHILQefdFDUS]",
    re.ASCII,
)
_LETTERS = {**dict.fromkeys("bhilq", "i"), **dict.fromkeys("BHILQ", "u"), **dict.fromkeys("efd", "f")}
_LETTERS |= {"F": "c", "D": "c", "U": "U", "S": "S"}


def kind_of(name: str) -> str | None:
    """NumPy's letter for what elements of a type are: b, i, u, f, c, U, S, M or m; None for no known type."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if sized := _SIZED.fullmatch(name):
        return sized.lastgroup
    if _SHORT.fullmatch(name) is None:
        return None
    if len(name) == 1 and name != "?":
        return _LETTERS[name]
    letter = name.lstrip("<>=|")[0]
    return "b" if letter == "?" else letter
