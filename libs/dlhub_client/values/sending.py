"""An input as people have it, as the value that the method declares."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_client.errors import InputMismatch
from dlhub_client.values.arrays import as_array, content_of, of_tensor
from dlhub_client.values.kinds import is_plain, kind_of
from dlhub_types import media, npy, picture_files
from dlhub_types.file_kinds import HEAD_BYTES
from dlhub_types.leaves import check_content
from proto_msgs.arguments import Argument

STREAMED_BYTES = 8 * 1024 * 1024
"""A file above this size is uploaded by itself, straight from the disk."""
_ANYTHING = Argument(type="python object")


@dataclass(frozen=True)
class LargeFile:
    """A file that is yet to be uploaded."""

    path: Path


def converted(value: Any, declared: Argument, path: str = "inputs") -> Any:
    """The value that the method declares. Raises InputMismatch that says what would fit.

    A file that is large becomes a LargeFile; `with_uploads` puts a reference in its place.
    """
    if isinstance(value, str) and declared.type in ("file", "ndarray"):
        raise _misfit(value, declared, path, f"a file is given by its path, pathlib.Path({value[:100]!r})")
    if declared.type != "file" and is_plain(value):
        return value
    match declared.type:
        case "ndarray":
            return as_array(value, declared, path)
        case "file":
            return _file(value, declared, path)
        case "list":
            return _list(value, declared, path)
        case "dict":
            return _dict(value, declared, path)
        case "tuple":
            return _tuple(value, declared, path)
        case "python object":
            return _anything(value, path)
        case _:
            return _scalar(value, declared, path)


def _file(value: Any, declared: Argument, path: str) -> Any:
    kind = kind_of(value)
    if kind == "path":
        return _on_disk(Path(value).expanduser(), declared, path)
    if kind == "file":
        return content_of(value, path)
    if kind in ("picture", "tensor", "array-like") or type(value).__name__ == "ndarray":
        return _written(value, declared, path)
    if kind is not None:
        raise _misfit(value, declared, path, "write it to a file, and give its path")
    return value


def _on_disk(file: Path, declared: Argument, path: str) -> Any:
    try:
        large = file.stat().st_size > STREAMED_BYTES and file.is_file()
        if large:  # that it is of another type is better known before it is uploaded
            with file.open("rb") as content:
                check_content(content.read(HEAD_BYTES), declared.file_types, path)
    except OSError as error:
        raise InputMismatch(f"{path}: {file} cannot be read: {error.strerror}") from error
    return LargeFile(file) if large else content_of(file, path)


def _written(value: Any, declared: Argument, path: str) -> bytes:
    """A picture or an array as a file of a declared type, PNG where none is."""
    wanted = [name for name in declared.file_types or () if name in (*media.PICTURES, media.NPY)]
    form = wanted[0] if wanted else media.PNG
    if kind_of(value) == "picture":
        if form in media.PICTURES:
            file = io.BytesIO()
            value.save(file, picture_files.FORMATS[form])
            return file.getvalue()
        return npy.write(picture_files.to_array(value, path))
    array = of_tensor(value)
    if form == media.NPY:
        return npy.write(array)
    if not wanted:
        raise _misfit(value, declared, path, "write it to a file of the type that the method reads")
    return picture_files.of_array(array, form)


def _list(value: Any, declared: Argument, path: str) -> Any:
    item = declared.item_type or _ANYTHING
    kind = kind_of(value)
    if kind == "frame":
        if item.type == "dict":
            return value.to_dict("records")
        rows = value.to_numpy().tolist()
        return [row[0] for row in rows] if len(value.columns) == 1 and item.type != "list" else rows
    if kind == "series":
        return value.to_list()
    if kind in ("tensor", "array-like"):
        return of_tensor(value).tolist()
    if kind is not None:
        raise _misfit(value, declared, path, "give a list")
    if not isinstance(value, (list, tuple)):
        return value
    return [converted(one, item, f"{path}[{index}]") for index, one in enumerate(value)]


def _dict(value: Any, declared: Argument, path: str) -> Any:
    properties = declared.properties or {}
    kind = kind_of(value)
    if kind == "frame":
        return {str(name): _column(value[name], properties.get(str(name))) for name in value.columns}
    if kind == "series":
        return {str(name): one for name, one in value.to_dict().items()}
    if kind is not None:
        raise _misfit(value, declared, path, "give a dict")
    if not isinstance(value, dict):
        return value
    return {
        name: converted(one, properties.get(name, _ANYTHING), f"{path}[{name!r}]")
        for name, one in value.items()
    }


def _column(column: Any, declared: Argument | None) -> Any:
    if declared is not None and declared.type == "ndarray":
        return column.to_numpy()
    values = column.to_list()
    scalar = declared is not None and declared.type not in ("list", "tuple", "python object")
    return values[0] if scalar and len(values) == 1 else values


def _tuple(value: Any, declared: Argument, path: str) -> Any:
    elements = declared.element_types or ()
    if kind_of(value) is not None:
        raise _misfit(value, declared, path, "give a tuple")
    if not isinstance(value, (list, tuple)) or len(value) != len(elements):
        return value
    pairs = zip(value, elements, strict=True)
    return tuple(converted(one, inner, f"{path}[{index}]") for index, (one, inner) in enumerate(pairs))


def _scalar(value: Any, declared: Argument, path: str) -> Any:
    kind = kind_of(value)
    if kind in ("tensor", "array-like", "series"):
        array = of_tensor(value)
        if array.size == 1:
            return array.reshape(-1)[0].item()
    if kind == "path":
        raise _misfit(
            value, declared, path, "give str(path) for its name, or path.read_text() for what it holds"
        )
    if kind is not None:
        raise _misfit(value, declared, path, f"give one {declared.type}")
    return value


def _anything(value: Any, path: str) -> Any:
    """Where nothing is declared: what is nearest."""
    kind = kind_of(value)
    if kind == "frame":
        return {str(name): value[name].to_list() for name in value.columns}
    if kind == "series":
        return value.to_list()
    if kind == "picture":
        return picture_files.to_array(value, path)
    if kind in ("tensor", "array-like"):
        return of_tensor(value)
    if kind in ("path", "file"):
        return content_of(value, path)
    if isinstance(value, dict):
        return {name: _anything(one, f"{path}[{name!r}]") for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_anything(one, f"{path}[{index}]") for index, one in enumerate(value)]
    return value


def _misfit(value: Any, declared: Argument, path: str, advice: str) -> InputMismatch:
    return InputMismatch(
        f"{path}: declared as {declared.type}, and {_article(type(value).__name__)} came: {advice}",
        details={"path": path},
    )


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def large_files(value: Any) -> list[LargeFile]:
    """All files in a converted input that are yet to be uploaded."""
    if isinstance(value, LargeFile):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [found for one in value for found in large_files(one)] if isinstance(value, (list, tuple)) else []


def with_uploads(value: Any, hashes: dict[LargeFile, str]) -> Any:
    """A converted input with references in the places of large files."""
    if isinstance(value, LargeFile):
        return {"sha256": hashes[value]}
    if isinstance(value, dict):
        return {name: with_uploads(one, hashes) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_uploads(one, hashes) for one in value]
    return value
