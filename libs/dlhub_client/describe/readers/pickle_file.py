"""Pickles and joblib files, read without unpickling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dlhub_client.describe.readers.bounded import existing_file, start_of
from dlhub_client.describe.readers.pickle_machine import Machine, PickleError
from dlhub_client.describe.readers.pickle_source import Source, compression_of, source_of
from dlhub_client.describe.readers.pickle_values import (
    ARRAY_BYTES,
    Array,
    Global,
    Made,
    array_items,
    as_array,
    class_of,
    dtype_of,
    state_of,
)
from dlhub_client.describe.readers.problems import DescribeError, truncated, unreadable
from dlhub_client.describe.readers.suspicious import suspicious_names

_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_MAX_NESTED = 20_000


@dataclass(frozen=True)
class Pickled:
    """What a pickle would give, and the names that it refers to."""

    value: Any
    names: tuple[Global, ...]
    by_joblib: bool = False

    @property
    def suspicious(self) -> tuple[str, ...]:
        return suspicious_names(self.names)

    @property
    def modules(self) -> tuple[str, ...]:
        """Top-level modules of the names."""
        return tuple(sorted({one.module.partition(".")[0] for one in self.names}))


def read_pickle(path: str | Path) -> Pickled:
    """The pickle in a file, plain, compressed or by joblib. Raises DescribeError."""
    file = existing_file(path)
    with file.open("rb") as stream:
        pickled = pickle_in(source_of(stream, file), file)
    if compression_of(start_of(file)) is not None:
        return Pickled(pickled.value, pickled.names, by_joblib=True)
    return pickled


def read_pickle_stream(stream: BinaryIO, path: Path) -> Pickled:
    """A pickle inside something else."""
    return pickle_in(Source(stream, path), path)


def pickle_in(source: Source, path: Path) -> Pickled:
    """The next pickle of a source. `path` is for messages."""
    reader = _Reader(path)
    value = reader.read(source)
    return Pickled(value, tuple(reader.names), by_joblib=_WRAPPER in reader.names)


class _Reader:
    """Reads a pickle, with the arrays that joblib puts between its instructions."""

    def __init__(self, path: Path) -> None:
        self.names: dict[Global, None] = {}
        self._path = path
        self._nested = 0

    def read(self, source: Source) -> Any:
        machine = Machine(self._built)
        start = source.tell()
        try:
            return machine.run(source)
        except DescribeError:
            raise
        except (ValueError, OverflowError, RecursionError) as error:
            raise self._refusal(error, source, start) from error
        finally:
            self.names.update(machine.globals_used)

    def _refusal(self, error: Exception, source: Source, start: int) -> DescribeError:
        text = str(error)
        if any(word in text for word in ("exhausted", "not enough data", "only", "remain", "no newline")):
            return truncated(self._path, "a pickle")
        found = f"{text} after {source.tell() - start} bytes"
        advice = "Is it of another kind? `describe.look(path)` tells what it looks like."
        if isinstance(error, PickleError):
            return unreadable(self._path, "a pickle", found, advice)
        return unreadable(self._path, "a pickle", f"something that is not a pickle ({found})", advice)

    def _built(self, made: Made, source: Source) -> Any:
        if class_of(made) != _WRAPPER:
            return made
        state = state_of(made)
        kind, shape = dtype_of(state.get("dtype")), state.get("shape")
        if kind is None or not isinstance(shape, tuple) or not all(type(one) is int for one in shape):
            raise PickleError("an array of joblib without a kind or a shape")
        if kind.lstrip("<>|=").startswith("O"):
            return self._objects(source, shape)
        if state.get("numpy_array_alignment_bytes") is not None:
            source.skip(int.from_bytes(source.read(1), "little"))
        return _array(kind, shape, source)

    def _objects(self, source: Source, shape: tuple[int, ...]) -> Any:
        """An array of Python objects: joblib writes it as a pickle of its own."""
        self._nested += 1
        if self._nested > _MAX_NESTED:
            raise PickleError("more pickles inside a pickle than a model needs")
        inner = as_array(self.read(source))
        return inner if inner is not None else Array("|O8", shape, None)


def _array(kind: str, shape: tuple[int, ...], source: Source) -> Array:
    size = _item_bytes(kind) * math.prod(shape)
    if size <= ARRAY_BYTES:
        content = source.read(size)
        if len(content) < size:
            raise PickleError("an array that ends too early: not enough data")
        return Array(kind, shape, content)
    if source.skip(size) < size:
        raise PickleError("an array that ends too early: not enough data")
    return Array(kind, shape, None)


def _item_bytes(kind: str) -> int:
    import numpy as np

    try:
        return np.dtype(kind).itemsize
    except TypeError as error:
        raise PickleError(f"an array of an unknown kind {kind!r}") from error


def labels_of(value: Any) -> list[Any] | None:
    """The elements of an array of names or numbers; None when it is something else, or large."""
    array = as_array(value)
    return array_items(array) if array is not None else None
