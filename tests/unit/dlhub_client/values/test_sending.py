"""What people have becomes what the method declares, or an error says what would fit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from unit.dlhub_client.fake_torch import Tensor, install

from dlhub_client.errors import InputMismatch
from dlhub_client.values import sending
from dlhub_client.values.kinds import _kind_of_type
from dlhub_types import npy, picture_files
from proto_msgs.arguments import Argument

FRAME = pandas.DataFrame({"mass": [1.0, 2.0], "charge": [3, 4]})
PIXELS = np.arange(30, dtype="u1").reshape(5, 6)
PICTURE = Image.fromarray(PIXELS)
ARRAY = {"type": "ndarray"}
TABLE = {"type": "ndarray", "shape": [None, 2], "item_type": "float"}
NAMED = {**TABLE, "feature_names": ["mass", "charge"]}
FILE = {"type": "file"}
INTEGER = {"type": "integer"}
ROW = {"type": "list", "item_type": "float"}
ANYTHING = {"type": "python object"}


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(monkeypatch)
    _kind_of_type.cache_clear()
    yield
    _kind_of_type.cache_clear()


def converted(value: Any, declared: dict[str, Any]) -> Any:
    found = sending.converted(value, Argument.model_validate(declared))
    return found.tolist() if isinstance(found, np.ndarray) else found


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (FRAME, TABLE, [[1.0, 3.0], [2.0, 4.0]]),
        (FRAME, NAMED, [[1.0, 3.0], [2.0, 4.0]]),
        (FRAME[["mass"]], {**ARRAY, "shape": [None]}, [1.0, 2.0]),
        (FRAME.iloc[:1], {**ARRAY, "shape": [2]}, [1.0, 3.0]),
        (FRAME.astype("Int64"), TABLE, [[1, 3], [2, 4]]),
        (pandas.DataFrame({"a": ["x", "y"]}), {**ARRAY, "item_type": "string"}, [["x"], ["y"]]),
        (FRAME["mass"], {**ARRAY, "shape": [None]}, [1.0, 2.0]),
        (FRAME["mass"], {**ARRAY, "shape": [None, 1]}, [[1.0], [2.0]]),
        (FRAME.iloc[0], NAMED, [[1.0, 3.0]]),
        (FRAME.iloc[0], {**NAMED, "shape": [2]}, [1.0, 3.0]),
        (PICTURE, {**ARRAY, "shape": [None, None]}, PIXELS.tolist()),
        (PICTURE.convert("RGB"), {**ARRAY, "shape": [1, None, None, 1]}, PIXELS[None, ..., None].tolist()),
        ([PICTURE, PICTURE], {**ARRAY, "shape": [None, 5, 6]}, [PIXELS.tolist()] * 2),
        (Tensor([1.0, 2.0]), ARRAY, [1.0, 2.0]),
        (Tensor([1.5], "torch.bfloat16"), ARRAY, [1.5]),
        (Tensor([0.0, 1.0], layout="torch.sparse_coo"), ARRAY, [0.0, 1.0]),
        ((Tensor([1.0]), [2.0]), {**ARRAY, "shape": [None, 1]}, [[1.0], [2.0]]),
        ([1, 2], ARRAY, [1, 2]),
        (FRAME, {"type": "list", "item_type": {"type": "dict", "properties": {}}}, FRAME.to_dict("records")),
        (
            FRAME,
            {"type": "list", "item_type": {"type": "list", "item_type": "float"}},
            [[1.0, 3.0], [2.0, 4.0]],
        ),
        (FRAME[["mass"]], {"type": "list", "item_type": "float"}, [1.0, 2.0]),
        (FRAME["mass"], {"type": "list", "item_type": "float"}, [1.0, 2.0]),
        (Tensor([1, 2]), {"type": "list", "item_type": "integer"}, [1, 2]),
        ([Tensor(1), 2], {"type": "list", "item_type": "integer"}, [1, 2]),
        (FRAME, {"type": "dict", "properties": {}}, {"mass": [1.0, 2.0], "charge": [3, 4]}),
        (
            FRAME.iloc[:1],
            {"type": "dict", "properties": {"mass": {"type": "float"}, "charge": {"type": "integer"}}},
            {"mass": 1.0, "charge": 3},
        ),
        (FRAME.iloc[0], {"type": "dict", "properties": {}}, {"mass": 1.0, "charge": 3.0}),
        ({"x": Tensor([1])}, {"type": "dict", "properties": {"x": {**ARRAY}}}, {"x": np.array([1])}),
        (
            (Tensor(3), "a"),
            {"type": "tuple", "element_types": [{"type": "integer"}, {"type": "string"}]},
            (3, "a"),
        ),
        (Tensor([7]), {"type": "float"}, 7),
        (np.float32(1), {"type": "float"}, 1.0),
        (FRAME, ANYTHING, {"mass": [1.0, 2.0], "charge": [3, 4]}),
        (FRAME["mass"], ANYTHING, [1.0, 2.0]),
        ({"a": [PICTURE]}, ANYTHING, {"a": [PIXELS]}),
        (io.BytesIO(b"x"), ANYTHING, b"x"),
        (io.BytesIO(b"x"), FILE, b"x"),
        (b"x", FILE, b"x"),
        (PICTURE, FILE, picture_files.write(PIXELS, "image/png")),
        (PIXELS, {**FILE, "file_types": ["application/x-npy"]}, npy.write(PIXELS)),
        (Tensor(PIXELS), {**FILE, "file_types": ["image/tiff"]}, picture_files.write(PIXELS, "image/tiff")),
        (PICTURE, {**FILE, "file_types": ["application/x-npy"]}, npy.write(PIXELS)),
        ([io.BytesIO(b"x"), b"y"], {"type": "list", "item_type": FILE}, [b"x", b"y"]),
    ],
)
def test_values_become_what_is_declared(value: Any, declared: dict[str, Any], expected: Any) -> None:
    np.testing.assert_equal(converted(value, declared), expected)


def test_a_column_declared_as_an_array_is_one() -> None:
    declared = Argument(
        type="dict", properties={"mass": Argument(type="ndarray"), "charge": Argument(type="ndarray")}
    )
    found = sending.converted(FRAME, declared)
    assert (type(found["mass"]), found["charge"].dtype.kind) == (np.ndarray, "i")


@pytest.mark.parametrize(
    ("value", "declared", "complaint"),
    [
        (FRAME[["charge", "mass"]], NAMED, "column 0 is 'charge', where 'mass' is declared"),
        (FRAME[["mass"]], NAMED, "missing: 'charge'"),
        (FRAME.iloc[0][["charge", "mass"]], NAMED, "column 0 is 'charge'"),
        (FRAME.assign(name="x"), TABLE, r"more than numbers, or some are missing \(look at name\)"),
        (pandas.Series([1, "x"]), ARRAY, "more than numbers"),
        ([Tensor([1]), Tensor([1, 2])], ARRAY, r"differ in shape \(\[\[1\], \[2\]\]\)"),
        (Image.new("LAB", (1, 1)), ARRAY, "mode 'LAB'"),
        (Image.new("RGB", (2, 2), (1, 2, 3)), {**ARRAY, "shape": [None, None]}, "with colours"),
        (Path("nowhere.npy"), ARRAY, "nowhere.npy cannot be read: No such file"),
        (Path("nowhere.bin"), FILE, "nowhere.bin cannot be read: No such file"),
        ("cat.png", ARRAY, r"a str came: a file is given by its path, pathlib.Path\('cat.png'\)"),
        ("cat.png", FILE, r"pathlib.Path\('cat.png'\)"),
        (io.StringIO("x"), FILE, "open it with mode 'rb'"),
        (io.BytesIO(b"?"), ARRAY, "no array can be read from this file: give one of .npy"),
        (FRAME, FILE, "declared as file, and a DataFrame came: write it to a file"),
        (Tensor(PIXELS), FILE, "write it to a file of the type that the method reads"),
        (Path("x"), {"type": "string"}, r"give str\(path\) for its name, or path.read_text\(\)"),
        (PICTURE, {"type": "float"}, "declared as float, and an Image came: give one float"),
        (Tensor([1, 2]), {"type": "float"}, "a Tensor came: give one float"),
        (PICTURE, {"type": "list", "item_type": "float"}, "give a list"),
        (PICTURE, {"type": "dict", "properties": {}}, "give a dict"),
        (FRAME, {"type": "tuple", "element_types": [FILE]}, "give a tuple"),
    ],
)
def test_what_does_not_fit_says_what_would(value: Any, declared: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.*{complaint}"):
        converted(value, declared)


def test_paths_inside_are_named(tmp_path: Path) -> None:
    declared = {"type": "dict", "properties": {"a": {"type": "list", "item_type": FILE}}}
    with pytest.raises(InputMismatch, match=r"inputs\['a'\]\[1\]: .*missing cannot be read"):
        converted({"a": [b"", tmp_path / "missing"]}, declared)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", npy.write(PIXELS)),
        ("a.png", picture_files.write(PIXELS, "image/png")),
        ("a.tif", picture_files.write(PIXELS, "image/tiff")),
        ("a.csv", b"\n".join(b",".join(b"%d" % n for n in row) for row in PIXELS)),
        ("no suffix", npy.write(PIXELS)),
    ],
)
def test_files_are_read_as_arrays(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    assert converted(tmp_path / name, ARRAY) == PIXELS.tolist()
    with (tmp_path / name).open("rb") as file:
        assert converted(file, ARRAY) == PIXELS.tolist()


def test_a_csv_file_is_held_against_the_declared_columns(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    FRAME[["charge", "mass"]].to_csv(tmp_path / "u.csv", index=False)

    assert converted(tmp_path / "t.csv", NAMED) == [[1.0, 3.0], [2.0, 4.0]]
    with pytest.raises(InputMismatch, match="column 0 is 'charge'"):
        converted(tmp_path / "u.csv", NAMED)


def test_large_files_are_left_for_uploading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "STREAMED_BYTES", 10)
    (tmp_path / "small").write_bytes(b"x" * 10)
    (tmp_path / "large").write_bytes(b"x" * 11)
    declared = {"type": "dict", "properties": {"f": {"type": "list", "item_type": FILE}}}

    value = converted({"f": [tmp_path / "small", tmp_path / "large"]}, declared)
    found = sending.large_files(value)

    assert [file.path for file in found] == [tmp_path / "large"]
    assert sending.with_uploads(value, {found[0]: "h"}) == {"f": [b"x" * 10, {"sha256": "h"}]}


def test_a_large_file_of_another_type_is_not_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STREAMED_BYTES", 10)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7 and so on")
    with pytest.raises(InputMismatch, match=r"inputs: a content of type application/pdf came"):
        converted(tmp_path / "scan.pdf", {**FILE, "file_types": ["image/png"]})
