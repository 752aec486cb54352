"""The parts that the readers are made of: wire formats, Keras' layers and configurations, sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dlhub_client import describe
from dlhub_client.describe.class_source import find_function, find_method
from dlhub_client.describe.declared import is_joinable
from dlhub_client.describe.from_file import _name_of
from dlhub_client.describe.packages import distribution_of
from dlhub_client.describe.readers.facts import Signature, Tensor, count_of, symbol_of, table
from dlhub_client.describe.readers.keras_config import ConfigError, read_architecture
from dlhub_client.describe.readers.keras_layers import output_shape
from dlhub_client.describe.readers.protobuf import Message, WireError
from dlhub_client.describe.readers.skops_file import npy_array
from dlhub_client.describe.readers.torch_code import forward_of
from dlhub_client.describe.readers.ubjson import Reader, UBJSONError

MODELS = Path(__file__).parent / "models"
LAYERS: list[tuple[str, Any, Any, Any]] = json.loads((MODELS / "keras_layers.json").read_text())


# --- Keras ---


@pytest.mark.parametrize(("kind", "config", "taken", "given"), LAYERS)
def test_shapes_are_those_that_keras_works_out(kind: str, config: Any, taken: Any, given: Any) -> None:
    assert output_shape(kind, config, [tuple(shape) for shape in taken]) == tuple(given)


def test_a_layer_that_is_not_known_has_no_shape() -> None:
    assert output_shape("Lambda", {}, [(None, 3)]) is None
    assert output_shape("Dense", {}, [(None, 3)]) is None
    assert output_shape("Add", {}, [(None, 3), (None, 3, 1)]) is None
    assert (
        output_shape("Conv2DTranspose", {"kernel_size": 3, "output_padding": 1, "filters": 1}, [(1, 2, 2, 1)])
        is None
    )


def dense(name: str, units: int, inbound: Any = None, **more: Any) -> dict[str, Any]:
    layer: dict[str, Any] = {
        "class_name": "Dense",
        "name": name,
        "config": {"name": name, "units": units, **more},
    }
    if inbound is not None:
        layer["inbound_nodes"] = inbound
    return layer


def test_a_sequential_model_of_keras_2() -> None:
    layers = [dense("first", 4, batch_input_shape=[None, 5], dtype="float32"), dense("second", 2)]
    found = read_architecture({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
    assert found.inputs == (Tensor("input", (None, 5), "float32"),)
    assert found.outputs is not None
    assert found.outputs[0].shape == (None, 2)
    older = read_architecture({"class_name": "Sequential", "config": layers})
    assert older.outputs == found.outputs


def test_a_functional_model_of_keras_2(tmp_path: Path) -> None:
    start = {
        "class_name": "InputLayer",
        "name": "in",
        "config": {"batch_input_shape": [None, 5], "dtype": "float64"},
    }
    config = {
        "name": "model",
        "layers": [
            {**start, "inbound_nodes": []},
            dense("a", 4, [[["in", 0, 0, {}]]]),
            dense("b", 3, [[["in", 0, 0, {}]]]),
            {
                "class_name": "Concatenate",
                "name": "c",
                "config": {"axis": -1},
                "inbound_nodes": [[["a", 0, 0, {}], ["b", 0, 0, {}]]],
            },
        ],
        "input_layers": [["in", 0, 0]],
        "output_layers": [["c", 0, 0]],
    }
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": config}).encode()
        file.attrs["keras_version"] = b"2.9.0"
        file.create_group("model_weights")["a/kernel:0"] = np.zeros((5, 4))
    facts = describe.keras_model(path).facts
    assert facts.signatures[0].inputs == (Tensor("in", (None, 5), "float64"),)
    assert facts.signatures[0].outputs == (Tensor("c", (None, 7), "float32"),)
    assert facts.requirements == {"tensorflow-cpu": "2.9.*", "numpy": None}
    assert facts.parameter_count == 20


def test_a_model_in_a_model_gives_what_its_end_gives() -> None:
    inner = {
        "class_name": "Sequential",
        "name": "inner",
        "config": {"layers": [dense("d", 3, batch_input_shape=[None, 4])]},
    }
    start = {
        "class_name": "InputLayer",
        "config": {"name": "input", "batch_shape": [None, 4], "dtype": "float32"},
    }
    found = read_architecture({"class_name": "Sequential", "config": {"layers": [start, inner]}})
    assert found.outputs is not None
    assert found.outputs[0].shape == (None, 3)


def test_layers_that_feed_each_other_have_no_shape() -> None:
    config = {
        "layers": [
            dense("a", 1, [[["b", 0, 0]]]),
            {"class_name": "ReLU", "name": "b", "config": {}, "inbound_nodes": [[["b", 0, 0]]]},
        ],
        "input_layers": [["a", 0, 0]],
        "output_layers": [["b", 0, 0]],
    }
    found = read_architecture({"class_name": "Functional", "config": config})
    assert found.outputs is not None
    assert found.outputs[0].shape is None


def test_code_in_a_lambda_layer_is_flagged(tmp_path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAA=="}}
    layer = {"class_name": "Lambda", "name": "l", "config": {"name": "l", "function": code}}
    start = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_shape": [None, 4], "dtype": "float32"},
    }
    config = {"class_name": "Sequential", "config": {"layers": [start, layer]}}
    path = tmp_path / "lambda.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    with pytest.warns(describe.SuspiciousFile, match="Python code of a Lambda layer"):
        model = describe.keras_model(path)
    assert any("give output_shape" in note for note in model.missing)
    assert "shape" not in model.to_dict()["servable"]["methods"]["run"]["output"]


@pytest.mark.parametrize(
    "document", [{}, {"class_name": 3, "config": {}}, {"class_name": "X", "config": None}]
)
def test_what_is_no_configuration_is_refused(document: Any) -> None:
    with pytest.raises(ConfigError):
        read_architecture(document)


# --- wire formats ---


def test_fields_of_a_message() -> None:
    message = Message(
        memoryview(
            b"\x08\x96\x01\x12\x03abc\x1a\x02\x01\x02\x18\x03\x21" + bytes(8) + b"\x2d\x01\x00\x00\x00"
        )
    )
    assert (message.integer(1), message.text(2), message.integers(3), message.integer(5)) == (
        150,
        "abc",
        [1, 2, 3],
        1,
    )
    assert (message.integer(9), message.text(9), message.message(9), message.has(2)) == (0, "", None, True)
    assert message.numbers == {1, 2, 3, 4, 5}
    assert Message(memoryview(b"\x08" + b"\xff" * 9 + b"\x01")).integer(1) == -1


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        b"\x12\x05ab",
        b"\x0b",
        b"\x00\x01",
        b"\x08" + b"\xff" * 11,
        b"\x12" + b"\xff" * 9 + b"\x01",
        b"\x25\x01",
    ],
)
def test_bytes_that_are_no_message_are_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        Message(memoryview(content))


def key(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode()


def test_values_of_ubjson() -> None:
    items = [
        b"i\xff",
        b"U\xff",
        b"I\x01\x00",
        b"l\x00\x00\x00\x07",
        b"d\x3f\x80\x00\x00",
        b"T",
        b"F",
        b"Z",
        b"SU\x01a",
        b"Cb",
    ]
    content = b"{" + key("list") + b"[" + b"".join(items) + b"]" + key("typed") + b"[$U#i\x02\x01\x02"
    content += key("counted") + b"{#i\x01" + key("x") + b"N" + b"}"
    value = Reader(memoryview(content)).value()
    assert value["list"] == [-1, 255, 256, 7, 1.0, True, False, None, "a", "b"]
    assert (value["typed"], value["counted"]) == ([1, 2], {"x": None})


def test_long_lists_of_numbers_are_stepped_over() -> None:
    content = b"[$U#l" + (20_000).to_bytes(4, "big") + bytes(20_000)
    assert Reader(memoryview(b"[" + content + b"i\x05]")).value() == [[], 5]


@pytest.mark.parametrize(
    "content", [b"", b"x", b"[$U", b"[$U\x01", b"[#d\x00\x00\x00\x00", b"[#i\xff", b"{U\x05a", b"SU\x09a"]
)
def test_bytes_that_are_no_ubjson_are_refused(content: bytes) -> None:
    with pytest.raises(UBJSONError):
        Reader(memoryview(content)).value()


def test_an_array_in_numpy_s_format(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    content = (tmp_path / "a.npy").read_bytes()
    assert npy_array(content, tmp_path).shape == (3,)
    assert npy_array(content[:100] + content[100:128], tmp_path, whole=False).content is None
    for bad in (b"", content[:20], b"x" * 200, b"\x93NUMPY\x01\x00\x02\x00{}"):
        with pytest.raises(describe.DescribeError, match="NumPy's format"):
            npy_array(bad, tmp_path)


def test_signatures_of_torch_script() -> None:
    code = (
        "class Net(Module):\n  def forward(self: __torch__.Net,\n    xs: List[Tensor],\n"
        "    d: Dict[str, Tensor],\n    t: Tuple[int, Tensor],\n    o: Optional[Tensor]=None,\n"
        "    n: int=3) -> Tuple[Tensor, Tensor]:\n    pass\n"
    )
    found = forward_of(code)
    assert found is not None
    assert [one.block["type"] for one in found.inputs or () if one.block] == ["list", "dict", "tuple"]
    assert found.parameters == {"o": None, "n": 3}
    assert found.parameter_types == {"n": {"type": "integer"}}
    assert [one.name for one in found.outputs or ()] == ["output_0", "output_1"]
    assert forward_of("class Net(Module):\n  pass") is None
    assert forward_of("class Net(Module):\n  def forward(self, $x) -> Tensor:\n    pass") is None


# --- facts ---


@pytest.mark.parametrize(
    ("taken", "given", "batched", "deterministic", "joinable"),
    [
        ((None, 4), (None, 3), None, True, True),
        ((None, 4), (None, 3), None, None, False),
        ((None, None, 3), (None, None, 1), None, True, False),
        ((None, None, None, 3), (None, None, None, 1), None, True, True),
        ((None,), (None,), None, True, False),
        ((None,), (None,), True, None, True),
        (("n", "m"), ("n", 2), None, True, True),
        (("n", "n"), ("n", 2), None, True, False),
        (("n", 4), ("m", 2), None, True, False),
        ((1, 4), (None, 2), None, True, False),
        ((None, 4), (), None, True, False),
        ((None, 4), None, None, True, False),
        ((None, 4), (None, 2), False, True, False),
    ],
)
def test_what_may_be_joined(taken: Any, given: Any, batched: Any, deterministic: Any, joinable: bool) -> None:
    inputs, outputs = (Tensor("x", taken, "float32"),), (Tensor("y", given, "float32"),)
    signature = Signature("run", inputs, outputs, batched=batched, deterministic=deterministic)
    assert is_joinable(signature) is joinable


def test_small_helpers() -> None:
    assert (symbol_of("batch"), symbol_of("2*n"), count_of([(2, 3), ()]), count_of([(None,)])) == (
        "batch",
        None,
        7,
        None,
    )
    assert table([("a", "b")] * 3, ("x", "y"), limit=2).splitlines()[-1] == "... and 1 more"
    assert (_name_of(Path("my model (1).h5")), _name_of(Path("___.h5"))) == ("my-model-1-", "model")
    assert distribution_of("sklearn") == "scikit-learn"
    assert distribution_of("os") is None
    assert distribution_of("no_such_module_here") is None


# --- sources ---


def test_a_named_function_is_described_from_its_file(tmp_path: Path) -> None:
    text = (
        "import numpy as np\nraise RuntimeError\ndef f(x: np.ndarray, k: int = 2) -> 'float':\n    'Sums.'\n"
    )
    (tmp_path / "summing.py").write_text(text)
    model = describe.static_method(("summing", "f"), files=[tmp_path / "summing.py"])
    run = model.to_dict()["servable"]["methods"]["run"]
    assert (run["input"]["type"], run["output"]["type"], run["parameters"]) == ("ndarray", "float", {"k": 2})
    assert run["description"] == "Sums."
    batch = describe.static_method(("summing", "f"), files=[tmp_path / "summing.py"], autobatch=True)
    assert batch.to_dict()["servable"]["methods"]["run"]["input"]["type"] == "list"


def test_what_is_given_overrules_the_source(tmp_path: Path) -> None:
    (tmp_path / "adding_up.py").write_text("def f(a: int, b: int, c: int = 1) -> int: ...\n")
    block = describe.argument("integer")
    model = describe.static_method(
        ("adding_up", "f"),
        files=[tmp_path / "adding_up.py"],
        inputs=block,
        outputs=block,
        parameters={"d": 1},
    )
    run = model.to_dict()["servable"]["methods"]["run"]
    assert (run["input"], run["parameters"], "parameter_types" in run) == (block, {"d": 1}, False)
    assert "unpack" not in run["method_details"]


def test_sources_that_cannot_be_read_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert find_function("broken", "f", [tmp_path / "broken.py"]) is None
    assert find_function("nowhere_at_all", "f", []) is None
    (tmp_path / "classes.py").write_text("class A:\n    'An A.'\n    x = 1\n")
    found = find_method("classes.A", "go", [tmp_path / "classes.py"])
    assert found is not None
    assert (found.class_doc, found.required) == ("An A.", ())
    assert find_method("classes.B", "go", [tmp_path / "classes.py"]) is None


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        ("dt.datetime", "datetime"), ("NDArray[np.int64]", "ndarray"), ("t.Mapping[str, int]", "dict"),
        ("dict", "dict"), ("Tuple[int, str]", "tuple"), ("Sequence[float]", "list"),
        ("int | None", "python object"), ("'x y'", "python object"), ("Unknown[int]", "python object"),
        ("None", "python object"), ("torch.Tensor", "ndarray"), ("complex", "complex"),
    ],
)  # fmt: skip
def test_hints_in_source(tmp_path: Path, hint: str, kind: str) -> None:
    head = "import datetime as dt, typing as t, torch, numpy as np\nfrom typing import Tuple, Sequence\n"
    head += "from numpy.typing import NDArray\n"
    (tmp_path / "hints.py").write_text(f"{head}def f(x: {hint}, *, k): ...\n")
    found = find_function("hints", "f", [tmp_path / "hints.py"])
    assert found is not None
    assert found.types["x"]["type"] == kind
