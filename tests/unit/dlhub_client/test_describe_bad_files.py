"""Truncated, foreign and hostile model files: a clear error, and nothing but that error."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dlhub_client import describe
from dlhub_client.describe.readers.bounded import MEMBER_BYTES, Window
from dlhub_client.describe.readers.onnx_file import read_onnx
from dlhub_client.describe.readers.xgboost_file import read_xgboost

MODELS = Path(__file__).parent / "models"
FILES = sorted(
    path.name
    for path in MODELS.iterdir()
    if path.is_file() and path.suffix not in (".py", ".data") and path.name != "expected.json"
)
HELPERS: dict[str, Callable[..., Any]] = {
    "keras": describe.keras_model,
    "torch": describe.torch_model,
    "onnx": describe.onnx_model,
    "xgboost": describe.xgboost_model,
    "lightgbm": describe.lightgbm_model,
    "sklearn": describe.sklearn_model,
    "tensorflow": describe.tensorflow_model,
}


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", [name for name in FILES if name not in ("flowers.txt",)])
def test_a_truncated_file_is_told(tmp_path: Path, name: str, part: float) -> None:
    content = (MODELS / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(describe.DescribeError, match=name) as told:
        describe.look(path)
    assert "expected" in told.value.message
    assert "found" in told.value.message


def test_a_truncated_lightgbm_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_bytes((MODELS / "flowers.txt").read_bytes()[:300])
    with pytest.raises(describe.DescribeError, match="ends too early"):
        describe.lightgbm_model(tmp_path / "m.txt")


DATA = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index", DATA])
def test_a_truncated_saved_model_is_told(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "saved"
    shutil.copytree(MODELS / "saved", folder)
    content = (folder / file).read_bytes()
    for size in (0, 10, len(content) // 2 if file != DATA else 20, len(content) - 1 if file != DATA else 35):
        (folder / file).write_bytes(content[:size])
        with pytest.raises(describe.DescribeError, match="ends too early"):
            describe.tensorflow_model(folder)


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("content", [b"hello, world\n" * 20, bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_a_foreign_file_is_told(tmp_path: Path, helper: str, content: bytes) -> None:
    path = tmp_path / "foreign.bin"
    path.write_bytes(content)
    with pytest.raises(describe.DescribeError, match=r"foreign\.bin cannot be described: expected .*, found"):
        HELPERS[helper](path)
    with pytest.raises(describe.DescribeError, match="expected a scikit-learn estimator"):
        describe.look(path)


@pytest.mark.parametrize("helper", HELPERS)
def test_another_framework_s_file_is_told(helper: str) -> None:
    own = {
        "keras": ".keras",
        "torch": ".pt",
        "onnx": ".onnx",
        "xgboost": ".ubj",
        "lightgbm": ".txt",
        "sklearn": "skops",
    }
    for name in FILES:
        if not name.endswith((own.get(helper, "-"), "h5", "pt2", "safetensors", "json", "onnx", "txt")):
            with pytest.raises(describe.DescribeError, match=name):
                HELPERS[helper](MODELS / name)


@pytest.mark.parametrize("helper", HELPERS)
def test_what_is_not_there_is_told(tmp_path: Path, helper: str) -> None:
    with pytest.raises(describe.DescribeError, match="nothing at that place"):
        HELPERS[helper](tmp_path / "nowhere")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(describe.DescribeError, match=r"empty|a file"):
        HELPERS[helper](tmp_path / "empty")
    with pytest.raises(describe.DescribeError, match="folder"):
        HELPERS[helper](tmp_path)


@pytest.mark.parametrize("name", [*FILES, "saved/saved_model.pb", "saved/variables/variables.index"])
def test_damage_never_raises_anything_else(tmp_path: Path, name: str) -> None:
    """Bits are turned over at places that are the same every time."""
    dice = random.Random(name)
    shutil.copytree(MODELS / "saved", tmp_path / "saved")
    place = tmp_path / name
    content = (MODELS / name).read_bytes()
    for _ in range(30):
        damaged = bytearray(content)
        for _ in range(dice.choice((1, 1, 4, 30))):
            damaged[dice.randrange(len(damaged))] = dice.choice((0, 255, dice.randrange(256)))
        place.write_bytes(damaged)
        try:
            describe.look(tmp_path / name.split("/")[0])
        except describe.DescribeError as error:
            assert error.message


# --- hostile archives ---


def archive(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = b" " * (MEMBER_BYTES + 1)
    with pytest.raises(describe.DescribeError, match=r"config\.json of 67108865 bytes"):
        describe.keras_model(archive(tmp_path / "m.keras", {"config.json": bomb}))
    with pytest.raises(describe.DescribeError, match=r"data\.pkl of 67108865 bytes"):
        describe.torch_model(archive(tmp_path / "m.pt", {"m/data.pkl": bomb}))
    with pytest.raises(describe.DescribeError, match=r"schema\.json of 67108865 bytes"):
        describe.sklearn_model(archive(tmp_path / "m.skops", {"schema.json": bomb}))


def test_a_declared_size_that_lies_is_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", {"config.json": b" " * 100_000})
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 100_000), struct.pack("<I", 50)))
    with pytest.raises(describe.DescribeError, match=r"m\.keras"):
        describe.keras_model(path)


def test_an_archive_of_something_else_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.zip", {"readme.txt": b"hello"})
    for helper in (describe.keras_model, describe.torch_model, describe.sklearn_model):
        with pytest.raises(describe.DescribeError, match=r"m\.zip cannot be described"):
            helper(path)


@pytest.mark.parametrize(
    "config", [b"[]", b"{", b"{}", b'{"class_name": "Functional", "config": {"layers": 3}}', b"[" * 100_000]
)
def test_a_configuration_that_makes_no_sense_is_told(tmp_path: Path, config: bytes) -> None:
    with pytest.raises(describe.DescribeError, match=r"m\.keras"):
        describe.keras_model(archive(tmp_path / "m.keras", {"config.json": config}))


def test_a_header_of_gigantic_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes((2**38).to_bytes(8, "little") + b"{}")
    with pytest.raises(describe.DescribeError, match="a header of 274877906944 bytes"):
        describe.torch_model(path)
    path.write_bytes((1000).to_bytes(8, "little") + b"{}")
    with pytest.raises(describe.DescribeError, match="ends too early"):
        describe.torch_model(path)


def test_lists_of_gigantic_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.ubj"
    for items in (
        b"[$d#L" + (2**60).to_bytes(8, "big"),
        b"[#L" + (2**60).to_bytes(8, "big"),
        b"[$Z#L" + (2**62).to_bytes(8, "big"),
    ):
        path.write_bytes(b"{L" + (1).to_bytes(8, "big") + b"a" + items)
        with pytest.raises(describe.DescribeError, match="ends too early"):
            read_xgboost(path)
    path.write_bytes(b"{" + b"i\x01a[" * 1 + b"[" * 500)
    with pytest.raises(describe.DescribeError, match="nested"):
        read_xgboost(path)


def test_a_weight_of_gigantic_shape_is_only_counted(tmp_path: Path) -> None:
    """A tensor that declares 2^60 numbers costs nothing: its bytes are never asked for."""
    weight = b"\x08" + b"\x80\x80\x80\x80\x80\x80\x80\x80\x10" + b"\x10\x01" + b"\x42\x01w"
    graph = (
        b"\x12\x01g" + b"\x2a" + bytes([len(weight)]) + weight + b"\x5a\x03\x0a\x01x" + b"\x62\x03\x0a\x01y"
    )
    path = tmp_path / "big.onnx"
    path.write_bytes(b"\x08\x08" + b"\x3a" + bytes([len(graph)]) + graph + b"\x42\x02\x10\x15")
    assert read_onnx(path).parameter_count == 2**60


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    content = (MODELS / "beside.onnx").read_bytes()
    path = tmp_path / "beside.onnx"
    path.write_bytes(content.replace(b"beside.data", b"../../x.dat"))
    with pytest.raises(describe.DescribeError, match="outside its folder"):
        describe.onnx_model(path)


# --- what is asked for ---


def test_weights_alone_ask_for_their_configuration() -> None:
    with pytest.raises(describe.DescribeError, match=r"weights without a configuration.*arch="):
        describe.keras_model(MODELS / "cnn.weights.h5")
    with pytest.raises(describe.DescribeError, match=r"configuration without weights.*arch="):
        describe.keras_model(MODELS / "cnn.json")


def test_weights_of_keras_2_are_known_as_such(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
    with pytest.raises(describe.DescribeError, match="weights without a configuration"):
        describe.keras_model(tmp_path / "w.h5")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measured"] = np.zeros(3)
    with pytest.raises(describe.DescribeError, match=r"HDF5 file with measured, and no configuration"):
        describe.keras_model(tmp_path / "data.h5")


def test_a_model_made_by_subclassing_asks_for_shapes(tmp_path: Path) -> None:
    config = {"class_name": "Mine", "module": "mine", "registered_name": "mine>Mine", "config": {}}
    path = archive(tmp_path / "m.keras", {"config.json": json.dumps(config).encode()})
    with pytest.raises(describe.DescribeError, match=r"input_shape=\[None, \.\.\.\]"):
        describe.keras_model(path)
    model = describe.keras_model(path, input_shape=[None, 4], output_shape=[None, 1])
    run = model.to_dict()["servable"]["methods"]["run"]
    assert (run["input"]["shape"], run["output"]["shape"]) == ([None, 4], [None, 1])
    assert any('custom_objects={"Mine": "mine.Mine"}' in note for note in model.missing)


def test_a_missing_reader_of_hdf5_is_named() -> None:
    code = "import sys; sys.modules['h5py'] = None\n"
    code += "from dlhub_client import describe\n"
    code += "try: describe.keras_model(sys.argv[1])\n"
    code += "except describe.DescribeError as error: print(error.message)"
    command = [sys.executable, "-c", code, str(MODELS / "two.h5")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "h5py is not installed here: pip install 'dlhub[describe]'" in ran.stdout


def test_a_saved_model_without_signatures_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x04\x0a\x02\x22\x00")
    with pytest.raises(describe.DescribeError, match=r"signatures=\.\.\."):
        describe.tensorflow_model(tmp_path)
    (tmp_path / "saved_model.pb").unlink()
    (tmp_path / "saved_model.pbtxt").write_text("")
    with pytest.raises(describe.DescribeError, match="the text form"):
        describe.tensorflow_model(tmp_path)


def test_a_description_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "dlhub.json"
    path.write_text(json.dumps({"datacite": {}, "dlhub": {}, "servable": {}}))
    with pytest.raises(describe.DescribeError, match="It is ready"):
        describe.look(path)


def test_xgboost_s_other_formats_are_named(tmp_path: Path) -> None:
    for content, found in ((b"binf" + bytes(20), "old binary format"), (b"\x80\x04N.", "a pickle")):
        (tmp_path / "m.bin").write_bytes(content)
        with pytest.raises(describe.DescribeError, match=rf"{found}.*save_model"):
            describe.xgboost_model(tmp_path / "m.bin")


def test_a_window_is_a_file_of_its_own() -> None:
    window = Window(io.BytesIO(b"abcdefgh"), 2, 4)
    assert (window.read(), window.seek(-1, io.SEEK_END), window.read(5), window.read()) == (
        b"cdef",
        3,
        b"f",
        b"",
    )
    assert (window.seek(1), window.seek(1, io.SEEK_CUR), window.tell(), window.readable()) == (1, 2, 2, True)
