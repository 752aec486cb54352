"""Whether a model of Keras gives the same output for the same input, by its configuration alone.

Layers that Keras brings throw dice in training only, unless the graph was made to train always. What is from
elsewhere, or carries code along, may do anything. Keras 2 did not write down where a class is from, so of
its models nothing is promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MAX_DEPTH = 40
_UNKNOWN = frozenset(("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "function"))
"""Keras' own wrappers of something that Keras does not know."""


def is_frozen(document: Mapping[str, Any]) -> bool:
    """True when every part of the model is Keras' own, and none trains, keeps a state, or carries code."""
    parts = list(_parts({key: document.get(key) for key in ("module", "class_name", "config")}, _MAX_DEPTH))
    return bool(parts) and all(_is_harmless(part) for part in parts)


def _parts(node: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Everything that is written as an object of some class, and every call of a layer."""
    if depth < 0:
        yield {"class_name": "too deep to tell"}
        return
    if isinstance(node, Mapping):
        if "class_name" in node or "kwargs" in node:
            yield node
        for one in node.values():
            yield from _parts(one, depth - 1)
    elif isinstance(node, list):
        for one in node:
            yield from _parts(one, depth - 1)


def _is_harmless(part: Mapping[str, Any]) -> bool:
    kind, module, config, call = (part.get(key) for key in ("class_name", "module", "config", "kwargs"))
    if kind is None:
        return not (isinstance(call, Mapping) and call.get("training"))
    if kind == "__keras_tensor__":
        return True
    known = isinstance(module, str) and module.split(".")[0] == "keras" and kind not in _UNKNOWN
    return known and not (isinstance(config, Mapping) and config.get("stateful"))
