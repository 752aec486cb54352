"""An ONNX model of two inputs, z before x, and two outputs."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

out = Path(sys.argv[1])


def rows(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2])


graph = helper.make_graph(
    [
        helper.make_node("Sub", ["z", "x"], ["difference"]),
        helper.make_node("Mul", ["difference", "w"], ["scaled"]),
    ],
    "test",
    [rows("z"), rows("x")],
    [rows("scaled"), rows("difference")],
    [helper.make_tensor("w", TensorProto.FLOAT, [2], [2.0, 3.0])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
(out / "published").mkdir()
onnx.save(model, out / "published" / "model.onnx")

rng = np.random.default_rng(7)
given = {"z": rng.random((5, 2), "f4"), "x": rng.random((5, 2), "f4")}
session = onnxruntime.InferenceSession(out / "published" / "model.onnx", providers=["CPUExecutionProvider"])
scaled, difference = session.run(["scaled", "difference"], given)
np.savez(out / "reference.npz", **given, scaled=scaled, difference=difference)
