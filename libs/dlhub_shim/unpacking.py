"""A function called with its inputs: with all of them as one argument, or unpacked.

Unpacked, a dict gives arguments by name, and so does a tuple whose elements are named like the function's
arguments; method_details.inputs puts either in the order that it says. Any other tuple or list is given in
the order it has.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List, Optional

from dlhub_shim.complaints import InputMismatch
from dlhub_shim.named import declared_names

Declared = Dict[str, Any]
Function = Callable[..., Any]
Call = Callable[[Any, Dict[str, Any]], Any]


def caller(function: Function, method: Declared) -> Call:
    """`function` as something that takes inputs and parameters."""
    details = method.get("method_details") or {}
    if not details.get("unpack"):
        return lambda inputs, parameters: function(inputs, **parameters)
    declared = method.get("input") or {}
    names = None if details.get("autobatch") else declared_names(declared)
    order = details.get("inputs")
    if declared.get("type") == "dict" and not details.get("autobatch"):
        return _with_entries(function, order)
    if names and order and sorted(names) == sorted(order):
        places = [names.index(name) for name in order]
        return lambda inputs, parameters: function(*[inputs[place] for place in places], **parameters)
    if names and _takes(function, names):
        return lambda inputs, parameters: function(**dict(zip(names, inputs)), **parameters)
    return lambda inputs, parameters: function(*inputs, **parameters)


def _with_entries(function: Function, order: Optional[List[str]]) -> Call:
    """A function that takes the entries of a dict: in an order, else by name."""
    if order is None:
        return lambda inputs, parameters: function(**{**parameters, **inputs})

    def call(inputs: Any, parameters: Dict[str, Any]) -> Any:
        missing = [name for name in order if name not in inputs]
        if missing:
            raise InputMismatch(f"the input has no {missing[0]!r}")
        return function(*[inputs[name] for name in order], **parameters)

    return call


def _takes(function: Function, names: List[str]) -> bool:
    """Whether these are names of the function's arguments, which can be given by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of C code
        return False
    return all(
        name in parameters and parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY
        for name in names
    )
