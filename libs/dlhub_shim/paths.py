"""Files by path: for methods that want a path rather than a content, and for outputs that are paths.

With `method_details.files_as` "path", each input of type file is written to a folder of the run's own and the
method gets a `pathlib.Path`. The folder is removed when the run has ended, with whatever the method has put
there. An output that is declared as a file may be a `pathlib.Path`: its content is the output.
"""

from __future__ import annotations

import mimetypes
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from dlhub_shim.complaints import OutputMismatch

Declared = Dict[str, Any]
Call = Callable[[Any, Dict[str, Any]], Any]
Place = Callable[[Any, Path], Any]
"""From a value and a folder to the value with paths in it."""


def with_files(call: Call, inputs: Declared, method: Declared) -> Call:
    """`call` with files as its description says. inputs: how what it is called with is declared."""
    as_paths = (method.get("method_details") or {}).get("files_as") == "path"
    place = placer(inputs) if as_paths else None
    output = method.get("output") or {}
    gives_files = holds_files(output)
    if place is None and not gives_files:
        return call
    if place is None:
        return lambda given, parameters: contents(call(given, parameters), output)

    def with_folder(given: Any, parameters: Dict[str, Any]) -> Any:
        with tempfile.TemporaryDirectory(prefix="dlhub-run-") as folder:
            result = call(place(given, Path(folder)), parameters)
            return contents(result, output) if gives_files else result

    return with_folder


def holds_files(declared: Declared) -> bool:
    """Whether a value of this declaration may hold files."""
    return declared.get("type") == "file" or any(holds_files(inner) for inner in _inner(declared))


def _inner(declared: Declared) -> Iterator[Declared]:
    parts: List[Any] = [declared.get("item_type"), *(declared.get("element_types") or ())]
    parts += (declared.get("properties") or {}).values()
    return (_declared(part) for part in parts if part is not None)


def _declared(part: Any) -> Declared:
    """A declaration; its type's name alone is short for it."""
    return part if isinstance(part, dict) else {"type": part}


# --- inputs ---


def placer(declared: Declared) -> Optional[Place]:
    """What writes the files of inputs declared like this; None where there are none."""
    if not holds_files(declared):
        return None
    kind = declared.get("type")
    if kind == "file":
        return _file(declared)
    if kind == "list":
        return _list(placer(_declared(declared.get("item_type"))))
    if kind == "tuple":
        return _tuple([placer(_declared(element)) for element in declared["element_types"]])
    return _dict({key: placer(_declared(item)) for key, item in declared["properties"].items()})


def _file(declared: Declared) -> Place:
    suffix = _suffix(declared.get("file_types") or ())

    def place(value: Any, folder: Path) -> Any:
        if not isinstance(value, bytes):
            return value
        path = folder / "input-{}{}".format(sum(1 for _ in folder.glob("input-*")), suffix)
        path.write_bytes(value)
        return path

    return place


def _list(place: Optional[Place]) -> Optional[Place]:
    return None if place is None else lambda value, folder: [place(item, folder) for item in value]


def _tuple(places: List[Optional[Place]]) -> Place:
    return lambda value, folder: tuple(
        item if place is None else place(item, folder) for place, item in zip(places, value)
    )


def _dict(places: Dict[str, Optional[Place]]) -> Place:
    def place_all(value: Any, folder: Path) -> Any:
        placed = dict(value)
        for key, place in places.items():
            if place is not None and key in placed:
                placed[key] = place(placed[key], folder)
        return placed

    return place_all


def _suffix(file_types: Any) -> str:
    """What readers want a file's name to end with: that of its first declared media type."""
    for media_type in file_types:
        main, _, sub = str(media_type).partition("/")
        known = mimetypes.guess_extension(str(media_type))
        if known or (main == "chemical" and sub.startswith("x-")):
            return known or "." + sub[2:]
    return ""


# --- outputs ---


def contents(value: Any, declared: Declared) -> Any:
    """An output with the contents of files in the place of their paths. Raises OSError, OutputMismatch."""
    if isinstance(value, Path):
        return value.read_bytes()
    if isinstance(value, str) and declared.get("type") == "file":
        raise OutputMismatch(
            "the output is declared as a file, but a text came: give bytes, or a pathlib.Path if it is a path"
        )
    if isinstance(value, dict):
        properties = declared.get("properties") or {}
        return {key: contents(item, _declared(properties.get(key) or {})) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        within = _declared(declared.get("item_type") or {}) if declared.get("type") == "list" else {}
        items = [contents(item, within) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value
