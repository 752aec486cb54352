"""The original's block `dlhub`: fields that its services wrote are left out, for ours knows them itself."""

from __future__ import annotations

import datetime
import re
from typing import Any

from proto_msgs.original.changes import Changes, Object, block_of

_PATH = "/dlhub"
_SERVICE = "the hub knows this itself"
_OF_THE_SERVICE = (
    "owner", "user_id", "shorthand_name", "id", "transfer_method", "funcx_id", "container_id", "ecr_uri",
    "ecr_arn", "build_location", "identifier", "test", "deleted", "deleted_date",
)  # fmt: skip
_GLOBUS = ("urn:globus:auth:identity:", "urn:globus:groups:id:")
_PACKAGES = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "pytorch": "torch",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
}
"""Modules that the original's authors named in the place of the package that holds them."""
_ANY = ("None", "detect", "latest", "")
_LARGEST_SECONDS = 100_000_000_000
"""Of a date in seconds; the original said seconds and wrote milliseconds."""


def convert_hub(document: Object, changes: Changes) -> None:
    """Fields of `dlhub`."""
    block = block_of(document, "dlhub")
    _published(block, block_of(document, "datacite"), changes)
    for key in _OF_THE_SERVICE:
        changes.remove(block, key, _PATH, _SERVICE)
    changes.remove(block, "version", _PATH, "it is that of the original's tools")
    changes.remove(block, "type", _PATH, "servable.type says more")
    _domains(block, changes)
    _name(block, changes)
    _visible_to(block, changes)
    _files(block, changes)
    _dependencies(block_of(block, "dependencies"), changes)


def _published(block: Object, provenance: Object, changes: Changes) -> None:
    moment = _moment(block.get("publication_date"))
    if moment is None:
        changes.remove(block, "publication_date", _PATH, _SERVICE)
        return
    del block["publication_date"]
    issued = {
        "date": moment.date().isoformat(),
        "dateType": "Issued",
        "dateInformation": "in the original DLHub",
    }
    provenance["dates"] = [*(provenance.get("dates") or ()), issued]
    provenance.setdefault("publicationYear", str(moment.year))
    changes.note(
        f"{_PATH}/publication_date",
        f"now in /datacite/dates, {issued['date']}",
        "DataCite has a place for it",
    )


def _moment(value: Any) -> datetime.datetime | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    seconds = value / 1000 if value > _LARGEST_SECONDS else value
    return datetime.datetime.fromtimestamp(min(seconds, _LARGEST_SECONDS), datetime.UTC)


def _domains(block: Object, changes: Changes) -> None:
    domain = block.pop("domain", None)
    if isinstance(domain, str):
        block.setdefault("domains", [domain] if domain else [])
        changes.note(f"{_PATH}/domain", "now in 'domains'", "there can be several")


def _name(block: Object, changes: Changes) -> None:
    name = block.get("name")
    if not isinstance(name, str):
        return
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip("_.-")[:100]
    if plain and plain != name:
        changes.replace(block, "name", plain, _PATH, "names hold letters, digits, '_', '.' and '-' alone")


def _visible_to(block: Object, changes: Changes) -> None:
    names = block.get("visible_to")
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name.startswith(_GLOBUS):
            changes.note(
                f"{_PATH}/visible_to/{index}",
                "kept as it is",
                "it means somebody here only if this hub knows people by their names at Globus",
            )


def _files(block: Object, changes: Changes) -> None:
    files = block.get("files")
    if not isinstance(files, dict):
        return
    for key, value in files.items():
        listed = value if isinstance(value, list) else [value]
        if any(isinstance(one, str) and "\\" in one for one in listed):
            plain = [one.replace("\\", "/") if isinstance(one, str) else one for one in listed]
            files[key] = plain if isinstance(value, list) else plain[0]
            changes.note(f"{_PATH}/files/{key}", "written with '/'", "paths in archives are")


def _dependencies(block: Object, changes: Changes) -> None:
    python = block.get("python")
    path = f"{_PATH}/dependencies/python"
    if not isinstance(python, dict):
        return
    for name, version in list(python.items()):
        if version in _ANY:
            changes.replace(python, name, None, path, "null means any version")
        if name in _PACKAGES:
            changes.rename(python, name, _PACKAGES[name], path, "that is the name of the package")
