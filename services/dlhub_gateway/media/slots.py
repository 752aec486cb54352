"""The places of a method's input that parts of a form, or a bare body, can fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlhub_types.mismatch import describe
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch, Malformed


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one value."""

    key: str | int | None
    """Name in a dict, position in a tuple; None: it is the whole input."""
    declared: Argument

    @property
    def path(self) -> str:
        """How errors call it."""
        if self.key is None:
            return "inputs"
        return f"inputs[{self.key!r}]"

    @property
    def takes_several(self) -> bool:
        """Whether it is a list, with an item per part."""
        return self.declared.type == "list"

    @property
    def item(self) -> Argument:
        """How the value of one part is declared."""
        inner = self.declared.item_type
        return inner if self.takes_several and inner is not None else self.declared


class Slots:
    """All places of one input, and what came for them."""

    def __init__(self, declared: Argument) -> None:
        self._declared = declared
        self._slots = _slots(declared)
        self._filled: dict[str | int | None, Any] = {}

    def only(self) -> Slot:
        """The one place that there is. Raises Malformed where there are several."""
        if len(self._slots) == 1:
            return next(iter(self._slots.values()))
        names = ", ".join(name for name in self._slots if name is not None)
        raise Malformed(
            "a body that is one file or array is for a method with one such input; this one takes "
            f"{describe(self._declared)}: send multipart/form-data"
            + (f" with a part for each of {names}" if names else " with a part named inputs, in JSON")
        )

    def named(self, name: str) -> Slot:
        """The place that a part of this name fills. Raises InputMismatch."""
        if name in self._slots:
            return self._slots[name]
        if None in self._slots:  # the one input may be called anything
            return self._slots[None]
        known = (
            ", ".join(str(one) for one in self._slots) or "none by name: send a part named inputs, in JSON"
        )
        raise InputMismatch(
            f"{name}: the method has no such input; it has: {known}", details={"path": f"inputs[{name!r}]"}
        )

    def fill(self, slot: Slot, value: Any) -> None:
        """A value has come. Raises Malformed for the second one where one is expected."""
        if slot.takes_several:
            self._filled.setdefault(slot.key, []).append(value)
        elif slot.key in self._filled:
            raise Malformed(f"{slot.path}: two parts came; it is declared as {describe(slot.declared)}")
        else:
            self._filled[slot.key] = value

    def value(self, given: Any, came: bool) -> Any:
        """The whole input: what parts have filled, beside `given` if that `came`."""
        if not self._filled:
            if came:
                return given
            raise Malformed("no inputs came: send a part for each input, or one named inputs, in JSON")
        if None in self._filled:
            if came:
                raise Malformed("inputs came twice: as a part of that name, and as another part")
            return self._filled[None]
        if self._declared.type == "dict":
            return {**self._beside(given, came), **self._filled}
        if came:
            raise Malformed("inputs came twice: as a part of that name, and as parts by name")
        return self._in_order()

    def _beside(self, given: Any, came: bool) -> Mapping[str, Any]:
        if not came:
            return {}
        if not isinstance(given, dict):
            raise Malformed(f"inputs: an object was expected beside the other parts, not {given!r:.80}")
        twice = next((name for name in given if name in self._filled), None)
        if twice is not None:
            raise Malformed(
                f"inputs[{twice!r}] came twice: in the part named inputs and as a part of its own"
            )
        return given

    def _in_order(self) -> list[Any]:
        missing = [name for name, slot in self._slots.items() if slot.key not in self._filled]
        if missing:
            raise InputMismatch(
                f"no part came for the input {missing[0]!r}", details={"path": f"inputs[{missing[0]!r}]"}
            )
        return [self._filled[slot.key] for slot in self._slots.values()]


def _slots(declared: Argument) -> dict[str | None, Slot]:
    if declared.type == "dict" and declared.properties:
        return {name: Slot(name, inner) for name, inner in declared.properties.items()}
    elements = declared.element_types or ()
    if declared.type == "tuple" and elements and all(element.name for element in elements):
        return {element.name: Slot(index, element) for index, element in enumerate(elements)}
    if declared.type in ("dict", "tuple"):
        return {}
    return {None: Slot(None, declared)}
