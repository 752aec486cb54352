"""The dlhub.json that `dlhub init` writes. JSON has no comments, so they are fields named `_comment`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from proto_msgs.errors import Malformed

_ARGUMENT = (
    'Types: boolean, integer, number, float, complex, string, datetime, timedelta, file, {"type": "list", '
    '"item_type": ...}, {"type": "tuple", "element_types": [...]}, {"type": "dict", "properties": {...}}, '
    '{"type": "ndarray", "shape": [null, 4], "item_type": "float"} (null: any length), '
    '{"type": "python object", "python_type": "module.Class"}.'
)


def template(kind: str, name: str, title: str | None, authors: Sequence[str]) -> str:
    """The text of a description to fill in; it is valid as it stands. Raises Malformed."""
    block = _SERVABLES.get(kind)
    if block is None:
        raise Malformed(f"{kind!r} is no type of servable; there are: {', '.join(_SERVABLES)}.")
    servable = {"type": block["type"], "methods": {"run": {"_comment": _ARGUMENT, **block["run"]}}}
    if "options" in block:
        servable["options"] = block["options"]
    document = {
        "_comment": "Fields named _comment are for you; they are not published.",
        "datacite": {
            "_comment": "Who made it and what it is called, in DataCite's words. Creators: Family, Given.",
            "titles": [{"title": title or f"TITLE of {name}"}],
            "creators": [{"name": author} for author in authors or ["Family, Given"]],
            "descriptions": [{"descriptionType": "Abstract", "description": "What it does, in a paragraph."}],
        },
        "dlhub": {
            "_comment": "visible_to: who may find it: public, identities, groups; empty: only you. "
            "files: what travels along; without any, the whole folder. dependencies: package to version, "
            "specifier or null.",
            "name": name,
            "visible_to": [],
            "domains": [],
            "files": block["files"],
            "dependencies": {"python": block["dependencies"]},
        },
        "servable": servable,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_ROWS = {"type": "ndarray", "shape": [None, 4], "item_type": {"type": "float"}}
_SERVABLES: dict[str, Any] = {
    "static_method": {
        "type": "Python static method",
        "files": {},
        "dependencies": {},
        "run": {
            "description": "Calls the function `predict` of app.py with its input.",
            "input": {"type": "float", "description": "What goes in"},
            "output": {"type": "float", "description": "What comes out"},
            "method_details": {"module": "app", "method_name": "predict"},
        },
    },
    "class_method": {
        "type": "Python class method",
        "files": {"pickle": "model.pkl"},
        "dependencies": {},
        "run": {
            "description": "Calls the method `predict` of the object in model.pkl.",
            "input": {"type": "float", "description": "What goes in"},
            "output": {"type": "float", "description": "What comes out"},
            "method_details": {"method_name": "predict"},
        },
    },
    "sklearn": {
        "type": "Scikit-learn estimator",
        "options": {"serialization_method": "pickle"},
        "files": {"model": "model.pkl"},
        "dependencies": {"scikit-learn": None, "numpy": None},
        "run": {
            "description": "Predicts with the estimator in model.pkl.",
            "input": {**_ROWS, "description": "One row per sample"},
            "output": {"type": "ndarray", "item_type": {"type": "float"}, "description": "Predictions"},
            "method_details": {"method_name": "predict"},
        },
    },
}
