"""Pickles that would do harm, hold themselves, or lie about their sizes: read, never run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from unit.dlhub_client.pickle_stage import pickled

from dlhub_client import describe
from dlhub_client.describe.readers.pickle_file import read_pickle
from dlhub_client.describe.readers.pickle_values import (
    Made,
    array_items,
    as_array,
    class_of,
    simple,
    state_of,
    walk,
)

FLOWERS = load_iris()
DATA = StandardScaler().fit_transform(FLOWERS.data)


class Loaded:
    def double(self, x: float) -> float:
        """Twice."""
        return 2 * x


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "read", [describe.sklearn_model, describe.torch_model, lambda path: describe.class_method(path, "go")]
)
def test_a_pickle_that_would_run_code_is_not_run(tmp_path: Path, read: Any, protocol: int) -> None:
    touched = tmp_path / "touched"
    path = pickled(tmp_path, Harm(touched), protocol)
    if read in (describe.sklearn_model, describe.torch_model):
        with pytest.raises(describe.DescribeError):
            read(path)
    else:
        with pytest.warns(describe.SuspiciousFile, match=r"system.*Nothing of it was run"):
            description = read(path)
        assert description.suspicious == (f"{os.system.__module__}.system",)
    assert not touched.exists()
    pickle.loads(path.read_bytes())  # it would have been
    assert touched.exists()


def test_harm_beside_an_estimator_is_flagged(tmp_path: Path) -> None:
    model = LinearRegression().fit(DATA, FLOWERS.target)
    model.note = Harm(tmp_path / "touched")
    path = tmp_path / "model.joblib"
    joblib.dump(model, path, compress=3)
    with pytest.warns(describe.SuspiciousFile, match="system"):
        description = describe.sklearn_model(path)
    assert description.suspicious == (f"{os.system.__module__}.system",)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"c__builtin__\ngetattr\n(tR.",
        b"(S'1'\nios\nsystem\n.",
        b"csubprocess\nPopen\n)R.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x011\x85R.",
        b"ctypes\nFunctionType\n)R.",
        b"cnumpy\nload\n)R.",
    ],
)
def test_other_ways_of_harm_are_flagged(tmp_path: Path, code: bytes) -> None:
    (tmp_path / "x.pkl").write_bytes(code)
    assert len(read_pickle(tmp_path / "x.pkl").suspicious) == 1


def test_random_states_of_numpy_are_no_harm(tmp_path: Path) -> None:
    values = [
        np.random.RandomState(0),
        np.random.default_rng(0),
        np.float32(1),
        np.dtype("f4"),
        range(3),
        {1},
    ]
    assert read_pickle(pickled(tmp_path, values)).suspicious == ()


# --- odd pickles ---


def test_a_pickle_that_holds_itself_ends(tmp_path: Path) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    value = read_pickle(pickled(tmp_path, cycle)).value
    assert len(list(walk(value))) == 1
    assert simple(value) is not None
    parent = Loaded()
    parent.__dict__["steps"] = [("self", parent)]
    parent.__dict__["best_estimator_"] = parent
    parent.__dict__["classes_"] = np.array(["a"])
    with pytest.raises(describe.DescribeError, match="n_input_columns"):
        describe.sklearn_model(pickled(tmp_path, parent))


def test_lists_that_grow_at_each_level_stay_small(tmp_path: Path) -> None:
    value: list[Any] = ["x"]
    for _ in range(60):
        value = [value, value, value, value]
    found = read_pickle(pickled(tmp_path, value)).value
    assert len(json.dumps(simple(found))) < 1_000_000


def test_a_deep_pickle_is_read(tmp_path: Path) -> None:
    deep = b"\x80\x04" + b"]" * 50_000 + b"a" * 49_999 + b"."
    (tmp_path / "deep.pkl").write_bytes(deep)
    assert len(list(walk(read_pickle(tmp_path / "deep.pkl").value))) == 50_000


HUGE = {
    "text": b"\x80\x04\x8d" + (2**60).to_bytes(8, "little") + b"x.",
    "bytes": b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x.",
    "bytearray": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"x.",
    "line": b"S'" + b"x" * 100_000 + b"'\n.",
    "memo": b"\x80\x04]r\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("name", HUGE)
def test_declared_sizes_are_not_believed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "huge.pkl"
    path.write_bytes(HUGE[name])
    if name == "memo":  # a number in a dict, which costs nothing
        assert read_pickle(path).value == []
        return
    with pytest.raises(describe.DescribeError, match=r"huge\.pkl"):
        read_pickle(path)


def test_long_bytes_are_stepped_over(tmp_path: Path) -> None:
    array = np.arange(3_000_000, dtype=np.float64)
    value = read_pickle(pickled(tmp_path, {"a": array, "b": "after"})).value
    found = as_array(value["a"])
    assert found is not None
    assert (found.shape, found.content, value["b"]) == ((3_000_000,), None, "after")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    packer = zlib.compressobj(9)
    zeros = bytes(2**20)
    parts = [packer.compress(b"\x80\x04\x8e" + (2**40).to_bytes(8, "little"))]
    parts += [packer.compress(zeros) for _ in range(280)]
    path.write_bytes(b"".join([*parts, packer.flush()]))
    with pytest.raises(describe.DescribeError, match="unpacks to more"):
        read_pickle(path)


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04.", b"\x80\x04a.", b"\x80\x04(.", b"\x80\x04h\x05.", b"\x80\x04K\x01K\x02s.", b"\xff",
        b"\x80\x04)\x81.", b"\x80\x04}(]K\x01u.", b"\x80\x04}(K\x01u.", b"\x80\x04K\x01K\x02\x93.", b"b.",
        b"\x80\x04t.", b"\x80\x04(o.", b"\x80\x04K\x01K\x02a.", b"\x80\x04]", b"\x80\x04e.",
    ],
)  # fmt: skip
def test_instructions_that_make_no_sense_are_refused(tmp_path: Path, code: bytes) -> None:
    (tmp_path / "odd.pkl").write_bytes(code)
    with pytest.raises(describe.DescribeError, match=r"odd\.pkl"):
        read_pickle(tmp_path / "odd.pkl")


def test_values_of_every_kind(tmp_path: Path) -> None:
    values = [
        1,
        -1,
        2**80,
        1.5,
        True,
        None,
        "é",
        b"b",
        bytearray(b"c"),
        (1,),
        {1: 2},
        np.float32(0.5),
        "",
        (),
    ]
    for protocol in range(6):
        found = read_pickle(pickled(tmp_path, values, protocol)).value
        assert found[:7] == values[:7]
        assert simple(found[11]) == 0.5
    assert array_items(as_array(read_pickle(pickled(tmp_path, np.array([1, 2]))).value)) == [1, 2]  # type: ignore[arg-type]


def test_objects_keep_their_state(tmp_path: Path) -> None:
    class_made = read_pickle(pickled(tmp_path, Loaded_with(3))).value
    assert isinstance(class_made, Made)
    assert state_of(class_made) == {"a": 3}
    assert getattr(class_of(class_made), "name", None) == "Loaded"


def Loaded_with(a: int) -> Loaded:
    made = Loaded()
    made.__dict__["a"] = a
    return made


def test_a_torch_checkpoint_is_not_run_either(tmp_path: Path) -> None:
    """The same machine reads what lies inside archives."""
    import zipfile

    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Harm(tmp_path / "touched"), 2))
    with pytest.raises(describe.DescribeError, match=r"would run .*system"):
        describe.torch_model(path)
    assert not (tmp_path / "touched").exists()


def test_reading_a_pickle_imports_nothing_that_it_names(tmp_path: Path) -> None:
    path = pickled(tmp_path, LinearRegression().fit(DATA, FLOWERS.target))
    code = "import sys; from dlhub_client import describe; describe.sklearn_model(sys.argv[1]); "
    code += "print('sklearn' in sys.modules)"
    command = [sys.executable, "-c", code, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "False\n"
