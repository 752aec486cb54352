"""skops files: a zip archive with a schema.json of nodes, and an .npy file for each array.

The nodes become the same records as a pickle's instructions, so that both are read alike.
"""

from __future__ import annotations

import ast
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.bounded import existing_file, json_member, member, opened_zip
from dlhub_client.describe.readers.pickle_file import Pickled
from dlhub_client.describe.readers.pickle_values import ARRAY_BYTES, Array, Global, Made
from dlhub_client.describe.readers.problems import unreadable

_MAX_DEPTH = 200
_HEADER_BYTES = 2**12


def read_skops(path: str | Path) -> Pickled:
    """The object in a skops file. Raises DescribeError."""
    file = existing_file(path)
    with opened_zip(file, "a skops file") as archive:
        if "schema.json" not in archive.namelist():
            raise unreadable(file, "a skops file with schema.json inside", "an archive without it")
        reader = _Reader(archive, file)
        value = reader.value(json_member(archive, "schema.json"))
    return Pickled(value, tuple(reader.names))


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.names: dict[Global, None] = {}
        self._archive, self._path = archive, path
        self._seen: dict[int, Any] = {}

    def value(self, node: Any, depth: int = 0) -> Any:
        if depth > _MAX_DEPTH:
            raise unreadable(self._path, f"objects nested {_MAX_DEPTH} deep at most", "deeper ones")
        if not isinstance(node, dict):
            return None
        if node.get("__loader__") == "CachedNode":
            return self._seen.get(node.get("__id__", 0))
        found = self._read(node, depth)
        if isinstance(node.get("__id__"), int):
            self._seen[node["__id__"]] = found
        return found

    def _read(self, node: dict[str, Any], depth: int) -> Any:
        loader, content = node.get("__loader__"), node.get("content")
        if loader == "JsonNode":
            return self._json(content)
        if loader == "NdArrayNode":
            return self._array(node, depth)
        if loader in ("ListNode", "SetNode"):
            return [self.value(one, depth + 1) for one in _list(content)]
        if loader == "TupleNode":
            return tuple(self.value(one, depth + 1) for one in _list(content))
        if loader in ("DictNode", "DefaultDictNode"):
            return self._entries(content, depth)
        return self._object(node, depth)

    def _json(self, content: Any) -> Any:
        try:
            return json.loads(content) if isinstance(content, str) else content
        except ValueError as error:
            raise unreadable(self._path, "schema.json of a skops file", f"a value {content!r:.80}") from error

    def _entries(self, content: Any, depth: int) -> dict[str, Any]:
        if not isinstance(content, dict):
            return {}
        return {key: self.value(one, depth + 1) for key, one in content.items()}

    def _object(self, node: dict[str, Any], depth: int) -> Any:
        kind = Global(str(node.get("__module__")), str(node.get("__class__")))
        self.names[kind] = None
        content = node.get("content")
        state = self.value(content, depth + 1) if isinstance(content, dict) else None
        return Made(kind, called=False, state=state)

    def _array(self, node: dict[str, Any], depth: int) -> Any:
        if node.get("type") == "json":
            items = [self.value(one, depth + 1) for one in _list(node.get("content"))]
            return Array("|O8", (len(items),), items)
        name = node.get("file")
        if not isinstance(name, str):
            raise unreadable(self._path, "an array of a skops file to name its file", f"{name!r}")
        array = self._npy(name)
        scalar = node.get("__class__") not in ("ndarray", "MaskedArray", "matrix") and array.shape == ()
        return _scalar(array) if scalar else array

    def _npy(self, name: str) -> Array:
        info = next((one for one in self._archive.infolist() if one.filename == name), None)
        if info is not None and info.file_size <= ARRAY_BYTES:
            return npy_array(member(self._archive, name), self._path)
        try:
            with self._archive.open(name) as file:
                return npy_array(file.read(_HEADER_BYTES), self._path, whole=False)
        except (KeyError, OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise unreadable(self._path, f"the array {name} inside", str(error)) from error


def _scalar(array: Array) -> Any:
    from dlhub_client.describe.readers.pickle_values import array_items

    items = array_items(Array(array.dtype, (1,), array.content))
    return items[0] if items else None


def _list(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def npy_array(content: bytes, path: Path, whole: bool = True) -> Array:
    """The array of an .npy file. Raises DescribeError. whole: False when only its beginning is given."""
    size_bytes = 2 if content[6:7] == b"\x01" else 4
    start = 8 + size_bytes
    length = int.from_bytes(content[8:start], "little")
    try:
        header = ast.literal_eval(content[start : start + length].decode("latin1").strip())
        dtype, shape = header["descr"], header["shape"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise unreadable(path, "an array in NumPy's format inside", "something else") from error
    if content[:6] != b"\x93NUMPY" or not isinstance(dtype, str | list) or not isinstance(shape, tuple):
        raise unreadable(path, "an array in NumPy's format inside", "something else")
    if isinstance(dtype, list):  # records, such as the nodes of a tree: nothing that a description tells
        return Array("|V0", shape, None)
    return Array(dtype, shape, content[start + length :] if whole else None)
