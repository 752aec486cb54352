"""What the declarations of several methods together say of lengths.

A symbol belongs to the method that declares it: `n` of one method is another length than `n` of the next,
until an output of the one is an input of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from proto_msgs.description import Argument

Length = int | str | None
Scope = Hashable
"""Whose symbols: something that stands for one method."""
Symbol = tuple[Scope, str]


class Lengths:
    """Symbols of several methods, and which of them mean the same length."""

    def __init__(self) -> None:
        self._same_as: dict[Symbol, Symbol | int] = {}
        """What was learned of a symbol; those that are missing may be anything."""

    def agree(self, one: Length, its: Scope, other: Length, others: Scope) -> bool:
        """Whether two lengths can be the same; from then on they are."""
        if one is None or other is None:
            return True
        first, second = self.known(one, its), self.known(other, others)
        if first == second:
            return True
        if isinstance(first, tuple):
            self._same_as[first] = second
        elif isinstance(second, tuple):
            self._same_as[second] = first
        else:
            return False
        return True

    def known(self, length: int | str, scope: Scope) -> Symbol | int:
        """The number, or the symbol that stands for all that mean the same."""
        if isinstance(length, int):
            return length
        found: Symbol | int = (scope, length)
        while isinstance(found, tuple) and found in self._same_as:
            found = self._same_as[found]
        return found


def with_symbols(argument: Argument, change: Callable[[str], int | str]) -> Argument:
    """The declaration with something else in the place of each symbol."""
    changes: dict[str, object] = {}
    if argument.shape is not None:
        changes["shape"] = tuple(change(one) if isinstance(one, str) else one for one in argument.shape)
    if argument.item_type is not None:
        changes["item_type"] = with_symbols(argument.item_type, change)
    if argument.element_types is not None:
        changes["element_types"] = tuple(with_symbols(one, change) for one in argument.element_types)
    if argument.properties is not None:
        changes["properties"] = {key: with_symbols(one, change) for key, one in argument.properties.items()}
    return argument.model_copy(update=changes)


class Renaming:
    """Declarations of several methods as those of one: symbols that mean the same get the same name."""

    def __init__(self, lengths: Lengths) -> None:
        self._lengths = lengths
        self._names: dict[Symbol, str] = {}

    def renamed(self, argument: Argument, scope: Scope) -> Argument:
        """The declaration with the lengths that were learned."""
        return with_symbols(argument, lambda symbol: self._length(symbol, scope))

    def _length(self, length: str, scope: Scope) -> int | str:
        found = self._lengths.known(length, scope)
        if isinstance(found, int):
            return found
        if found not in self._names:
            self._names[found] = self._free_name(length)
        return self._names[found]

    def _free_name(self, wanted: str) -> str:
        taken = set(self._names.values())
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        return name
