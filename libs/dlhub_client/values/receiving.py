"""Outputs in the form that was asked for: of some library, or in a file."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from dlhub_client.errors import DLHubError, Malformed
from dlhub_client.models import Returns
from dlhub_types import csv_tables, media, npy, picture_files, pictures
from proto_msgs.arguments import Argument

_PACKAGES = {"pandas": "pandas", "torch": "torch", "pil": "pillow"}


class OutputMisfit(DLHubError):
    """The run went well, but its output is not what was asked for; `output` holds it."""

    code = "output_misfit"
    output: Any = None


def checked(returns: Returns) -> Returns:
    """What was asked for, before anything is run. Raises Malformed for an odd word, or a missing library."""
    if returns is None or returns == "numpy":
        return returns
    if isinstance(returns, os.PathLike):
        return _writable(Path(returns))
    if returns in _PACKAGES:
        _library(returns)
        return returns
    if not Path(returns).suffix:
        raise Malformed(
            f"returns={returns!r}: one of 'numpy', 'pandas', 'pil', 'torch' was expected, or the path of a "
            "file with a suffix such as .png, .npy or .csv"
        )
    return _writable(Path(returns))


def _writable(path: Path) -> Path:
    if not path.expanduser().parent.is_dir():
        raise Malformed(f"returns={str(path)!r}: there is no folder {path.parent}")
    return path


def needs_declaration(returns: Returns) -> bool:
    """Whether the declared output matters: floats are shown by their declared range."""
    if isinstance(returns, os.PathLike):
        return media.recognised(b"", os.fspath(returns)) in media.PICTURES
    return returns == "pil"


def given_as(output: Any, returns: Returns, declared: Argument | None = None) -> Any:
    """The output as it was asked for. Raises OutputMisfit, which holds the output, when it does not fit."""
    try:
        if returns is None:
            return output
        if isinstance(returns, os.PathLike):
            return _file(output, Path(returns), declared)
        if returns == "pandas":
            return _table(output)
        if returns == "pil":
            return _picture(output, declared)
        return _nested(output, _tensor if returns == "torch" else _as_is)
    except (OutputMisfit, OSError, ValueError, TypeError) as error:
        misfit = OutputMisfit(
            f"The run went well, but its output cannot be given as {os.fspath(returns or '')!r}: {error}. It "
            "is in the attribute `output` of this error; leave out `returns` to get it as it comes."
        )
        misfit.output = output
        raise misfit from error


def _library(name: str) -> Any:
    module = "PIL.Image" if name == "pil" else name
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Malformed(
            f"returns={name!r} needs the package {_PACKAGES[name]}, which is not installed here: "
            f"pip install {_PACKAGES[name]}"
        ) from error


# --- arrays and tensors ---


def _nested(value: Any, convert: Any) -> Any:
    """Every array in an output converted; lists of numbers are arrays."""
    if isinstance(value, dict):
        return {name: _nested(one, convert) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return convert(value)
    if isinstance(value, bytes):
        return convert(_of_bytes(value))
    if isinstance(value, (list, tuple)):
        array = _regular(value)
        return [_nested(one, convert) for one in value] if array is None else convert(array)
    if isinstance(value, (bool, int, float, complex)):
        return convert(np.asarray(value))
    raise OutputMisfit(f"it holds {_named(value)}")


def _as_is(array: Any) -> Any:
    return array


def _tensor(array: Any) -> Any:
    if array.dtype.kind not in "biufc":
        raise OutputMisfit(f"it holds an array of {array.dtype}, and tensors are of numbers")
    contiguous = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return _library("torch").from_numpy(contiguous)


def _regular(value: Any) -> Any:
    """Nested lists of numbers as an array; None where they are no such."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _of_bytes(data: bytes) -> Any:
    array = media.array_in(data, media.recognised(data), Argument(type="ndarray"), "the output")
    if array is None:
        raise OutputMisfit("it is a file of a type that holds no array")
    return array


# --- tables ---


def _table(output: Any) -> Any:
    pandas = _library("pandas")
    if isinstance(output, dict):
        lengths = {len(one) for one in output.values() if _is_column(one)}
        if len(lengths) == 1 and all(map(_is_column, output.values())):
            return pandas.DataFrame(output)
        if not lengths and not any(isinstance(one, dict) for one in output.values()):
            return pandas.Series(output)
        raise OutputMisfit("it is a dict whose entries are no columns of one length")
    if isinstance(output, bytes) and media.recognised(output) == media.NPY:
        output = npy.read(output, "the output")
    if isinstance(output, list) and output and all(isinstance(one, dict) for one in output):
        return pandas.DataFrame(output)
    array = output if isinstance(output, np.ndarray) else _regular(output)
    if (
        array is None
        and isinstance(output, list)
        and not any(isinstance(one, (list, dict)) for one in output)
    ):
        return pandas.Series(output)
    if array is not None and array.ndim == 1:
        return pandas.Series(array)
    if array is not None and array.ndim == 2:
        return pandas.DataFrame(array)
    raise OutputMisfit(f"a table has one or two axes, and it is {_named(output)}")


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1)


# --- pictures ---


def _picture(output: Any, declared: Argument | None) -> Any:
    """One of Pillow's pictures, or a list of them."""
    value, own = _only_entry(output, declared)
    if isinstance(value, bytes):
        picture = _library("pil").open(io.BytesIO(value))
        picture.load()
        return picture
    array = _shown(value)
    if array is None and isinstance(value, list):
        return [_picture(one, None) for one in value]
    if array is None:
        raise OutputMisfit(f"it is {_named(value)}")
    return _library("pil").fromarray(pictures.pixels(array, own))


def _shown(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else _regular(value) if isinstance(value, list) else None


def _only_entry(output: Any, declared: Argument | None) -> tuple[Any, Argument | None]:
    """Of a dict with one entry, that entry; with its declaration if it is that of an array."""
    if isinstance(output, dict) and len(output) == 1:
        name, output = next(iter(output.items()))
        declared = (declared.properties or {}).get(name) if declared else None
    return output, declared if declared is not None and declared.type == "ndarray" else None


# --- files ---


def _file(output: Any, path: Path, declared: Argument | None) -> Path:
    value, own = _only_entry(output, declared)
    kind = media.recognised(b"", path.name)
    if isinstance(value, bytes):
        found = media.recognised(value)
        if media.BYTES not in (kind, found) and kind != found:
            raise OutputMisfit(f"it is a file of type {found}: choose another suffix")
        return _write(path, value)
    array = _shown(value)
    if array is None:
        raise OutputMisfit(f"it is {_named(value)}, no array and no file")
    if kind in media.PICTURES:
        return _write(path, picture_files.of_array(array, kind, own))
    if kind == media.CSV:
        return _write(path, csv_tables.write(array).encode())
    if kind == media.NPY:
        return _write(path, npy.write(array))
    raise OutputMisfit("an array can be written to .npy, .png, .jpg, .tif and .csv")


def _write(path: Path, data: bytes) -> Path:
    """A whole file, or none."""
    target = path.expanduser()
    incoming = target.with_name(f".{target.name}.incoming")
    incoming.write_bytes(data)
    incoming.replace(target)
    return target


def _named(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {list(value.shape)}"
    return "None" if value is None else f"of type {type(value).__name__}"
