"""Several inputs and outputs, by name.

A description declares them as a dict, or as a tuple whose elements have names; the model wants and gives them
in an order of its own, or under its own names. That order is never the alphabet's: f(z, x) stays f(z, x)
whatever order the names have in a description.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from dlhub_shim.complaints import InputMismatch, LoadError, OutputMismatch, listed

Declared = Dict[str, Any]
Names = Optional[Sequence[str]]
Arrange = Callable[[Any], List[Any]]
Name = Callable[[Any], Any]


class Side(NamedTuple):
    """The inputs of a method, or its outputs: what the description says, and what the model says."""

    declared: Declared
    wanted: Names
    """method_details.inputs or .outputs: declared names in the model's order."""
    own: Names
    """The model's own names, in its order; None where it does not tell."""
    where: str
    """The field `input` or `output`, for messages."""
    ordered: bool = True
    """The model's parts have an order, not names alone."""

    @property
    def order_field(self) -> str:
        """Where the description can say the order."""
        method, _, side = self.where.rpartition(".")
        return f"{method}.method_details.{side}s"


def declared_names(declared: Declared) -> Optional[List[str]]:
    """Names of the parts of an input or output; None where it has none."""
    if declared.get("type") == "dict":
        return list(declared.get("properties") or ()) or None
    if declared.get("type") != "tuple":
        return None
    names = [_name_of(element) for element in declared.get("element_types") or ()]
    return [str(name) for name in names] if names and all(names) else None


def _name_of(element: Any) -> Any:
    return element.get("name") if isinstance(element, dict) else None


def _order(side: Side, names: List[str]) -> Names:
    """Declared names in the model's order; None where nothing tells. Raises LoadError where they differ."""
    wanted = side.wanted if side.ordered else None
    if side.own is not None and sorted(side.own) == sorted(names):
        return list(side.own)
    if wanted is not None:
        _check_wanted(side, names)
        return list(wanted)
    if len(names) == 1 and (side.own is None or len(side.own) == 1):
        return names
    if side.own is None:
        return None
    other = f", or list yours in the model's order in {side.order_field}" if side.ordered else ""
    raise LoadError(
        f"{side.where} has the names {listed(names)}, but those of the model are {listed(list(side.own))}. "
        f"Use these{other}"
    )


def _check_wanted(side: Side, names: List[str]) -> None:
    wanted = list(side.wanted or ())
    if sorted(wanted) != sorted(names):
        raise LoadError(
            f"{side.order_field} lists {listed(wanted)}, but {side.where} has the names {listed(names)}: "
            "they must be the same"
        )
    if side.own is not None and len(side.own) != len(wanted):
        there = f"{len(side.own)}: {listed(list(side.own))}"
        raise LoadError(f"{side.where} has {len(wanted)} parts, but the model has {there}")


# --- inputs ---


def arranged(side: Side) -> Arrange:
    """From what a caller gives to a list of values in the model's own order. Raises LoadError."""
    kind = side.declared.get("type")
    names = declared_names(side.declared)
    if names:
        order = _input_order(side, names)
        if kind == "dict":
            return lambda value: [_part(value, name) for name in order]
        places = [names.index(name) for name in order]
        return lambda value: [value[place] for place in places]
    own = side.own
    if kind == "dict" and own is not None:
        return lambda value: [_part(value, name) for name in own]
    parts = len(side.declared.get("element_types") or ()) if kind == "tuple" else 1
    if own is not None and len(own) != parts:
        raise LoadError(
            f"the model takes {len(own)} inputs, {listed(list(own))}, but {side.where} has {parts}: "
            "declare a dict with these names as its properties"
        )
    return list if kind == "tuple" else lambda value: [value]


def parts_of(side: Side) -> List[Declared]:
    """The declarations of those values, in the model's own order."""
    kind = side.declared.get("type")
    elements = list(side.declared.get("element_types") or ())
    names = declared_names(side.declared)
    if not names:
        return elements if kind == "tuple" else [side.declared]
    order = _input_order(side, names)
    if kind == "dict":
        return [side.declared["properties"][name] for name in order]
    return [elements[names.index(name)] for name in order]


def _input_order(side: Side, names: List[str]) -> Sequence[str]:
    order = _order(side, names)
    if order is None:
        raise LoadError(
            f"{side.where} has the names {listed(names)}, and the model does not tell in which order it "
            f"takes them: list them in that order in {side.order_field}"
        )
    return order


def _part(value: Any, name: str) -> Any:
    try:
        return value[name]
    except (LookupError, TypeError) as error:
        there = listed(list(value)) if isinstance(value, dict) else f"a {type(value).__name__}"
        raise InputMismatch(f"the input has no {name!r}; it has {there}") from error


# --- outputs ---


def named_output(side: Side) -> Name:
    """From what the model gives, values in a list or by name, to the form that the description declares.

    Raises LoadError.
    """
    kind = side.declared.get("type")
    if kind not in ("dict", "tuple"):
        return _only
    names = declared_names(side.declared)
    order = _output_order(side, names) if names else (side.wanted or side.own)
    if kind == "dict":
        return lambda output: _by_name(_values(output, order, side), names)
    return lambda output: _in_order(output, names, order, side)


def _output_order(side: Side, names: List[str]) -> Names:
    # Of a model's many outputs, a description may name a few.
    if side.own is not None and set(names) < set(side.own):
        return side.own
    return _order(side, names)


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


def _by_name(values: Dict[str, Any], names: Optional[List[str]]) -> Dict[str, Any]:
    if not names:
        return values
    missing = [name for name in names if name not in values]
    if missing:
        raise OutputMismatch(f"the model gave no output {missing[0]!r}; it gave {listed(list(values))}")
    return {name: values[name] for name in names}


def _in_order(output: Any, names: Optional[List[str]], order: Names, side: Side) -> Any:
    """As a tuple: in the order of the declared names, else as the model gave them."""
    by_name = isinstance(output, dict) or (names and order and list(names) != list(order))
    if by_name:
        return tuple(_by_name(_values(output, order, side), names).values())
    return tuple(output) if isinstance(output, (list, tuple)) else (output,)


def _values(output: Any, order: Names, side: Side) -> Dict[str, Any]:
    """Outputs by name, whatever form the model gave them."""
    if isinstance(output, dict):
        # Only one alone may go by another name: the order of a dict says nothing.
        return dict(zip(order, output.values())) if order and len(order) == len(output) == 1 else output
    values = list(output) if isinstance(output, (list, tuple)) else [output]
    if order is None:
        raise OutputMismatch(
            f"the model gave {len(values)} outputs without names: list their names in the model's order in "
            f"{side.order_field}"
        )
    if len(values) != len(order):
        raise OutputMismatch(f"the model gave {len(values)} outputs; {listed(list(order))} were expected")
    return dict(zip(order, values))
