"""Contents by media type: which there are, how to tell one, and the array that one holds."""

from __future__ import annotations

import io
from pathlib import PurePath

from dlhub_types import csv_tables, npy, picture_files, pictures
from dlhub_types.arrays import Array
from dlhub_types.npy import MAGIC
from proto_msgs.arguments import Argument

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


def array_in(
    data: bytes, kind: str, declared: Argument, path: str, max_pixels: int = picture_files.MAX_PIXELS
) -> Array | None:
    """The declared array in a content of this media type; None when that type holds no arrays.

    Raises InputMismatch for a content that is broken or does not fit, TooLarge, and PillowMissing.
    """
    if kind == NPY:
        return npy.read(data, path)
    if kind == CSV:
        return csv_tables.read(data, declared, path)
    if kind in PICTURES:
        picture = picture_files.read(io.BytesIO(data), kind, path, max_pixels=max_pixels)
        return pictures.fitted(picture, declared, path)
    return None
