"""Contents by media type: which there are, how to tell one, and the array that one holds."""

from __future__ import annotations

import io
from pathlib import PurePath

from dlhub_types import csv_tables, npy, picture_files, pictures
from dlhub_types.arrays import Array
from dlhub_types.file_kinds import BYTES, HEAD_BYTES, JPEG, NPY, PNG, TIFF, kind_of, named
from proto_msgs.arguments import Argument

__all__ = [
    "BYTES", "CSV", "JPEG", "NPY", "OF_ARRAYS", "PICTURES", "PNG", "TIFF", "array_in", "named", "recognised",
]  # fmt: skip

CSV = "text/csv"
PICTURES = (PNG, JPEG, TIFF)
OF_ARRAYS = (*PICTURES, NPY, CSV)
"""What an array can be sent as."""

_BY_SUFFIX = {
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".npy": NPY,
    ".csv": CSV,
}


def recognised(data: bytes, filename: str | None = None) -> str:
    """What a content is by its first bytes, else by its name; BYTES when neither tells."""
    kind = kind_of(data[:HEAD_BYTES])
    if kind != BYTES:
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
