"""Contents as the arrays that are declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlhub_gateway.http_errors import UnsupportedType
from dlhub_gateway.media.reading import Content, array_of, check_file_type
from dlhub_types import npy, picture_files
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch, TooLarge

PIXELS = np.arange(20, dtype="u1").reshape(4, 5)
PNG = picture_files.write(PIXELS, "image/png")
CSV = b"\n".join(b",".join(b"%d" % n for n in row) for row in PIXELS)
ARRAY = Argument(type="ndarray", dtype="uint8")


@pytest.mark.parametrize(
    ("data", "kind", "filename"),
    [
        (PNG, "image/png", None),
        (PNG, "application/octet-stream", None),
        (npy.write(PIXELS), "application/x-npy", None),
        (npy.write(PIXELS), "application/octet-stream", "x.npy"),
        (CSV, "text/csv", None),
        (
            CSV,
            "application/octet-stream",
            "x.csv",
        ),
    ],
)
def test_every_form_is_read(data: bytes, kind: str, filename: str | None) -> None:
    assert array_of(Content(data, kind, filename), ARRAY, "inputs", 100).tolist() == PIXELS.tolist()


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/webp", "text/plain"])
def test_an_unknown_form_says_what_to_send(kind: str) -> None:
    with pytest.raises(UnsupportedType, match=r"inputs.x: .*ndarray of uint8.*image/png, .*text/csv"):
        array_of(Content(b"?", kind), ARRAY, "inputs.x", 100)


def test_limits_and_layouts_hold() -> None:
    with pytest.raises(TooLarge):
        array_of(Content(PNG, "image/png"), ARRAY, "inputs", 19)
    with pytest.raises(InputMismatch):
        array_of(Content(PNG, "image/png"), Argument(type="ndarray", shape=(1,), dtype="u1"), "inputs", 100)


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("image/png", None),
        ("image/png", ["image/png"]),
        ("image/png", ["IMAGE/PNG"]),
        ("image/png", ["image/*"]),
        ("application/octet-stream", ["image/png"]),
    ],
)
def test_files_of_declared_types_pass(kind: str, types: Any) -> None:
    check_file_type(kind, Argument(type="file", file_types=types), "inputs")


def test_a_file_of_another_type_is_refused() -> None:
    with pytest.raises(InputMismatch, match=r"inputs: a file of type text/csv came, .* image/png is wanted"):
        check_file_type("text/csv", Argument(type="file", file_types=("image/png",)), "inputs")
