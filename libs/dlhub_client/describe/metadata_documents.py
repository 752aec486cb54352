"""From a dlhub.json back to a description: the way that `to_dict` goes, backwards."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlhub_client.describe.metadata_state import State
from dlhub_client.errors import Malformed

NAME = "dlhub.json"
_BLOCKS = ("datacite", "dlhub", "servable")
_READ = (
    "name", "visible_to", "runnable_by", "domains", "tags", "files", "dependencies", "sources",
)  # fmt: skip
"""Fields of `dlhub` that have a place of their own; the rest is kept as it came."""


def current_form(document: Mapping[str, Any], what: str = NAME) -> dict[str, Any]:
    """The document, converted where it is the original DLHub's, and found to be valid. Raises Malformed."""
    from dlhub_types.documents import read_document
    from proto_msgs.original import converted

    copied = json.loads(json.dumps(document))
    description = read_document(copied, what)
    made, changes = converted(copied)
    if changes:
        made["dlhub"]["converted"] = [
            change.model_dump(mode="json", exclude_none=True) for change in description.dlhub.converted
        ]
    return dict(made)


def check_model(document: Mapping[str, Any], folder: Path) -> None:
    """Raises DescribeError where the description contradicts the model's file."""
    from dlhub_client.describe.contradictions import check_folder  # which reads what descriptions are made of

    check_folder(document, folder)


def fill(state: State, document: Mapping[str, Any], folder: Path | None) -> None:
    """Put a valid document into a description. Raises Malformed for a file that is not in the folder."""
    hub = document["dlhub"]
    state._datacite = {"creators": [], **copy.deepcopy(document["datacite"])}
    state._name = hub["name"]
    state._visible_to = list(hub.get("visible_to") or ())
    runnable_by = hub.get("runnable_by")
    state._runnable_by = None if runnable_by is None else list(runnable_by)
    state._domains, state._tags = list(hub.get("domains") or ()), list(hub.get("tags") or ())
    dependencies = copy.deepcopy(hub.get("dependencies") or {})
    state._requirements = dict(dependencies.pop("python", None) or {})
    state._sources = dict(hub.get("sources") or {})
    state._hub = {key: copy.deepcopy(value) for key, value in hub.items() if key not in _READ}
    if dependencies:
        state._hub["dependencies"] = dependencies
    state._servable = copy.deepcopy(dict(document["servable"]))
    state._servable.setdefault("methods", {})
    state._further = {key: copy.deepcopy(one) for key, one in document.items() if key not in _BLOCKS}
    state._given = _given(document, state._sources)
    _take_files(state, hub.get("files") or {}, folder)


def _given(document: Mapping[str, Any], sources: Mapping[str, str]) -> set[str]:
    """Fields that a person wrote: those that were read from nowhere."""
    found = {f"/datacite/{field}" for field, value in document["datacite"].items() if value}
    return {one for one in found if one not in sources}


def _take_files(state: State, files: Mapping[str, Any], folder: Path | None) -> None:
    for name, value in files.items():
        paths = [value] if isinstance(value, str) else list(value)
        if isinstance(value, str):
            state._named_files[name] = value
        elif name != "other":
            state._hub.setdefault("files", {})[name] = paths
        for path in paths:
            state._files[path] = _place(path, folder)


def _place(path: str, folder: Path | None) -> Path | None:
    if folder is None:
        return None
    place = folder / path
    if not place.exists():
        raise Malformed(f"{folder / NAME} lists {path}, but there is no such file in {folder}.")
    return place.absolute()
