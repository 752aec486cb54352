"""Pictures as arrays: into the layout that a method declares, and from a method's output to pixels.

A picture is [height, width] or [height, width, channels], as image files have it. Whatever would lose
something without a word is refused: colours are never mixed to grey, and an alpha channel only goes where it
says nothing. Values stay as they are in the file, 0 to 255 or 65535, unless an array of floats is declared
with a minimum and a maximum: then the darkest value becomes the one and the brightest the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlhub_types.arrays import Array
from dlhub_types.mismatch import mismatch
from proto_msgs.arguments import Argument

CHANNELS = (1, 3, 4)
"""Grey, colours, colours with alpha."""
_ROUNDING = 1e-6
"""A part of the range by which floats may lie beside it: sigmoids and means round."""


class NotAPicture(ValueError):
    """An array that cannot be shown; the text says why and what to do."""


# --- pictures to inputs ---


def fitted(picture: Array, declared: Argument, path: str = "inputs") -> Array:
    """A picture, or a stack of them, in the declared layout. Raises InputMismatch.

    Channels may come last or first, and an axis in front of them is a batch: one picture is a batch of one.
    """
    shape = declared.shape
    if shape is None:
        return _scaled(picture, declared)
    rank, channels_at = len(shape), _channel_axis(shape, picture)
    if channels_at is None:
        planes = _with_channels(picture, 1, declared, path) if picture.ndim > 2 and rank == 2 else picture
        planes = planes[..., 0] if planes.ndim > max(rank, 2) and planes.shape[-1] == 1 else planes
    else:
        wanted = shape[channels_at]
        planes = _with_channels(picture, wanted if isinstance(wanted, int) else None, declared, path)
        if channels_at != rank - 1:
            planes = np.moveaxis(planes, -1, -3)
    if planes.ndim == rank - 1:
        planes = planes[np.newaxis]
    if planes.ndim != rank:
        raise mismatch(path, declared, picture, _described(picture))
    return _scaled(np.ascontiguousarray(planes), declared)


def _channel_axis(shape: tuple[int | str | None, ...], picture: Array) -> int | None:
    """Which of the declared axes holds the channels; None: there is none."""
    rank = len(shape)
    if rank < 3:
        return None
    if shape[-1] in CHANNELS:
        return rank - 1
    if shape[-3] in CHANNELS and (rank > 3 or shape[0] != 1):
        return rank - 3
    colours = picture.ndim > 2 and picture.shape[-1] in CHANNELS
    return rank - 1 if rank > 3 or (colours and not isinstance(shape[-1], int)) else None


def _with_channels(picture: Array, wanted: int | None, declared: Argument, path: str) -> Array:
    """The picture with an axis of channels, as many as are wanted."""
    planes = picture if _has_channels(picture) else picture[..., np.newaxis]
    if wanted is None or planes.shape[-1] == wanted:
        return planes
    colour, alpha = _parted(planes)
    if wanted == 4 and alpha is None:
        alpha = np.full_like(colour[..., :1], _brightest(colour))
    elif wanted < 4 and alpha is not None:
        if (alpha != _brightest(alpha)).any():
            raise mismatch(path, declared, picture, f"{_described(picture)} that is transparent in places")
        alpha = None
    if wanted == 1 and colour.shape[-1] > 1:
        if (colour != colour[..., :1]).any():
            raise mismatch(path, declared, picture, f"{_described(picture)} with colours")
        colour = colour[..., :1]
    if wanted >= 3 and colour.shape[-1] == 1:
        colour = np.repeat(colour, 3, axis=-1)
    return colour if alpha is None else np.concatenate((colour, alpha), axis=-1)


def _has_channels(picture: Array) -> bool:
    return picture.ndim > 2 and picture.shape[-1] in (1, 2, 3, 4)


def _parted(planes: Array) -> tuple[Array, Array | None]:
    """Colours, and alpha if there is one."""
    if planes.shape[-1] in (2, 4):
        return planes[..., :-1], planes[..., -1:]
    return planes, None


def _brightest(array: Array) -> int | float:
    return int(np.iinfo(array.dtype).max) if array.dtype.kind in "iu" else 1.0


def _scaled(picture: Array, declared: Argument) -> Array:
    """Integers of a file on the declared range of floats, if one is declared."""
    low, high = declared.minimum, declared.maximum
    if low is None or high is None or picture.dtype.kind != "u" or not _declares_floats(declared):
        return picture
    return low + picture.astype("f8") * ((high - low) / _brightest(picture))


def _declares_floats(declared: Argument) -> bool:
    if declared.dtype is not None:
        return np.dtype(declared.dtype).kind == "f"
    return declared.item_type is not None and declared.item_type.type == "float"


def _described(picture: Array) -> str:
    height, width, *channels = picture.shape[-3:] if _has_channels(picture) else picture.shape[-2:]
    frames = picture.shape[: picture.ndim - 2 - len(channels)]
    what = f"{' x '.join(map(str, frames))} pictures" if frames else "a picture"
    return f"{what} of {width} x {height} pixels and {channels[0] if channels else 1} channels"


# --- outputs to pixels ---


def pixels(array: Array, declared: Argument | None = None, *, floats: bool = False) -> Array:
    """What an image file holds of an array: [height, width] or [height, width, 3 or 4]. Raises NotAPicture.

    Booleans become black and white, integers 8 or 16 bits as they fit, floats 8 bits by their declared
    minimum and maximum, or 0 and 1 where none are declared. floats: leave those of one channel as they are.
    """
    plane = _layout(array)
    kind = plane.dtype.kind
    if kind == "b":
        return plane.astype("u1") * np.uint8(255)
    if kind in "iu":
        return _integers(plane)
    if kind != "f":
        raise NotAPicture(
            f"an array of {plane.dtype} is no picture: booleans, integers or floats can be shown"
        )
    return plane.astype("f4") if floats and plane.ndim == 2 else _eight_bits(plane, declared)


def pages(array: Array, declared: Argument | None = None, *, floats: bool = False) -> list[Array]:
    """What the pages of a TIFF file hold: one for each of a stack of pictures, else one. Raises NotAPicture.

    A stack has an axis of channels, last or behind the first: without one it might be a picture in colours.
    """
    if not _is_stack(array):
        return [pixels(array, declared, floats=floats)]
    stack = array if array.shape[-1] in CHANNELS else np.moveaxis(array, 1, -1)
    count, height, width, channels = stack.shape
    # As one tall picture: all pages get the same kind of values.
    tall = pixels(stack.reshape(count * height, width, channels), declared, floats=floats)
    return list(tall.reshape(count, height, *tall.shape[1:]))


def _is_stack(array: Array) -> bool:
    has_channels = array.ndim == 4 and (array.shape[-1] in CHANNELS or array.shape[1] in CHANNELS)
    return has_channels and array.shape[0] > 1


def _layout(array: Array) -> Array:
    plane = array
    while plane.ndim > 2 and plane.shape[0] == 1:
        plane = plane[0]
    if plane.ndim == 3 and plane.shape[-1] not in CHANNELS and plane.shape[0] in CHANNELS:
        plane = np.moveaxis(plane, 0, -1)
    if plane.ndim == 3 and plane.shape[-1] == 1:
        plane = plane[..., 0]
    if plane.ndim == 2 or (plane.ndim == 3 and plane.shape[-1] in CHANNELS):
        if plane.size:
            return np.ascontiguousarray(plane)
        raise NotAPicture(f"an array of shape {list(array.shape)} has no pixels")
    advice = "; TIFF takes a stack, with a page for each" if _is_stack(array) else ""
    raise NotAPicture(
        f"an array of shape {list(array.shape)} is no picture: [height, width], [height, width, 3] or "
        f"[height, width, 4] can be shown{advice}"
    )


def _integers(plane: Array) -> Array:
    low, high = int(plane.min()), int(plane.max())
    if plane.dtype in (np.uint8, np.uint16):
        return plane
    if low < 0 or high > 65535:
        raise NotAPicture(f"integers from 0 to 65535 can be shown; the array goes from {low} to {high}")
    return plane.astype("u1" if high <= 255 else "u2")


def _eight_bits(plane: Array, declared: Argument | None) -> Array:
    low, high = _range_of(declared)
    smallest, largest = float(plane.min()), float(plane.max())
    slack = (high - low) * _ROUNDING
    if not (smallest >= low - slack and largest <= high + slack):  # NaN included
        raise NotAPicture(
            f"floats from {low:g} to {high:g} can be shown; the array goes from {smallest:g} to {largest:g}: "
            "declare minimum and maximum of the output, give uint8 or uint16, or take the array as .npy"
        )
    shown: Array = np.rint((plane.astype("f8") - low) * (255 / (high - low))).clip(0, 255).astype("u1")
    return shown


def _range_of(declared: Argument | None) -> tuple[float, float]:
    low: Any = declared.minimum if declared else None
    high: Any = declared.maximum if declared else None
    if low is None or high is None or low == high:
        return 0.0, 1.0
    return float(low), float(high)
