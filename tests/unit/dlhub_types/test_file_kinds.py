"""What files are by their first bytes, and which of them a declaration lets pass."""

from __future__ import annotations

import base64
import io
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dlhub_types import compile_argument
from dlhub_types.file_kinds import complaint, covers, kind_of, named
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch


def picture(form: str, **options: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, form, **options)
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("x", "y")
    return file.getvalue()


def data_set() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["x"] = [1, 2]
    return file.getvalue()


FILES = {
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG"),
    "image/tiff": picture("TIFF"),
    "image/gif": picture("GIF"),
    "application/x-npy": array(),
    "application/pdf": picture("PDF"),
    "application/zip": archive(),
    "application/x-hdf5": data_set(),
    "application/octet-stream": b"data_NaCl\n_cell_length_a 5.64\n",
}
CIF = FILES["application/octet-stream"]


@pytest.mark.parametrize(("kind", "content"), FILES.items())
def test_a_file_is_known_by_its_first_bytes(kind: str, content: bytes) -> None:
    assert kind_of(content[:16]) == kind
    assert complaint(content[:16], (kind,)) is None


@pytest.mark.parametrize(
    ("allowed", "content"),
    [
        ("image/*", FILES["image/gif"]),
        ("*/*", FILES["image/gif"]),
        ("image/jpg", FILES["image/jpeg"]),
        ("application/hdf5", FILES["application/x-hdf5"]),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", FILES["application/zip"]),
        ("application/x-netcdf", FILES["application/x-hdf5"]),
        ("image/x-adobe-dng", FILES["image/tiff"]),
        ("chemical/x-cif", CIF),
        ("application/pdf", b"a line before\n%PDF-1.7"),
        ("application/zip", b"#!/bin/sh of an archive that unpacks itself"),
        ("application/octet-stream", FILES["image/png"]),
    ],
)
def test_what_may_be_of_a_declared_type_passes(allowed: str, content: bytes) -> None:
    assert complaint(content[:16], (allowed,)) is None


@pytest.mark.parametrize(
    ("allowed", "content", "words"),
    [
        (("image/png", "image/tiff"), FILES["image/gif"], "a content of type image/gif"),
        (("chemical/x-cif",), FILES["application/pdf"], "a content of type application/pdf"),
        (("image/png",), FILES["application/zip"], "a content of type application/zip"),
        (("image/png",), CIF, "a content that begins with b'data_NaC'"),
        (("image/png",), b"", "a content that begins with b''"),
        (("application/x-npy",), FILES["application/x-hdf5"], "a content of type application/x-hdf5"),
    ],
)
def test_what_cannot_be_is_told(allowed: tuple[str, ...], content: bytes, words: str) -> None:
    assert complaint(content[:16], allowed) == words


def test_names_of_one_type_are_one() -> None:
    assert named("image/JPG; q=1") == "image/jpeg"
    assert named(None) == named("binary/octet-stream") == "application/octet-stream"
    assert covers(("Image/Tif",), "image/tiff")
    assert not covers(("image/*",), "application/pdf")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_in_an_input_is_looked_at(as_json: bool) -> None:
    scan = {"type": "file", "file_types": ["image/png", "image/tiff"]}
    checker = compile_argument(Argument.model_validate({"type": "dict", "properties": {"scan": scan}}))

    def checked(content: bytes) -> object:
        if as_json:
            return checker.from_json({"scan": base64.b64encode(content).decode()})
        return checker.check({"scan": content})

    assert checked(FILES["image/png"]) == {"scan": FILES["image/png"]}
    with pytest.raises(InputMismatch) as caught:
        checked(FILES["application/pdf"])
    assert caught.value.message == (
        "inputs['scan']: a content of type application/pdf came, where a file of type image/png or "
        "image/tiff is wanted: convert it, or send another"
    )
    assert caught.value.details["allowed"] == ["image/png", "image/tiff"]
