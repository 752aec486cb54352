"""The outputs of the pieces of one input, joined to the output of the whole; pure.

Arrays and lists are joined along the axis that the method declares, dicts and tuples member by
member. What a piece gives must have an entry for each of its items: a model that declares
`map_axis` and sums over that axis is told so, instead of giving wrong numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlhub_gateway.cutting import words
from proto_msgs.description import Argument
from proto_msgs.errors import ServableFailed
from proto_msgs.tasks import Split


@dataclass(frozen=True, slots=True)
class Joiner:
    """Joins the outputs of one input's pieces."""

    split: Split
    axis: int

    def join(self, outputs: Sequence[Any], declared: Argument | None = None, path: str = "output") -> Any:
        """The output of the whole. Raises ServableFailed that names the items whose output does not fit.

        declared: the type that the method declares; it tells tuples, which travel as lists, from lists.
        """
        first = outputs[0]
        self._check_same([type(output) for output in outputs], path, "a value of type {0.__name__}")
        if first is None:
            return None
        if isinstance(first, dict):
            return self._join_dicts(outputs, declared, path)
        if isinstance(first, list) and declared is not None and declared.type == "tuple":
            return self._join_tuples(outputs, declared.element_types or (), path)
        return self._join_along(outputs, self.axis, path)

    def _join_dicts(self, outputs: Sequence[dict[Any, Any]], declared: Argument | None, path: str) -> Any:
        self._check_same([set(output) for output in outputs], path, "a dict with the keys {0}")
        known = (declared.properties if declared else None) or {}
        return {
            key: self.join([output[key] for output in outputs], known.get(key), f"{path}[{key!r}]")
            for key in outputs[0]
        }

    def _join_tuples(self, outputs: Sequence[list[Any]], types: Sequence[Argument], path: str) -> list[Any]:
        for piece, output in enumerate(outputs):
            if len(output) != len(types):
                raise self._misfit(piece, path, f"a tuple of {len(output)}, where {len(types)} are declared")
        members = zip(types, zip(*outputs, strict=True), strict=True)
        return [self.join(same, kind, f"{path}[{index}]") for index, (kind, same) in enumerate(members)]

    def _join_along(self, outputs: Sequence[Any], axis: int, path: str) -> Any:
        """Arrays or nested lists; `axis` is counted from here, while `self.axis` is that of the whole."""
        self._check_same([type(output) for output in outputs], path, "a value of type {0.__name__}")
        if isinstance(outputs[0], np.ndarray):
            return self._join_arrays(outputs, axis, path)
        if not isinstance(outputs[0], list):
            raise self._misfit(0, path, f"a value of type {type(outputs[0]).__name__}")
        if axis == 0:
            self._check_lengths([len(output) for output in outputs], path)
            return [item for output in outputs for item in output]
        self._check_same([len(output) for output in outputs], path, "a list of {0}")
        rows = enumerate(zip(*outputs, strict=True))
        return [self._join_along(row, axis - 1, f"{path}[{index}]") for index, row in rows]

    def _join_arrays(self, outputs: Sequence[Any], axis: int, path: str) -> Any:
        for piece, output in enumerate(outputs):
            if output.ndim <= axis:
                raise self._misfit(piece, path, f"an array of shape {output.shape}")
        self._check_lengths([output.shape[axis] for output in outputs], path)
        items = [output.shape[:axis] + output.shape[axis + 1 :] for output in outputs]
        self._check_same(items, path, "an array whose items have the shape {0}")
        try:
            return np.concatenate(outputs, axis)
        except TypeError as error:
            dtypes = ", ".join(sorted({str(output.dtype) for output in outputs}))
            raise self._misfit(0, path, f"arrays that do not go together: {dtypes}") from error

    def _check_lengths(self, lengths: Sequence[int], path: str) -> None:
        for piece, length in enumerate(lengths):
            wanted = len(self.split.range_of(piece))
            if length != wanted:
                raise self._misfit(piece, path, f"{length} entries for {wanted} items")

    def _check_same(self, traits: Sequence[Any], path: str, words_for: str) -> None:
        """Raise for the first piece whose output is of another kind than that of the first piece."""
        for piece, trait in enumerate(traits):
            if trait != traits[0]:
                gave, others = words_for.format(trait), words_for.format(traits[0])
                raise self._misfit(piece, path, f"{gave}, and {others} for {words(self.split, 0)}")

    def _misfit(self, piece: int, path: str, gave: str) -> ServableFailed:
        items = self.split.range_of(piece)
        return ServableFailed(
            f"{words(self.split, piece)}: {path}: the model gave {gave}; as the method declares map_axis "
            f"{self.axis}, it must give an entry for each item along that axis",
            details={"items": [items.start, items.stop]},
        )
