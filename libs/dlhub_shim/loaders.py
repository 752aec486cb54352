"""From a description and a folder of files to callables, one per method.

How the file of a type becomes functions is said in `kinds`, one module per type; what all types have in
common is said here. Whatever goes wrong is a `LoadError` that says which part of the description asked for
what, what was found instead and what to do; the original exception is its cause.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Callable, Dict

from dlhub_shim.complaints import LoadError
from dlhub_shim.inputs import converter
from dlhub_shim.paths import with_files
from dlhub_shim.unpacking import caller
from dlhub_shim.vectorised import Vectorised, joins

Declared = Dict[str, Any]
Function = Callable[..., Any]
Method = Callable[[Any, Dict[str, Any]], Any]
"""Takes the inputs and the caller's parameters, gives the output."""

FunctionOf = Callable[[str, Declared], Function]
"""From a method's name and declaration to what is called with its inputs."""

_KINDS = {
    "Python static method": ("python", "load_static"),
    "Python class method": ("python", "load_class"),
    "Scikit-learn estimator": ("sklearn", "load"),
    "Keras Model": ("keras", "load"),
    "TensorFlow Model": ("tensorflow", "load"),
    "Torch Model": ("torch", "load"),
    "ONNX Model": ("onnx", "load"),
    "XGBoost Model": ("xgboost", "load"),
    "LightGBM Model": ("lightgbm", "load"),
}
"""Module of `kinds`, and the function there: (folder, description) -> FunctionOf."""


def load_methods(folder: Path, description: Declared) -> Dict[str, Method]:
    """The methods of the servable in `folder`, by name; its modules must be importable. Raises LoadError."""
    servable = description["servable"]
    kind = servable.get("type")
    if kind not in _KINDS:
        known = ", ".join(repr(name) for name in _KINDS)
        raise LoadError(f"servable.type is {kind!r}; this worker knows {known}")
    module, name = _KINDS[kind]
    load = getattr(importlib.import_module(f"dlhub_shim.kinds.{module}"), name)
    function_of: FunctionOf = load(folder, description)
    return {name: _method(function_of(name, method), method) for name, method in servable["methods"].items()}


def _method(function: Function, declared: Declared) -> Method:
    """`function` called as its description says: default parameters, converted inputs, unpacked, per item."""
    details = declared.get("method_details") or {}
    unpack = bool(details.get("unpack"))
    call = with_files(caller(function, declared), _given(declared), declared)
    if details.get("autobatch"):
        call = _per_item(call)
    defaults = declared.get("parameters") or {}
    convert = converter(declared.get("input") or {})
    if declared.get("vectorised"):
        return Vectorised(_with_defaults(call, defaults), declared.get("input") or {}, convert, unpack)
    if convert is None and not defaults:
        return call

    def method(inputs: Any, parameters: Dict[str, Any]) -> Any:
        return call(inputs if convert is None else convert(inputs), {**defaults, **parameters})

    return method


def _given(declared: Declared) -> Declared:
    """How what the function is called with is declared: the inputs, an item of them, or many of them."""
    inputs = declared.get("input") or {}
    details = declared.get("method_details") or {}
    if details.get("autobatch"):
        item = inputs.get("item_type") or {}
        return item if isinstance(item, dict) else {"type": item}
    if not declared.get("vectorised") or joins(inputs, bool(details.get("unpack"))):
        return inputs
    if details.get("unpack"):
        elements = inputs.get("element_types") or ()
        return {"type": "tuple", "element_types": [{"type": "list", "item_type": one} for one in elements]}
    return {"type": "list", "item_type": inputs}


def _with_defaults(call: Method, defaults: Dict[str, Any]) -> Method:
    return lambda inputs, parameters: call(inputs, {**defaults, **parameters})


def _per_item(call: Method) -> Method:
    return lambda inputs, parameters: [call(item, parameters) for item in inputs]
