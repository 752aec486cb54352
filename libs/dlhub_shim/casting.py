"""Arrays of the type that a model wants. A cast keeps what a value means: integers become floats, floats
become complex, never the other way round; a number that does not fit is a mismatch, not another number."""

from __future__ import annotations

from typing import Any

from dlhub_shim.complaints import InputMismatch

_FROM = {
    "b": "b",
    "i": "biu",
    "u": "biu",
    "f": "fiub",
    "c": "cfiub",
    "U": "U",
    "S": "SU",
    "O": "OUS",
    "M": "MU",
    "m": "m",
}
"""By kind of array, the kinds that may become one."""


def as_array(value: Any, dtype: Any, what: str) -> Any:
    """`value` as an array of that dtype (None: of the one it has); `what` names it in messages.

    Raises InputMismatch. Needs NumPy.
    """
    import numpy

    try:
        array = value if isinstance(value, numpy.ndarray) else numpy.asarray(value)
    except (ValueError, OverflowError) as error:
        raise InputMismatch(f"{what} cannot become an array: {error}") from error
    if dtype is None or array.dtype == dtype:
        return array
    return _cast(array, numpy.dtype(dtype), what)


def _cast(array: Any, target: Any, what: str) -> Any:
    import numpy

    if array.size and array.dtype.kind not in _FROM.get(target.kind, target.kind):
        raise InputMismatch(f"{what} is an array of {array.dtype}; the model takes {target}")
    with numpy.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(target)
    if _lost(array, cast):
        raise InputMismatch(f"{what} holds values of {array.dtype} that do not fit {target}")
    return cast


def _lost(array: Any, cast: Any) -> bool:
    """Whether integers wrapped around or floats became infinite."""
    import numpy

    kinds = (array.dtype.kind, cast.dtype.kind)
    if kinds[1] in "iu":
        return not numpy.can_cast(array.dtype, cast.dtype) and not numpy.array_equal(array, cast)
    if kinds[0] in "fc" and cast.itemsize < array.itemsize:
        return not numpy.array_equal(numpy.isfinite(array), numpy.isfinite(cast))
    return False
