"""Documents of the original DLHub, read as ours.

The original's tools wrote several forms of dlhub.json between 2018 and 2023, which say no version; they are
told by fields that only they have. A document without these is not touched.
"""

from __future__ import annotations

import copy
from typing import Any

from proto_msgs.original.arguments import convert_arguments
from proto_msgs.original.changes import Change, Changes, Object, block_of
from proto_msgs.original.hub import convert_hub
from proto_msgs.original.provenance import convert_provenance
from proto_msgs.original.servable import convert_servable

__all__ = ["Change", "converted"]


def converted(document: Any) -> tuple[Any, tuple[Change, ...]]:
    """The document as ours, and what was changed; one that is not the original's is given back as it is."""
    if not isinstance(document, dict) or not _is_of_the_original(document):
        return document, ()
    made, changes = copy.deepcopy(document), Changes()
    changes.remove_everywhere(made, "@class", "a mark of the original's own tools")
    for convert in (convert_provenance, convert_servable, convert_arguments, convert_hub):
        convert(made, changes)
    return made, changes.found


def _is_of_the_original(document: Object) -> bool:
    hub = block_of(document, "dlhub")
    return (
        "shim" in block_of(document, "servable")
        or "resourceType" in block_of(document, "datacite")
        or "pipeline" in document
        or hub.get("type") in ("servable", "pipeline", "piepline")
        or "transfer_method" in hub
    )
