"""Descriptions as people write them by hand."""

from __future__ import annotations

from typing import Any

from models.workshop import FRAMEWORKS

Declared = dict[str, Any]


def array(*shape: int | str | None, item: str = "float", **more: Any) -> Declared:
    """An ndarray."""
    return {"type": "ndarray", "shape": list(shape), "item_type": {"type": item}, **more}


def by_name(**parts: Declared) -> Declared:
    """A dict of them."""
    return {"type": "dict", "properties": parts}


def in_order(**parts: Declared) -> Declared:
    """A tuple of them, whose elements have names."""
    return {"type": "tuple", "element_types": [{**part, "name": name} for name, part in parts.items()]}


def method(taken: Declared, given: Declared, details: Declared | None = None, **more: Any) -> Declared:
    return {"input": taken, "output": given, "method_details": details or {}, **more}


def servable(kind: str, run: Declared, options: Declared | None = None, **methods: Declared) -> Declared:
    return {"type": kind, "options": options or {}, "methods": {"run": run, **methods}}


def described(name: str, framework: str, servable: Declared, **files: Any) -> Declared:
    """A whole dlhub.json; files: as in dlhub.files."""
    return {
        "datacite": {"titles": [{"title": f"Test of {name}"}], "creators": [{"name": "Tester, Ada"}]},
        "dlhub": {
            "name": name,
            "visible_to": ["public"],
            "files": files,
            "dependencies": {"python": FRAMEWORKS[framework]},
        },
        "servable": servable,
    }
