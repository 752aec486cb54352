"""Image files, as Pillow reads and writes them."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlhub_types.arrays import Array
from dlhub_types.picture_files import FORMATS, PillowMissing, of_array, read, write
from dlhub_types.pictures import NotAPicture
from proto_msgs.errors import InputMismatch, TooLarge

GREY = np.arange(6, dtype="u1").reshape(2, 3)
COLOURS = np.arange(18, dtype="u1").reshape(2, 3, 3)
ALPHA = np.arange(24, dtype="u1").reshape(2, 3, 4)


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> io.BytesIO:
    """A PNG file made by hand, for what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("kind", ["image/png", "image/tiff"])
@pytest.mark.parametrize("pixels", [GREY, COLOURS, ALPHA, GREY.astype("u2") * 9999])
def test_pixels_come_back_as_they_were(kind: str, pixels: Array) -> None:
    found = read(io.BytesIO(write(pixels, kind)), kind)

    assert found.dtype == pixels.dtype
    assert found.tolist() == pixels.tolist()


def test_a_tiff_holds_floats() -> None:
    pixels = np.array([[-1.5, np.inf]], "f4")
    assert read(io.BytesIO(write(pixels, "image/tiff")), "image/tiff").tolist() == pixels.tolist()


def test_a_jpeg_is_nearly_the_same() -> None:
    pixels = np.full((8, 8, 3), 100, "u1")
    assert np.abs(read(io.BytesIO(write(pixels, "image/jpeg")), "image/jpeg").astype("i4") - 100).max() <= 2


@pytest.mark.parametrize(
    ("pixels", "kind", "complaint"),
    [
        (COLOURS.astype("u2"), "image/png", "colours of 16 bits"),
        (GREY.astype("u2"), "image/jpeg", "16 bits"),
        (ALPHA, "image/jpeg", "alpha"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(pixels: Array, kind: str, complaint: str) -> None:
    with pytest.raises(NotAPicture, match=complaint):
        write(pixels, kind)


def test_the_frames_of_a_tiff_are_stacked() -> None:
    frames = [Image.fromarray(GREY + step) for step in range(3)]
    file = file_of(frames[0], "TIFF", save_all=True, append_images=frames[1:])

    assert read(file, "image/tiff").tolist() == [(GREY + step).tolist() for step in range(3)]


def test_a_stack_of_pictures_is_a_tiff_with_pages() -> None:
    stack = np.linspace(0, 1, 24, dtype="f4").reshape(4, 2, 3, 1)
    assert read(io.BytesIO(of_array(stack, "image/tiff")), "image/tiff").tolist() == stack[..., 0].tolist()


def test_a_stack_is_no_png() -> None:
    with pytest.raises(NotAPicture, match="TIFF takes a stack"):
        of_array(np.zeros((4, 2, 3, 1)), "image/png")


def test_frames_that_differ_are_refused() -> None:
    file = file_of(Image.new("L", (2, 2)), "TIFF", save_all=True, append_images=[Image.new("L", (3, 3))])

    with pytest.raises(InputMismatch, match="one size"):
        read(file, "image/tiff")


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("1", (1, 1), 1), [[255]]),
        (Image.new("RGB", (1, 1), (1, 2, 3)).quantize(2), [[[1, 2, 3]]]),
        (Image.new("LA", (1, 1), (5, 9)), [[[5, 9]]]),
    ],
)
def test_other_pixels_are_told_in_grey_or_colours(picture: Image.Image, expected: Any) -> None:
    assert read(file_of(picture), "image/png").tolist() == expected


def test_a_photograph_is_turned_as_it_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = file_of(Image.new("RGB", (4, 2)), "JPEG", exif=exif)

    assert read(file, "image/jpeg").shape == (4, 2, 3)


def test_16_bits_of_grey_are_kept() -> None:
    assert read(png(1, 1, 16, 0, b"\0\x12\x34"), "image/png").tolist() == [[0x1234]]


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_colours_of_16_bits_are_not_halved(colour: int, channels: int) -> None:
    with pytest.raises(InputMismatch, match="16 bits"):
        read(png(1, 1, 16, colour, b"\0" + b"\x12\x34" * channels), "image/png")


@pytest.mark.parametrize("size", [(11, 1), (60_000, 60_000), (12_000, 12_000)])
def test_a_bomb_is_refused_before_it_goes_off(size: tuple[int, int]) -> None:
    with pytest.raises(TooLarge, match="more than 10 pixels"):
        read(png(*size, 8, 0, b""), "image/png", max_pixels=10)


def test_frames_count_together() -> None:
    file = file_of(Image.new("L", (2, 2)), "TIFF", save_all=True, append_images=[Image.new("L", (2, 2))] * 2)

    with pytest.raises(TooLarge):
        read(file, "image/tiff", max_pixels=11)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", write(GREY, "image/png")[:40]])
def test_a_broken_or_foreign_file_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.picture: a picture of type {kind} was expected"):
        read(io.BytesIO(data), kind, "inputs.picture")


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(PillowMissing, match="pip install pillow"):
        read(io.BytesIO(), "image/png")
