"""The index of TensorFlow's variables: names, shapes and kinds, in the table format of LevelDB.

Source: `table_format.txt` of LevelDB (TensorFlow's differs in nothing that matters here: its bundles are not
compressed) and `tensor_bundle.proto`. The numbers themselves lie in other files, which are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlhub_client.describe.readers.bounded import mapped
from dlhub_client.describe.readers.problems import too_much, truncated, unreadable
from dlhub_client.describe.readers.protobuf import Message, WireError, varint
from dlhub_client.describe.readers.tf_types import DTYPES

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_MAX_ENTRIES = 1_000_000
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True)
class Variable:
    """One array of the checkpoint."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    shard: int = 0
    end: int = 0
    """Where its numbers end in the file of its shard."""

    @property
    def label(self) -> str:
        """The name without what the checkpoint adds to it."""
        return self.name.removesuffix(_SUFFIX)


def read_index(path: Path) -> list[Variable]:
    """The variables in the order of their names. Raises DescribeError."""
    view = mapped(path) if path.stat().st_size else memoryview(b"")
    if len(view) < _FOOTER or bytes(view[-8:]) != _MAGIC:
        raise truncated(path, "an index of TensorFlow's variables")
    try:
        entries = list(_entries(view, path))
        found = [_variable(key, value) for key, value in entries]
        shards = next((Message(value).integer(1) for key, value in entries if not key), 1)
    except (WireError, UnicodeDecodeError) as error:
        raise unreadable(path, "an index of TensorFlow's variables", str(error)) from error
    variables = [one for one in found if one is not None]
    _check_data(path, variables, shards)
    return variables


def _check_data(path: Path, variables: list[Variable], shards: int) -> None:
    """Raises DescribeError unless the files beside the index are long enough for all that it names."""
    ends: dict[int, int] = {}
    for one in variables:
        ends[one.shard] = max(ends.get(one.shard, 0), one.end)
    for shard, end in ends.items():
        data = path.with_name(f"{path.stem}.data-{shard:05}-of-{shards:05}")
        if not data.is_file():
            raise unreadable(path, f"the variables beside it, in {data.name}", "no such file")
        if data.stat().st_size < end:
            raise truncated(data, f"{end} bytes of variables")


def _variable(key: bytes, value: memoryview) -> Variable | None:
    """A numeric variable; None for the header, texts and the graph of objects."""
    if not key:
        return None
    entry = Message(value)
    dtype = DTYPES.get(entry.integer(1))
    if dtype is None or dtype == "str":
        return None
    shape = entry.message(2)
    lengths = [dimension.integer(1) for dimension in shape.messages(2)] if shape else []
    end = entry.integer(4) + entry.integer(5)
    return Variable(key.decode(), tuple(lengths), dtype, entry.integer(3), end)


def _entries(view: memoryview, path: Path) -> Iterator[tuple[bytes, memoryview]]:
    footer = view[-_FOOTER:]
    at = 0
    for _ in range(2):  # where the block about the blocks lies; it is not needed
        _, at = varint(footer, at)
    start, at = varint(footer, at)
    size, _ = varint(footer, at)
    count = 0
    for _, handle in _block(view, start, size):
        block_start, next_at = varint(handle, 0)
        block_size, _ = varint(handle, next_at)
        for entry in _block(view, block_start, block_size):
            yield entry
            count += 1
            if count > _MAX_ENTRIES:
                raise too_much(path, f"an index of more than {_MAX_ENTRIES} variables", f"{_MAX_ENTRIES}")


def _block(view: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values; each key says how much of the one before it shares."""
    if start + size + 1 > len(view) or size < 4:
        raise WireError("a block that lies outside the file")
    if view[start + size] != 0:
        raise WireError("a compressed block, which TensorFlow does not write")
    block = view[start : start + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise WireError("a block that is shorter than its own table")
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise WireError("an entry that lies outside its block")
        key = key[:shared] + bytes(block[at : at + own])
        yield key, block[at + own : at + own + length]
        at += own + length
