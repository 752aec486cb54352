"""What frameworks that take and give arrays have in common: inputs and outputs with names and types."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from dlhub_shim.casting import as_array
from dlhub_shim.complaints import InputMismatch
from dlhub_shim.finding import Function, details_of
from dlhub_shim.named import Arrange, Name, Side, arranged, named_output

Declared = Dict[str, Any]
Shape = Tuple[Optional[int], ...]
Run = Callable[[List[Any], Dict[str, Any]], Any]
"""From arrays in the model's own order, and parameters, to what the model gives: one, several, or by name."""


class Port(NamedTuple):
    """An input as the model itself declares it."""

    name: str
    dtype: Any = None
    """As NumPy has it; None: any."""
    shape: Optional[Shape] = None
    """None for a length that is free; None for all of it: any."""

    def fit(self, value: Any) -> Any:
        """The value as the model takes it. Raises InputMismatch."""
        array = as_array(value, self.dtype, f"the input {self.name!r}")
        if self.shape is not None and not _fits(array.shape, self.shape):
            wanted = ", ".join("any" if length is None else str(length) for length in self.shape)
            raise InputMismatch(
                f"the input {self.name!r} has the shape {list(array.shape)}; the model takes [{wanted}]"
            )
        return array


def _fits(shape: Sequence[int], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        free is None or free == length for length, free in zip(shape, wanted)
    )


def lengths(shape: Any) -> Optional[Shape]:
    """A framework's shape: what is no number is free."""
    if shape is None:
        return None
    return tuple(length if isinstance(length, int) and length >= 0 else None for length in shape)


def numpy_dtype(name: Any) -> Any:
    """NumPy's type of that name; None where it has none, such as of bfloat16."""
    import numpy

    try:
        return numpy.dtype(name)
    except TypeError:
        return None


def text_or_lists(array: Any) -> Any:
    """An array of texts, or of bytes, that a framework gives as objects, in a form that can travel."""
    import numpy

    try:
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.reshape(-1)]
    except UnicodeDecodeError:
        return array.tolist()
    return numpy.array(texts, dtype=str).reshape(array.shape)


def function_on(
    run: Run,
    name: str,
    method: Declared,
    ports: Sequence[Port],
    outputs: Optional[Sequence[str]],
    ordered: bool = True,
) -> Function:
    """What is called with a method's inputs: by name to the model's inputs, and its outputs by name back.

    `ordered`: the model's inputs and outputs have an order, so that others' names may be put in that order.
    Raises LoadError where the names of the description are not those of the model.
    """
    take, name_output = both_sides(name, method, ports, outputs, ordered)

    def function(inputs: Any, **parameters: Any) -> Any:
        return name_output(run(take(inputs), parameters))

    return function


def both_sides(
    name: str,
    method: Declared,
    ports: Sequence[Port],
    outputs: Optional[Sequence[str]],
    ordered: bool = True,
) -> Tuple[Arrange, Name]:
    """From inputs to what the model takes, in its own order; and from what it gives to the output."""
    details, where = details_of(name, method)
    method_field = where[: -len(".method_details")]
    own = [port.name for port in ports]
    taken = Side(method.get("input") or {}, details.get("inputs"), own, f"{method_field}.input", ordered)
    given = Side(
        method.get("output") or {}, details.get("outputs"), outputs, f"{method_field}.output", ordered
    )
    arrange = arranged(taken)

    def take(inputs: Any) -> List[Any]:
        return [port.fit(value) for port, value in zip(ports, arrange(inputs))]

    return take, named_output(given)
