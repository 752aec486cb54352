"""What a file is by its first bytes, and whether that is one of the declared media types."""

from __future__ import annotations

from collections.abc import Sequence

from dlhub_types.npy import MAGIC

PNG, JPEG, TIFF, GIF = "image/png", "image/jpeg", "image/tiff", "image/gif"
NPY, PDF, ZIP, HDF5 = "application/x-npy", "application/pdf", "application/zip", "application/x-hdf5"
BYTES = "application/octet-stream"
HEAD_BYTES = 16
"""So many bytes tell."""

_ALIASES = {
    "image/jpg": JPEG,
    "image/pjpeg": JPEG,
    "image/x-png": PNG,
    "image/tif": TIFF,
    "application/npy": NPY,
    "application/x-numpy": NPY,
    "application/vnd.numpy.npy": NPY,
    "application/x-pdf": PDF,
    "application/x-zip-compressed": ZIP,
    "application/x-zip": ZIP,
    "application/hdf5": HDF5,
    "application/x-hdf": HDF5,
    "application/vnd.hdfgroup.hdf5": HDF5,
    "application/csv": "text/csv",
    "text/x-csv": "text/csv",
    "binary/octet-stream": BYTES,
}
_BY_BEGINNING = {
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": JPEG,
    b"II*\x00": TIFF,
    b"MM\x00*": TIFF,
    b"II+\x00": TIFF,
    b"MM\x00+": TIFF,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    MAGIC: NPY,
    b"%PDF-": PDF,
    b"PK\x03\x04": ZIP,
    b"PK\x05\x06": ZIP,
    b"\x89HDF\r\n\x1a\n": HDF5,
}
_CONTAINERS = frozenset((ZIP, HDF5, TIFF))
"""Files of many other types are made of these: .docx and .npz of zip, netCDF of HDF5, raw photos of TIFF."""
_BEGIN_ALIKE = frozenset((PNG, JPEG, TIFF, GIF, NPY))
"""All files of these types begin so; the others may have something in front."""


def named(content_type: str | None) -> str:
    """The media type in a header `Content-Type`, by its usual name; nothing said means bytes."""
    name = (content_type or "").partition(";")[0].strip().lower()
    return _ALIASES.get(name, name) or BYTES


def kind_of(head: bytes) -> str:
    """The media type that a content's first bytes tell; BYTES where they tell none."""
    return next((kind for beginning, kind in _BY_BEGINNING.items() if head.startswith(beginning)), BYTES)


def covers(allowed: Sequence[str], kind: str) -> bool:
    """Whether a media type is one of these; `image/*` stands for many."""
    return any(_covers(named(one), kind) for one in allowed)


def _covers(declared: str, kind: str) -> bool:
    main, _, sub = declared.partition("/")
    return declared in (kind, "*/*", BYTES) or (sub == "*" and kind.startswith(f"{main}/"))


def complaint(head: bytes, allowed: Sequence[str]) -> str | None:
    """What a content is whose first bytes tell that it is of none of these types; None where it may be."""
    kind = kind_of(head)
    if covers(allowed, kind):
        return None
    kinds = {named(one) for one in allowed}
    if kind == BYTES:
        return f"a content that begins with {head[:8]!r}" if kinds <= _BEGIN_ALIKE else None
    may_be_inside = kind in _CONTAINERS and not kinds <= set(_BY_BEGINNING.values())
    return None if may_be_inside else f"a content of type {kind}"


def refusal(came: str, allowed: Sequence[str]) -> str:
    """What is wrong with a file, for a message that begins with its path."""
    return f"{came} came, where a file of type {' or '.join(allowed)} is wanted: convert it, or send another"
