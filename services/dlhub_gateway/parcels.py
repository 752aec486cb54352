"""Large payloads: in pieces that are never joined in memory, the caller's own bytes where these will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from proto_msgs.blobs import BlobRef

Buffer = bytes | memoryview

ALIGNMENT = 64
_NOTHING = b"\xa0\xc4"
"""An entry of a map that nobody looks at: an empty name, and bytes whose number follows."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A payload in pieces."""

    pieces: tuple[Buffer, ...]

    def __len__(self) -> int:
        return sum(len(piece) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Kept(Parcel):
    """A large payload that lies in the blob store already, with nothing of it here."""

    blob: BlobRef

    def __len__(self) -> int:
        return self.blob.size_bytes


Payload = bytes | Parcel


def joined(payload: Payload) -> bytes:
    """All of it as one, of what is here."""
    if isinstance(payload, Kept):
        raise TypeError("the payload is in the blob store, and not to be brought into memory")
    return payload if isinstance(payload, bytes) else b"".join(payload.pieces)


class Came(NamedTuple):
    """Inputs as a caller sent them."""

    value: Any
    packed: memoryview
    elements: int | None
    """Where in them the elements of the first large array begin."""

    def behind(self, parameters: bytes) -> Parcel:
        """A payload of these inputs, after `parameters`, which were packed before.

        A replica may map it from a file: the elements of the array then lie where a model wants them.
        """
        if self.elements is None:
            return Parcel((parameters, self.packed))
        before = len(parameters) + len(_NOTHING) + 1 + self.elements
        padding = bytes(-before % ALIGNMENT)
        entry = _NOTHING + bytes((len(padding),)) + padding
        head = bytes((parameters[0] + 1,)) + entry + parameters[1:]
        return Parcel((head, self.packed))

    def is_still(self, checked: Any) -> bool:
        """Whether checking has changed nothing: packed again, they would mean the same."""
        return _same(self.value, checked)


def _same(before: Any, after: Any) -> bool:
    if before is after:
        return True
    if isinstance(before, dict) and isinstance(after, dict):
        return list(before) == list(after) and all(_same(value, after[key]) for key, value in before.items())
    if isinstance(before, list) and isinstance(after, list | tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    return False
