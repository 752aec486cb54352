"""PyTorch: arguments by the names of the code, evaluation without gradients, every format."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from unit.dlhub_shim.kinds.fakes import BOTH, DIFFERENCE, ROWS, Tensor, describe, install, load_run

from dlhub_shim.complaints import LoadError, OutputMismatch
from dlhub_shim.loaders import load_methods

SOURCE = """
class Net:
    def __init__(self, width=2):
        if width < 0:
            raise ValueError("no width")
        self.width, self.state, self.mode = width, None, "training"

    def parameters(self):
        return []

    def load_state_dict(self, state):
        if state.get("width") != self.width:
            raise RuntimeError("size mismatch for width")
        self.state = state

    def to(self, device):
        self.device = device
        return self

    def eval(self):
        self.mode = "evaluation"
        return self

    def forward(self, z, x, factor=1):
        return (z - x) * factor, z + x

    def __call__(self, *arguments, **named):
        assert self.mode == "evaluation"
        return self.forward(*arguments, **named)

    def nested(self, x):
        return {"deep": [x, (x,)], "note": "text"}
"""
OUTPUTS = {"outputs": ["difference", "total"]}
INPUTS = {"x": [[1.0, 2.0]], "z": [[5.0, 5.0]]}


class Scripted:
    """As torch.jit gives it: no signature that Python can read, but a schema."""

    def __init__(self, by_place=False):
        self.by_place = by_place
        arguments = [SimpleNamespace(name=name) for name in ("self", "z", "x", "factor")]
        self.forward = SimpleNamespace(schema=SimpleNamespace(arguments=arguments))

    def eval(self):
        return self

    def parameters(self):
        return [SimpleNamespace(dtype="torch.float32", is_floating_point=lambda: True)]

    def __call__(self, z, x):
        return z - x, z + x


@pytest.fixture
def files(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(SOURCE)
    for name in ("model.pt", "weights.pt", "other.pt"):
        (tmp_path / name).write_bytes(b"1234")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    yield tmp_path
    sys.modules.pop("net", None)


@pytest.fixture
def modes():
    """What was entered before each call."""
    return []


@pytest.fixture
def torch(monkeypatch, files, modes):
    @contextlib.contextmanager
    def inference_mode():
        modes.append("inference")
        yield

    def load(path, map_location, weights_only):
        modes.append(weights_only)
        return {"weights.pt": {"state_dict": {"width": 2}, "epoch": 1}}.get(
            path.rsplit("/", 1)[-1], {"width": 2}
        )

    return install(
        monkeypatch,
        "torch",
        Tensor=Tensor,
        bfloat16="bfloat16",
        set_num_threads=modes.append,
        device=lambda kind: SimpleNamespace(type=kind),
        cuda=SimpleNamespace(is_available=lambda: True),
        from_numpy=Tensor,
        inference_mode=inference_mode,
        load=load,
    )


def options(form="state_dict", **more):
    return {"format": form, "class": "net.Net", **more}


def complaint(*arguments, **more):
    with pytest.raises(LoadError) as caught:
        load_run(*arguments, **more)
    return str(caught.value)


def load_net(files, form_options=None, file="model.pt", taken=BOTH, given=DIFFERENCE, details=OUTPUTS):
    return load_run(
        files, "Torch Model", file, taken, given, form_options or options(), method_details=details, cores=2
    )


def test_arguments_go_by_name_without_gradients(torch, files, modes):
    gave = load_net(files)(INPUTS, {"factor": 10})
    assert gave["difference"].tolist() == [[40.0, 30.0]]
    assert gave["total"].tolist() == [[6.0, 7.0]]
    assert modes[1:] == [True, "inference"]  # weights only; then the call


def test_weights_may_lie_in_a_checkpoint(torch, files):
    assert load_net(files, file="weights.pt")(INPUTS, {})["total"].tolist() == [[6.0, 7.0]]


def test_a_scripted_module_tells_its_names(torch, files, monkeypatch):
    torch.jit = SimpleNamespace(load=lambda path, map_location: Scripted())
    monkeypatch.setattr("dlhub_shim.kinds.torch_files.check_archive", lambda path, what: None)
    gave = load_net(files, options("torchscript"))(INPUTS, {})

    assert gave["difference"].tolist() == [[4.0, 3.0]]
    assert gave["difference"].dtype == np.float32  # floats of no declared type are of that of the weights


def test_an_exported_program_takes_arguments_as_it_was_exported(torch, files, monkeypatch):
    class Module:
        def parameters(self):
            return []

        def forward(self, z, x):
            return [z - x, z + x]

        def __call__(self, *arguments, **named):
            assert (len(arguments), list(named)) == (1, ["x"])
            return self.forward(*arguments, **named)

    keywords = SimpleNamespace(context=["x"])
    program = SimpleNamespace(
        module=Module,
        call_spec=SimpleNamespace(in_spec=SimpleNamespace(children=lambda: [None, keywords])),
    )
    torch.export = SimpleNamespace(load=lambda path: program)
    monkeypatch.setattr("dlhub_shim.kinds.torch_files.check_archive", lambda path, what: None)
    assert load_net(files, options("export"))(INPUTS, {})["difference"].tolist() == [[4.0, 3.0]]


def test_a_whole_module_is_unpickled_only_where_the_description_says_so(torch, files, modes, monkeypatch):
    net = import_module("net").Net

    def load(path, map_location, weights_only):
        modes.append(weights_only)
        return net()

    torch.load = load
    assert load_net(files, {"format": "pickle"})(INPUTS, {})["total"].tolist() == [[6.0, 7.0]]
    assert False in modes


def test_safetensors_hold_weights(torch, files, monkeypatch):
    install(monkeypatch, "safetensors")
    install(monkeypatch, "safetensors.torch", load_file=lambda path, device: {"width": 2})
    assert load_net(files, options("safetensors"))(INPUTS, {})["total"].tolist() == [[6.0, 7.0]]


def test_names_of_the_description_in_the_order_that_it_gives(torch, files):
    taken = {"type": "dict", "properties": {"subtrahend": ROWS, "minuend": ROWS}}
    details = {**OUTPUTS, "inputs": ["minuend", "subtrahend"]}
    run = load_net(files, taken=taken, details=details)
    gave = run({"subtrahend": [[1.0, 2.0]], "minuend": [[5.0, 5.0]]}, {})
    assert gave["difference"].tolist() == [[4.0, 3.0]]


def test_another_method_of_the_module(torch, files):
    description = describe("Torch Model", "model.pt", BOTH, DIFFERENCE, options(), method_details=OUTPUTS)
    deep = {
        "input": ROWS,
        "output": {"type": "dict", "properties": {}},
        "method_details": {"method_name": "nested"},
    }
    description["servable"]["methods"]["nested"] = deep
    gave = load_methods(files, description)["nested"]([[1.0, 2.0]], {})
    assert gave["deep"][1][0].tolist() == [[1.0, 2.0]]
    assert gave["note"] == "text"


def test_arrays_inside_lists_become_tensors(torch, files):
    many = {"type": "list", "item_type": ROWS}
    taken = {"type": "dict", "properties": {"x": {"type": "float"}, "z": many}}
    run = load_net(
        files, taken=taken, given={"type": "dict", "properties": {}}, details={"outputs": ["a", "b"]}
    )
    with pytest.raises(TypeError, match="unsupported operand"):  # a list less a number: they came as declared
        run({"x": 1.0, "z": [[[1.0, 2.0]]]}, {})


def test_arrays_that_pytorch_would_not_take_are_copied(torch, files):
    backwards = np.ones((2, 2))[::-1]
    frozen = np.ones((2, 2))
    frozen.flags.writeable = False
    gave = load_net(files)({"x": backwards, "z": frozen}, {})
    assert gave["total"].tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_short_floats_come_back_as_numpy_has_them(torch, files):
    net = import_module("net").Net
    net.forward = lambda self, z, x: (Tensor([1.5], "bfloat16"), z + x)
    torch.bfloat16 = "bfloat16"
    assert load_net(files)(INPUTS, {})["difference"].dtype == np.float32


@pytest.mark.parametrize(
    ("form_options", "text"),
    [
        ({}, "servable.options.format is None; it can be 'torchscript', 'export', 'state_dict'"),
        (
            {"format": "state_dict"},
            'servable.options.class is missing: model.pt holds weights alone; "module.Class"',
        ),
        (
            options(**{"class": "Net"}),
            "servable.options.class is 'Net'; it names a class as \"module.Class\"",
        ),
        (options(**{"class": "net.Nix"}), "servable.options.class is 'Nix', but module 'net' has none"),
        (options(class_arguments={"width": -1}), "net.Net, raised ValueError: no width"),
        (options(class_arguments={"width": 3}), "{'width': 3}: size mismatch for width"),
        (options("torchscript"), "model.pt, which has 4 bytes, is no TorchScript model, or not all of one"),
        (options("export"), "model.pt, which has 4 bytes, is no exported program, or not all of one"),
        ({"format": "pickle"}, "model.pt holds a dict, no module: for weights alone"),
    ],
)
def test_what_is_wrong_is_said(form_options, text, torch, files):
    found = complaint(
        files, "Torch Model", "model.pt", BOTH, DIFFERENCE, form_options, method_details=OUTPUTS
    )
    assert text in found


def test_safetensors_that_are_not_there(torch, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    found = complaint(files, "Torch Model", "model.pt", BOTH, DIFFERENCE, options("safetensors"))
    assert "model.pt needs the module 'safetensors'" in found


def test_names_that_the_code_does_not_have(torch, files):
    taken = {"type": "dict", "properties": {"a": ROWS, "b": ROWS}}
    found = complaint(files, "Torch Model", "model.pt", taken, DIFFERENCE, options())
    assert "has the names a, b, but those of the model are z, x, factor" in found


def test_outputs_without_names(torch, files):
    with pytest.raises(OutputMismatch, match="list their names in the model's order"):
        load_net(files, details={})(INPUTS, {})


def test_a_gpu_is_used_only_by_replicas_that_have_one(torch, files, monkeypatch):
    devices = []
    net = import_module("net").Net
    net.to = lambda self, device: devices.append(device.type) or self
    load_net(files)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    load_net(files)
    assert devices == ["cpu", "cuda"]
