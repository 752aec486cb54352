"""Media types that the hub reads and writes, and how to tell one from a name or from the first bytes."""

from __future__ import annotations

from pathlib import PurePath

from dlhub_types.npy import MAGIC

PNG, JPEG, TIFF = "image/png", "image/jpeg", "image/tiff"
NPY, CSV, BYTES = "application/x-npy", "text/csv", "application/octet-stream"
PICTURES = (PNG, JPEG, TIFF)
OF_ARRAYS = (*PICTURES, NPY, CSV)
"""What an array can be sent as."""

_ALIASES = {
    "image/jpg": JPEG,
    "image/pjpeg": JPEG,
    "image/x-png": PNG,
    "image/tif": TIFF,
    "application/npy": NPY,
    "application/x-numpy": NPY,
    "application/vnd.numpy.npy": NPY,
    "application/csv": CSV,
    "text/x-csv": CSV,
}
_BY_SUFFIX = {
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".npy": NPY,
    ".csv": CSV,
}
_BY_BEGINNING = {
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": JPEG,
    b"II*\x00": TIFF,
    b"MM\x00*": TIFF,
    b"II+\x00": TIFF,
    b"MM\x00+": TIFF,
    MAGIC: NPY,
}


def named(content_type: str | None) -> str:
    """The media type in a header `Content-Type`, by its usual name; nothing said means bytes."""
    name = (content_type or "").partition(";")[0].strip().lower()
    return _ALIASES.get(name, name) or BYTES


def recognised(data: bytes, filename: str | None = None) -> str:
    """What a content is by its first bytes, else by its name; BYTES when neither tells."""
    for beginning, kind in _BY_BEGINNING.items():
        if data.startswith(beginning):
            return kind
    return _BY_SUFFIX.get(PurePath(filename).suffix.lower(), BYTES) if filename else BYTES
