"""Image files and arrays, through Pillow, which is only imported when a picture comes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from dlhub_types.arrays import Array
from dlhub_types.pictures import NotAPicture, pages, pixels
from dlhub_types.unreadable import unreadable
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch, TooLarge

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

TIFF = "image/tiff"
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", TIFF: "TIFF"}
MAX_PIXELS = 64 * 1024 * 1024
_AS_THEY_ARE = frozenset(("L", "LA", "RGB", "RGBA", "F", "I;16", "I;16L", "I;16B", "I;16N"))
_CONVERTED = {"1": "L", "CMYK": "RGB", "YCbCr": "RGB", "RGBX": "RGB"}


class PillowMissing(ImportError):
    """Pictures need Pillow."""

    def __init__(self) -> None:
        super().__init__("pictures need the package Pillow, which is not installed here: pip install pillow")


def read(file: BinaryIO, kind: str, path: str = "inputs", *, max_pixels: int = MAX_PIXELS) -> Array:
    """The picture in a file of this media type; the frames of a TIFF are stacked.

    Raises TooLarge before anything that is too large is unpacked, and InputMismatch for what is no such file.
    """
    image = _pillow()
    try:
        with image.open(file, formats=(FORMATS[kind],)) as picture:
            frames = _frames(picture, kind, path, max_pixels)
    except (image.DecompressionBombError, image.DecompressionBombWarning) as error:
        raise _too_large(path, max_pixels) from error
    except (InputMismatch, TooLarge):
        raise
    except Exception as error:  # of a broken file Pillow's readers raise whatever comes
        why = f"it cannot be read as one: {error or type(error).__name__}"
        raise unreadable(path, f"a picture of type {kind}", why) from error
    if len({frame.shape for frame in frames}) > 1:
        raise unreadable(path, "a stack of pictures of one size", "those of this file differ")
    return frames[0] if len(frames) == 1 else np.stack(frames)


def of_array(array: Array, kind: str, declared: Argument | None = None) -> bytes:
    """An image file that shows an array; of a stack of pictures a TIFF with a page for each.

    Floats of one channel stay as they are in a TIFF. Raises NotAPicture when the format cannot hold it.
    """
    if kind != TIFF:
        return write(pixels(array, declared), kind)
    first, *further = pages(array, declared, floats=True)
    return write(first, kind, further)


def write(pixels: Array, kind: str, further: Sequence[Array] = ()) -> bytes:
    """An image file; a TIFF may have further pages. Raises NotAPicture for what the format cannot hold."""
    image = _pillow()
    sixteen, channels = pixels.dtype == np.uint16, pixels.shape[2] if pixels.ndim > 2 else 1
    if sixteen and (channels > 1 or kind == "image/jpeg"):
        what = "colours of 16 bits" if channels > 1 else "16 bits"
        raise NotAPicture(f"{kind} is written without {what}: give 8 bits, or take the array itself as .npy")
    if kind == "image/jpeg" and channels == 4:
        raise NotAPicture("a JPEG file holds no alpha channel: ask for image/png")
    file = io.BytesIO()
    options: dict[str, Any] = {}
    if kind == TIFF:
        more = [image.fromarray(page) for page in further]
        options = {"compression": "tiff_deflate", "save_all": True, "append_images": more}
    image.fromarray(pixels).save(file, FORMATS[kind], **options)
    return file.getvalue()


def to_array(picture: Any, path: str = "inputs") -> Array:
    """The values of one open picture, an object of Pillow's. Raises InputMismatch for odd pixels."""
    mode = picture.mode
    if mode in ("P", "PA"):
        picture = picture.convert("RGBA" if mode == "PA" or "transparency" in picture.info else "RGB")
    elif mode in _CONVERTED:
        picture = picture.convert(_CONVERTED[mode])
    elif mode == "I":
        return _from_32_bits(np.asarray(picture))
    elif mode not in _AS_THEY_ARE:
        raise unreadable(path, "a picture in grey or colours", f"its pixels are of Pillow's mode {mode!r}")
    array = np.array(picture)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _frames(picture: Picture, kind: str, path: str, max_pixels: int) -> list[Array]:
    from PIL import ImageOps

    frames: list[Array] = []
    left = max_pixels
    while True:
        left -= picture.width * picture.height
        if left < 0:
            raise _too_large(path, max_pixels)
        _check_depth(picture, path)
        frames.append(to_array(ImageOps.exif_transpose(picture), path))
        if kind != TIFF:
            return frames
        try:
            picture.seek(len(frames))
        except EOFError:
            return frames


def _check_depth(picture: Picture, path: str) -> None:
    """Pillow has no colours of 16 bits: it would drop half of each."""
    tiles = getattr(picture, "tile", None)  # pictures from files have them
    stored = tiles[0].args if tiles else ""
    stored = str(stored[0] if isinstance(stored, tuple) and stored else stored)
    if ";16" in stored and not picture.mode.startswith("I;16"):
        why = "its colours have 16 bits, of which half would be lost: convert it, or send the array as .npy"
        raise unreadable(path, "a picture with colours of 8 bits", why)


def _from_32_bits(array: Array) -> Array:
    """Pillow reads 16 bits of some files as 32."""
    fits = array.size and array.min() >= 0 and array.max() <= 65535
    return array.astype("u2") if fits else array


def _too_large(path: str, max_pixels: int) -> TooLarge:
    return TooLarge(f"{path}: the picture has more than {max_pixels:,} pixels, frames counted together")


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise PillowMissing from error
    return Image
