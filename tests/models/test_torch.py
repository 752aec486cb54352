"""PyTorch modules in every format."""

from __future__ import annotations

import os

import numpy as np
import pytest

from models.describing import array, by_name, described, in_order, method, servable

KIND = "Torch Model"
TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}
INPUTS = by_name(x=array(None, 2), z=array(None, 3))  # the module is forward(z, x)
OUTPUTS = by_name(second=array(None, 2), first=array(None, 2))
DETAILS = {"outputs": ["first", "second"]}
WEIGHTS = {"class": "net.Net", "class_arguments": {"width": 3}}


@pytest.mark.parametrize(
    ("form", "file", "options"),
    [
        ("torchscript", "model.pt", {}),
        ("export", "model.pt2", {}),
        ("state_dict", "model.pt", WEIGHTS),
        ("safetensors", "model.safetensors", WEIGHTS),
        ("pickle", "model.pt", {}),
    ],
)
def test_inputs_and_outputs_go_by_name(form, file, options, workshop, publish, client):
    made = workshop.make("torch_models", "torch")
    example = {"inputs": {"x": [[0.5, 0.5]], "z": [[0.1, 0.2, 0.3]]}}
    as_tuples = method(
        in_order(x=array(None, 2), z=array(None, 3)), in_order(**OUTPUTS["properties"]), DETAILS
    )
    run = method(INPUTS, OUTPUTS, DETAILS, example=example)
    block = servable(KIND, run, {"format": form, **options}, tuples=as_tuples)
    name = publish(made / form, f"net-{form.replace('_', '-')}", "torch", block, model=file, other=["net.py"])
    expected = np.load(made / "reference.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    second, first = client.run(name, (expected["x"], expected["z"]), method="tuples")
    for one, values in (*gave.items(), ("first", first), ("second", second)):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[one], **TOLERANCE)


def test_other_methods_and_parameters_of_a_module(workshop, publish, client):
    made = workshop.make("torch_models", "torch")
    run = method(INPUTS, OUTPUTS, DETAILS, parameters={"scale": 1.0})
    half = method(array(None, 2), array(None, 2), {"method_name": "half"})
    block = servable(KIND, run, {"format": "state_dict", **WEIGHTS}, half=half)
    name = publish(made / "state_dict", "net-methods", "torch", block, model="model.pt", other=["net.py"])
    expected = np.load(made / "reference.npz")
    np.testing.assert_allclose(client.run(name, expected["x"], method="half"), expected["half"], **TOLERANCE)
    inputs = {"x": expected["x"], "z": expected["z"]}
    doubled = client.run(name, inputs, parameters={"scale": 2.0})
    np.testing.assert_allclose(doubled["first"], 2 * expected["first"], **TOLERANCE)


def test_threads_fit_the_replicas_cores(workshop):
    made = workshop.make("torch_models", "torch")
    block = servable(KIND, method(INPUTS, OUTPUTS, DETAILS), {"format": "torchscript"})
    inputs = {"x": [[1.0, 2.0]], "z": [[1.0, 2.0, 3.0]]}

    def case(cores):
        description = described("net", "torch", {**block, "resources": {"cores": cores}}, model="model.pt")
        return {"folder": str(made / "torchscript"), "description": description, "inputs": inputs}

    one, many = workshop.attempts("torch", [case(1), case(10_000)])
    assert one["threads"] == 1
    assert many["threads"] == len(os.sched_getaffinity(0))


def test_a_site_without_gpus_gets_builds_without_them(workshop):
    environment = workshop.environment("torch").environment
    assert environment.packages["torch"].startswith("2.")
    assert [name for name in environment.packages if name.startswith(("nvidia", "triton"))] == [], (
        "set DLHUB_BUILDER_FIND_LINKS to a folder or a page with CPU builds of PyTorch"
    )
    assert "nvidia" not in environment.lock


def test_what_is_wrong_with_a_model_is_said(workshop):
    made = workshop.make("torch_models", "torch")
    cut = (made / "torchscript/model.pt").read_bytes()[:2000]
    (made / "torchscript/cut.pt").write_bytes(cut)
    (made / "state_dict/cut.pt").write_bytes(cut)

    def case(form, model="model.pt", run=None, options=None, **more):
        block = servable(KIND, run or method(INPUTS, OUTPUTS, DETAILS), {"format": form, **(options or {})})
        description = described("bad", "torch", block, model=model)
        return {"folder": str(made / form), "description": description, **more}

    other_names = method(by_name(a=array(None, 3), b=array(None, 2)), OUTPUTS, DETAILS)
    unordered = method(INPUTS, OUTPUTS)
    wide = {"inputs": {"x": [[1.0, 2.0, 3.0]], "z": [[1.0, 2.0, 3.0]]}}
    right = {"inputs": {"x": [[1.0, 2.0]], "z": [[1.0, 2.0, 3.0]]}}
    cases = {
        "cut.pt, which has 2,000 bytes, is no TorchScript model, or not all of one": case(
            "torchscript", "cut.pt"
        ),
        "reading cut.pt, which has 2,000 bytes, raised": case("state_dict", "cut.pt", options=WEIGHTS),
        "servable.options.class is missing: model.pt holds weights alone": case("state_dict"),
        "servable.options.class is 'Other', but module 'net' has none": case(
            "state_dict", options={"class": "net.Other"}
        ),
        "size mismatch for first.weight": case(
            "state_dict", options={"class": "net.Net", "class_arguments": {"width": 5}}
        ),
        "has the names a, b, but those of the model are z, x, scale": case("torchscript", run=other_names),
        "mat1 and mat2 shapes cannot be multiplied": case("torchscript", **wide),
        "the model gave 2 outputs without names: list their names in the model's order": case(
            "torchscript", run=unordered, **right
        ),
    }
    found = workshop.attempts("torch", list(cases.values()))
    for text, failure in zip(cases, found, strict=True):
        assert text in failure["message"]
    assert [one["code"] for one in found[-2:]] == ["servable_failed", "servable_failed"]
