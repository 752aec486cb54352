"""Several inputs and outputs, by name.

A description declares them as a dict, or as a tuple whose elements have names; the model wants and gives them
in an order of its own, or under its own names. That order is never the alphabet's: f(z, x) stays f(z, x)
whatever order the names have in a description.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence

from dlhub_shim.complaints import InputMismatch, LoadError, OutputMismatch, listed

Declared = Dict[str, Any]
Names = Optional[Sequence[str]]
Arrange = Callable[[Any], List[Any]]
Name = Callable[[Any], Any]


def declared_names(declared: Declared) -> Optional[List[str]]:
    """Names of the parts of an input or output; None where it has none."""
    if declared.get("type") == "dict":
        return list(declared.get("properties") or ())
    names = [_name_of(element) for element in declared.get("element_types") or ()]
    return [str(name) for name in names] if names and all(names) else None


def _name_of(element: Any) -> Any:
    return element.get("name") if isinstance(element, dict) else None


def input_order(declared: Declared, wanted: Names, own: Names, where: str) -> List[str]:
    """Names of the declared parts in the model's order, for a declaration that has names.

    `wanted` is what method_details.inputs says; `own` the model's own names in its order, where it tells.
    Raises LoadError where names and order do not add up.
    """
    names = declared_names(declared) or []
    if own is not None and sorted(own) == sorted(names):
        return list(own)
    if wanted is not None:
        return _as_wanted(names, wanted, own, where, "inputs")
    if len(names) == 1 and (own is None or len(own) == 1):
        return names
    if own is None:
        raise LoadError(
            f"{where}.input has the names {listed(names)}, and the model does not tell in which order it "
            f"takes them: list them in that order in {where}.method_details.inputs"
        )
    raise LoadError(
        f"{where}.input has the names {listed(names)}, but the model takes {listed(list(own))}. Use its "
        f"names, or list yours in the model's order in {where}.method_details.inputs"
    )


def _as_wanted(names: List[str], wanted: Sequence[str], own: Names, where: str, field: str) -> List[str]:
    if sorted(wanted) != sorted(names):
        raise LoadError(
            f"{where}.method_details.{field} lists {listed(list(wanted))}, but {where}.{field[:-1]} has the "
            f"names {listed(names)}: they must be the same"
        )
    if own is not None and len(own) != len(wanted):
        raise LoadError(
            f"{where}.{field[:-1]} has {len(wanted)} parts, but the model has {len(own)} {field}: "
            f"{listed(list(own))}"
        )
    return list(wanted)


def arranged(declared: Declared, wanted: Names, own: Names, where: str) -> Arrange:
    """From what a caller gives to a list of values in the model's own order. Raises LoadError."""
    kind = declared.get("type")
    if kind == "dict" and not declared.get("properties") and own is not None:
        return lambda value: [_part(value, name) for name in own]
    names = declared_names(declared) if kind in ("dict", "tuple") else None
    if names:
        order = input_order(declared, wanted, own, where)
        if kind == "dict":
            return lambda value: [_part(value, name) for name in order]
        places = [names.index(name) for name in order]
        return lambda value: [value[place] for place in places]
    parts = len(declared.get("element_types") or ()) if kind == "tuple" else 1
    if own is not None and len(own) != parts:
        raise LoadError(
            f"the model takes {len(own)} inputs, {listed(list(own))}, but {where}.input has {parts}: declare "
            "a dict with these names as its properties"
        )
    return list if kind == "tuple" else lambda value: [value]


def _part(value: Any, name: str) -> Any:
    try:
        return value[name]
    except (LookupError, TypeError) as error:
        there = listed(list(value)) if isinstance(value, dict) else f"a {type(value).__name__}"
        raise InputMismatch(f"the input has no {name!r}; it has {there}") from error


def named_output(declared: Declared, wanted: Names, own: Names, where: str) -> Name:
    """From what the model gives, values in a list or by name, to the form that the description declares.

    `own`: names of the model's outputs in its order, where it tells. Raises LoadError.
    """
    kind = declared.get("type")
    names = declared_names(declared) if kind in ("dict", "tuple") else None
    if kind not in ("dict", "tuple"):
        return _only
    order = _output_order(names, wanted, own, where) if names else (wanted or own)
    if kind == "dict":
        return lambda output: _by_name(output, names, order, where)
    return lambda output: _in_order(output, names or order, order, where)


def _output_order(names: List[str], wanted: Names, own: Names, where: str) -> Names:
    if own is not None and sorted(own) == sorted(names):
        return list(own)
    if wanted is not None:
        return _as_wanted(names, wanted, own, where, "outputs")
    if len(names) == 1:
        return names
    if own is not None and not set(names) <= set(own):
        raise LoadError(
            f"{where}.output has the names {listed(names)}, but the model gives {listed(list(own))}. Use its "
            f"names, or list yours in the model's order in {where}.method_details.outputs"
        )
    return own


def _only(output: Any) -> Any:
    """The one output of a model whose description declares one."""
    if isinstance(output, dict):
        output = list(output.values())
    if not isinstance(output, (list, tuple)):
        return output
    if len(output) != 1:
        raise OutputMismatch(
            f"the model gave {len(output)} outputs, but its description declares one: declare a dict with "
            "their names as its properties"
        )
    return output[0]


def _by_name(output: Any, names: Optional[List[str]], order: Names, where: str) -> Dict[str, Any]:
    values = _values(output, order, where)
    if not names:
        return values
    missing = [name for name in names if name not in values]
    if missing:
        raise OutputMismatch(f"the model gave no output {missing[0]!r}; it gave {listed(list(values))}")
    return {name: values[name] for name in names}


def _in_order(output: Any, names: Names, order: Names, where: str) -> Any:
    if isinstance(output, dict) or (names and order and list(names) != list(order)):
        values = _values(output, order, where)
        return (
            tuple(_by_name(values, list(names), order, where).values()) if names else tuple(values.values())
        )
    return tuple(output) if isinstance(output, (list, tuple)) else (output,)


def _values(output: Any, order: Names, where: str) -> Dict[str, Any]:
    """Outputs by name, whatever form the model gave them."""
    if isinstance(output, dict):
        # Only one alone may go by another name: the order of a dict says nothing.
        return dict(zip(order, output.values())) if order and len(order) == len(output) == 1 else output
    values = list(output) if isinstance(output, (list, tuple)) else [output]
    if order is None:
        raise OutputMismatch(
            f"the model gave {len(values)} outputs without names: list their names in the model's order in "
            f"{where}.method_details.outputs"
        )
    if len(values) != len(order):
        raise OutputMismatch(f"the model gave {len(values)} outputs; {listed(list(order))} were expected")
    return dict(zip(order, values))
