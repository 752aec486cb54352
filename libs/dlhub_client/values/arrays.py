"""Tables, pictures, tensors and files as NumPy arrays of a declared layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from dlhub_client.errors import InputMismatch
from dlhub_client.values.kinds import is_plain, kind_of
from dlhub_types import csv_tables, media, picture_files, pictures
from dlhub_types.arrays import Array
from proto_msgs.arguments import Argument

_MAX_PIXELS = 1 << 30
"""Nobody sends themselves a bomb."""
_NUMBERS = "biufcMm"
"""Kinds of dtypes that hold numbers and times."""
_SUFFIXES = ".npy, .png, .jpg, .tif, .csv"


def as_array(value: Any, declared: Argument, path: str) -> Any:
    """The declared array that a value holds; plain values are left to the hub. Raises InputMismatch."""
    kind = kind_of(value)
    if kind == "frame":
        csv_tables.check_columns([str(name) for name in value.columns], declared, path)
        return _of_rank(_numbers(value.to_numpy(), value, path), declared)
    if kind == "series":
        return _of_series(value, declared, path)
    if kind == "picture":
        return pictures.fitted(picture_files.to_array(value, path), declared, path)
    if kind in ("tensor", "array-like"):
        return of_tensor(value)
    if kind in ("path", "file"):
        return _of_file(value, declared, path)
    if isinstance(value, (list, tuple)) and not is_plain(value):
        return _stacked(value, declared, path)
    return value


def of_tensor(value: Any) -> Array:
    """The elements of a tensor, wherever they are."""
    if kind_of(value) != "tensor":
        return np.asarray(value)
    if str(value.dtype) == "torch.bfloat16":  # of which NumPy knows nothing; every one is a float32
        value = value.float()
    if str(value.layout) != "torch.strided":
        value = value.to_dense()
    array: Array = value.numpy(force=True)
    return array


def _numbers(array: Array, table: Any, path: str) -> Array:
    """An array of numbers, or of texts if all are."""
    if array.dtype.kind != "O":
        return array
    found = np.array(array.tolist())
    if found.dtype.kind in _NUMBERS or all(isinstance(item, str) for item in array.flat):
        return found
    odd = _odd_columns(table)
    where = f" (look at {odd})" if odd else ""
    raise InputMismatch(
        f"{path}: the table holds more than numbers, or some are missing{where}: convert it first"
    )


def _odd_columns(table: Any) -> str:
    dtypes: Any = getattr(table, "dtypes", None)
    if not hasattr(dtypes, "items"):
        return ""
    return ", ".join([str(name) for name, dtype in dtypes.items() if dtype.kind not in _NUMBERS][:5])


def _of_rank(table: Array, declared: Argument) -> Array:
    """One row or column as such, where an array with one axis is declared."""
    if declared.shape is not None and len(declared.shape) == 1 and 1 in table.shape:
        return table.reshape(-1)
    return table


def _of_series(value: Any, declared: Argument, path: str) -> Array:
    """A row of a table where rows are declared, a column where a table of one is."""
    array = _numbers(value.to_numpy(), value, path)
    shape = declared.shape or ()
    if len(shape) == 2 and shape[1] == 1:
        return array.reshape(-1, 1)
    if len(shape) == 2 or csv_tables.feature_names(declared):
        csv_tables.check_columns([str(name) for name in value.index], declared, path)
    return array.reshape(1, -1) if len(shape) == 2 else array


def _of_file(value: Any, declared: Argument, path: str) -> Array:
    name = os.fspath(value) if kind_of(value) == "path" else str(getattr(value, "name", ""))
    data = content_of(value, path)
    array = media.array_in(data, media.recognised(data, name), declared, path, _MAX_PIXELS)
    if array is None:
        raise InputMismatch(
            f"{path}: no array can be read from {name or 'this file'}: give one of {_SUFFIXES}"
        )
    return array


def content_of(value: Any, path: str) -> bytes:
    """What a path leads to, or what is left in an open file. Raises InputMismatch."""
    if kind_of(value) == "path":
        try:
            return Path(value).expanduser().read_bytes()
        except OSError as error:
            raise InputMismatch(f"{path}: {value} cannot be read: {error.strerror}") from error
    data = value.read()
    if isinstance(data, bytes):
        return data
    raise InputMismatch(f"{path}: the file is open as text; open it with mode 'rb'")


def _stacked(values: Any, declared: Argument, path: str) -> Array:
    """Several pictures, tensors, ... along a new first axis."""
    inner = declared.model_copy(update={"shape": declared.shape[1:] if declared.shape else None})
    items = [as_array(value, inner, f"{path}[{index}]") for index, value in enumerate(values)]
    try:
        return np.stack([np.asarray(item) for item in items])
    except ValueError as error:
        shapes = [list(np.shape(item)) for item in items[:5]]
        raise InputMismatch(f"{path}: the items differ in shape ({shapes}): they make no array") from error
