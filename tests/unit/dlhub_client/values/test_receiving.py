"""Outputs as libraries have them, and in files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from unit.dlhub_client.fake_torch import Tensor, install

from dlhub_client.errors import Malformed
from dlhub_client.values.receiving import OutputMisfit, checked, given_as, needs_declaration
from dlhub_types import npy, picture_files
from proto_msgs.arguments import Argument

PIXELS = np.arange(30, dtype="u1").reshape(5, 6)
PNG = picture_files.write(PIXELS, "image/png")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        ({"a": [1.0]}, {"a": np.array([1.0])}),
        ([[1], [1, 2]], [np.array([1]), np.array([1, 2])]),
        (3.5, np.array(3.5)),
        (npy.write(PIXELS), PIXELS),
        (PNG, PIXELS),
    ],
)
def test_numpy_arrays(output: Any, expected: Any) -> None:
    np.testing.assert_equal(given_as(output, "numpy"), expected)


def test_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    big_endian = np.array([1.0, 2.0], ">f4")
    big_endian.flags.writeable = False

    found = given_as({"x": big_endian, "y": [1, 2]}, "torch")

    assert isinstance(found["x"], Tensor)
    assert found["x"].array.dtype.isnative
    assert found["x"].array.flags.writeable
    assert found["y"].array.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (np.array([[1.0, 2.0]]), pandas.DataFrame([[1.0, 2.0]])),
        ([[1.0, 2.0]], pandas.DataFrame([[1.0, 2.0]])),
        ({"a": [1, 2], "b": np.array([3, 4])}, pandas.DataFrame({"a": [1, 2], "b": [3, 4]})),
        ([{"a": 1}, {"a": 2}], pandas.DataFrame({"a": [1, 2]})),
        (npy.write(np.array([[1.0]])), pandas.DataFrame([[1.0]])),
    ],
)
def test_tables(output: Any, expected: Any) -> None:
    pandas.testing.assert_frame_equal(given_as(output, "pandas"), expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (np.array([1.0, 2.0]), pandas.Series([1.0, 2.0])),
        (["a", None], pandas.Series(["a", None])),
        ({"a": 1, "b": 2}, pandas.Series({"a": 1, "b": 2})),
    ],
)
def test_columns(output: Any, expected: Any) -> None:
    pandas.testing.assert_series_equal(given_as(output, "pandas"), expected)


@pytest.mark.parametrize("output", [PIXELS, PIXELS.tolist(), PNG, {"mask": PIXELS}, PIXELS / 255])
def test_pictures(output: Any) -> None:
    picture = given_as(output, "pil")
    assert isinstance(picture, Image.Image)
    assert np.asarray(picture).tolist() == PIXELS.tolist()


def test_several_pictures() -> None:
    found = given_as([PNG, PIXELS], "pil")
    assert [np.asarray(one).tolist() for one in found] == [PIXELS.tolist()] * 2


def test_pictures_are_shown_by_their_declared_range() -> None:
    declared = Argument(type="ndarray", dtype="float64", minimum=0, maximum=10)
    named = Argument(type="dict", properties={"x": declared})
    for output, about in ((np.array([[0.0, 10.0]]), declared), ({"x": np.array([[0.0, 10.0]])}, named)):
        assert np.asarray(given_as(output, "pil", about)).tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("output", "returns", "complaint"),
    [
        ("text", "numpy", "it holds of type str|type str"),
        (b"?", "numpy", "holds no array"),
        (np.array(["a"]), "torch", "tensors are of numbers"),
        (np.zeros((1, 1, 1)), "pandas", r"one or two axes, and it is an array of shape \[1, 1, 1\]"),
        ({"a": [1], "b": [1, 2]}, "pandas", "no columns of one length"),
        (None, "pandas", "it is None"),
        (np.array([[2.0]]), "pil", "floats from 0 to 1"),
        ("text", "pil", "of type str"),
        (b"?", "pil", "cannot identify"),
    ],
)
def test_what_does_not_fit_is_said_and_kept(
    monkeypatch: pytest.MonkeyPatch, output: Any, returns: str, complaint: str
) -> None:
    install(monkeypatch)
    with pytest.raises(
        OutputMisfit, match=f"The run went well.*{returns}.*({complaint}).*attribute"
    ) as caught:
        given_as(output, returns)
    assert caught.value.output is output


@pytest.mark.parametrize(
    ("output", "name", "expected"),
    [
        (PIXELS, "a.npy", npy.write(PIXELS)),
        (PIXELS, "a.png", PNG),
        ({"x": PIXELS.tolist()}, "a.PNG", PNG),
        (np.array([[1.5, 2]]), "a.csv", b"1.5,2.0\n"),
        (np.array([[-7.5]], "f4"), "a.tif", picture_files.write(np.array([[-7.5]], "f4"), "image/tiff")),
        (b"data", "a.cif", b"data"),
        (PNG, "a.png", PNG),
        (PNG, "picture", PNG),
    ],
)
def test_outputs_are_written(tmp_path: Path, output: Any, name: str, expected: bytes) -> None:
    path = given_as(output, tmp_path / name)

    assert path == tmp_path / name
    assert path.read_bytes() == expected
    assert [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("output", "name", "complaint"),
    [
        (PNG, "a.jpg", "it is a file of type image/png: choose another suffix"),
        (PIXELS, "a.xyz", "an array can be written to .npy, .png"),
        ("text", "a.npy", "of type str, no array and no file"),
        (PIXELS / 7, "a.png", "floats from 0 to 1"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, output: Any, name: str, complaint: str
) -> None:
    with pytest.raises(OutputMisfit, match=complaint):
        given_as(output, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("returns", "expected"),
    [(None, None), ("numpy", "numpy"), ("pandas", "pandas"), ("x.png", Path("x.png"))],
)
def test_wishes_are_checked(returns: Any, expected: Any) -> None:
    assert checked(returns) == expected


def test_a_folder_that_is_not_there_is_named_before_the_run(tmp_path: Path) -> None:
    for returns in (tmp_path / "no" / "x.npy", f"{tmp_path}/no/x.npy"):
        with pytest.raises(Malformed, match="there is no folder"):
            checked(returns)


def test_a_word_that_is_none_lists_those_there_are() -> None:
    with pytest.raises(Malformed, match="returns='panda': one of 'numpy', 'pandas', 'pil', 'torch'"):
        checked("panda")


@pytest.mark.parametrize(
    ("returns", "package"), [("pandas", "pandas"), ("pil", "pillow"), ("torch", "torch")]
)
def test_a_missing_library_is_named_before_the_run(
    monkeypatch: pytest.MonkeyPatch, returns: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image" if returns == "pil" else returns, None)
    with pytest.raises(Malformed, match=f"pip install {package}"):
        checked(returns)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [("pil", True), (Path("x.png"), True), (Path("x.npy"), False), ("pandas", False), (None, False)],
)
def test_the_declaration_is_asked_for_when_it_matters(returns: Any, expected: bool) -> None:
    assert needs_declaration(returns) is expected
