"""Makes the small model files beside it with the real frameworks, and expected.json with their idea of each.

Run it where these are installed; the project itself needs none of them:

    pip install torch tensorflow-cpu keras onnx xgboost-cpu lightgbm skops safetensors scikit-learn joblib
    python make_models.py

The tests read the files without the frameworks and compare with expected.json.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import lightgbm
import numpy as np
import onnx
import sklearn
import skops.io
import tensorflow as tf
import torch
import xgboost
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
Facts = dict[str, Any]


def tensor(name: str, shape: Any, dtype: str) -> Facts:
    return {"name": name, "shape": None if shape is None else list(shape), "dtype": dtype}


# --- Keras ---


def of_keras(model: Any) -> Facts:
    """As Keras itself sees the model."""
    return {
        "version": keras.__version__,
        "parameter_count": model.count_params(),
        "inputs": [tensor(one.name, one.shape, one.dtype) for one in model.inputs],
        "outputs": [
            tensor(name, one.shape, one.dtype)
            for name, one in zip(output_names(model), model.outputs, strict=True)
        ],
        "layers": [[layer.name, type(layer).__name__] for layer in model.layers],
    }


def output_names(model: Any) -> list[str]:
    """Of a sequential model its last layer's."""
    return list(getattr(model, "output_names", None) or [model.layers[-1].name])


def pictures() -> Any:
    picture = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(picture)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(picture, keras.layers.Dense(3, activation="softmax", name="species")(x), name="cnn")


def several() -> Any:
    """Inputs whose order is not the alphabet's, and two outputs."""
    z = keras.Input((4,), name="z")
    x = keras.Input((2,), name="x", dtype="int32")
    joined = keras.layers.Concatenate()([z, keras.layers.Flatten()(keras.layers.Embedding(10, 3)(x))])
    energy = keras.layers.Dense(1, name="energy")(joined)
    return keras.Model([z, x], [energy, keras.layers.Dense(2, name="forces")(joined)], name="several")


def trained() -> Any:
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 5)), np.zeros((2, 2)), verbose=0)
    return model


def make_keras() -> dict[str, Facts]:
    keras.utils.set_random_seed(0)
    cnn, two, sequential = pictures(), several(), trained()
    cnn.save(HERE / "cnn.keras")
    cnn.save_weights(HERE / "cnn.weights.h5")
    (HERE / "cnn.json").write_text(cnn.to_json())
    two.save(HERE / "two.h5")
    sequential.save(HERE / "sequential.keras")
    facts = of_keras(cnn)
    return {
        "cnn.keras": facts,
        "cnn.weights.h5": {**facts, "version": None},
        "two.h5": of_keras(two),
        "sequential.keras": of_keras(sequential),
    }


# --- layers of Keras ---

KEPT = (
    "units", "output_dim", "target_shape", "dims", "n", "axis", "return_sequences", "data_format",
    "kernel_size", "strides", "dilation_rate", "padding", "filters", "depth_multiplier", "output_padding",
    "pool_size", "keepdims", "size", "cropping", "layer", "merge_mode", "output_shape",
)  # fmt: skip
"""The settings of layers from which shapes follow."""


def windowed() -> list[tuple[Any, Any]]:
    """Layers that slide a window, with every padding and several strides."""
    found: list[tuple[Any, Any]] = []
    layers = keras.layers
    for padding in ("same", "valid"):
        for stride in (1, 2, 3):
            slide: Facts = {"strides": stride, "padding": padding}
            found += [
                ((17, 13, 3), layers.Conv2D(4, 3, **slide)),
                ((17, 3), layers.Conv1D(4, 5, **slide)),
                ((9, 8, 7, 2), layers.Conv3D(2, 2, **slide)),
                ((17, 13, 3), layers.Conv2DTranspose(4, 3, **slide)),
                ((17, 3), layers.Conv1DTranspose(4, 2, **slide)),
                ((17, 13, 3), layers.DepthwiseConv2D(3, depth_multiplier=2, **slide)),
                ((17, 13, 3), layers.SeparableConv2D(5, 3, **slide)),
                ((17, 13, 3), layers.MaxPooling2D(2, **slide)),
                ((17, 3), layers.AveragePooling1D(3, **slide)),
            ]
        found.append(((17, 13, 3), layers.Conv2D(4, 3, dilation_rate=2, padding=padding)))
    return found


def shaping() -> list[tuple[Any, Any]]:
    layers = keras.layers
    found: list[tuple[Any, Any]] = [
        ((17, 3), layers.Conv1D(4, 5, padding="causal")), ((None, None, 3), layers.Conv2D(4, 3)),
        ((17, 13, 3), layers.UpSampling2D((2, 3))), ((17, 3), layers.UpSampling1D(2)),
        ((17, 13, 3), layers.ZeroPadding2D(((1, 2), (3, 4)))), ((17, 13, 3), layers.ZeroPadding2D(2)),
        ((17, 3), layers.ZeroPadding1D((1, 2))), ((17, 13, 3), layers.ZeroPadding2D((1, 2))),
        ((17, 13, 3), layers.Cropping2D(((1, 2), (3, 4)))), ((17, 3), layers.Cropping1D(2)),
        ((17, 13, 3), layers.GlobalAveragePooling2D()), ((17, 3), layers.GlobalAveragePooling1D()),
        ((17, 13, 3), layers.GlobalMaxPooling2D(keepdims=True)), ((4, 3), layers.Flatten()),
        ((None, 3), layers.Flatten()), ((12,), layers.Reshape((-1, 3))), ((4, 3), layers.Permute((2, 1))),
        ((4,), layers.RepeatVector(3)), ((5, 3), layers.Dense(4)), ((5,), layers.Embedding(10, 4)),
        ((5, 3), layers.TimeDistributed(layers.Dense(4))), ((5, 4), layers.LayerNormalization()),
        ((5, 8, 8, 3), layers.TimeDistributed(layers.Conv2D(4, 3))),
        ((5, 6), layers.EinsumDense("abc,cd->abd", output_shape=(None, 9))),
    ]  # fmt: skip
    for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        found += [((5, 3), kind(6)), ((None, 3), kind(6, return_sequences=True))]
        found += [
            ((5, 3), layers.Bidirectional(kind(6))),
            ((5, 3), layers.Bidirectional(kind(6), merge_mode="sum")),
        ]
    return found


def make_layers() -> None:
    """What Keras itself says each layer gives: kind, settings, shapes taken, shape given."""
    rows = []
    for shape, layer in [*windowed(), *shaping()]:
        given = layer(keras.Input(shape)).shape
        rows.append([type(layer).__name__, kept(layer.get_config()), [[None, *shape]], list(given)])
    a, b, c = keras.Input((3, 4)), keras.Input((3, 4)), keras.Input((1, 4))
    merged = [
        (keras.layers.Add(), [a, b]), (keras.layers.Multiply(), [a, c]), (keras.layers.Concatenate(), [a, b]),
        (keras.layers.Concatenate(axis=1), [a, c]), (keras.layers.Maximum(), [a, b]),
    ]  # fmt: skip
    for layer, taken in merged:
        shapes = [list(one.shape) for one in taken]
        rows.append([type(layer).__name__, kept(layer.get_config()), shapes, list(layer(taken).shape)])
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "keras_layers.json").write_text(f"[\n{lines}\n]\n")


def kept(config: Facts) -> Facts:
    found = {key: config[key] for key in KEPT if key in config}
    if isinstance(found.get("layer"), dict):
        inner = found["layer"]
        found["layer"] = {"class_name": inner["class_name"], "config": kept(inner["config"])}
    return found


# --- TensorFlow ---


def make_tensorflow() -> dict[str, Facts]:
    """A SavedModel with three signatures: one is frozen, one throws dice, one counts its calls."""
    module = tf.Module()
    module.w, module.count = tf.Variable(np.ones((4, 2), np.float32)), tf.Variable(0)

    def scale(z, a):  # type: ignore[no-untyped-def]
        return {"y": z @ module.w * a}

    def lengths(t):  # type: ignore[no-untyped-def]
        return tf.strings.length(t) + tf.cast(tf.random.uniform([]), tf.int32)

    def counting(x):  # type: ignore[no-untyped-def]
        module.count.assign_add(1)
        return x * tf.cast(module.count, tf.float32)

    wanted = {
        "serving_default": (scale, [([None, 4], tf.float32, "z"), ([], tf.float32, "a")]),
        "lengths": (lengths, [(None, tf.string, "t")]),
        "counting": (counting, [([None, 3], tf.float32, "x")]),
    }
    for name, (function, taken) in wanted.items():
        specs = [tf.TensorSpec(shape, dtype, name=one) for shape, dtype, one in taken]
        setattr(module, f"_{name}", tf.function(function, input_signature=specs))
    folder = HERE / "saved"
    shutil.rmtree(folder, ignore_errors=True)
    signatures = {name: getattr(module, f"_{name}") for name in wanted}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return {"saved": of_saved_model(folder)}


def of_saved_model(folder: Path) -> Facts:
    loaded = tf.saved_model.load(str(folder))
    found = {}
    for name, signature in loaded.signatures.items():
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        found[name] = {
            "inputs": sorted((spec(one, of) for one, of in inputs.items()), key=lambda one: one["name"]),
            "outputs": sorted((spec(one, of) for one, of in outputs.items()), key=lambda one: one["name"]),
        }
    return {"version": tf.__version__, "parameter_count": 8, "signatures": found}


def spec(name: str, found: Any) -> Facts:
    shape = found.shape.as_list() if found.shape.rank is not None else None
    return tensor(name, shape, "str" if found.dtype == tf.string else found.dtype.name)


# --- PyTorch ---


class Net(torch.nn.Module):
    """Scales what it finds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm, self.drop = torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout()
        self.register_buffer("offset", torch.zeros(2))

    def forward(self, x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        return torch.relu(self.norm(self.linear(x))) * scale


class Two(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, z: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.linear(z) + x, {"k": x * 2}


def of_torch(model: Any) -> Facts:
    named = [*model.named_parameters(), *model.named_buffers()]
    return {
        "version": torch.__version__.partition("+")[0],
        "parameter_count": sum(one.numel() for one in model.parameters()),
        "tensors": {name: [list(one.shape), str(one.dtype).removeprefix("torch.")] for name, one in named},
    }


def make_torch() -> dict[str, Facts]:
    torch.manual_seed(0)
    net, two = Net().eval(), Two().eval()
    torch.jit.script(net).save(HERE / "script.pt")
    torch.jit.trace(net, torch.zeros(2, 4)).save(HERE / "trace.pt")
    torch.jit.freeze(torch.jit.script(net)).save(HERE / "frozen.pt")
    torch.jit.script(two).save(HERE / "script_two.pt")
    torch.save(net.state_dict(), HERE / "state.pt")
    torch.save({"model": net.state_dict(), "epoch": 3}, HERE / "checkpoint.pt")
    torch.save(net.state_dict(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Sequential(torch.nn.Linear(4, 3)), HERE / "module.pt")
    save_file(net.state_dict(), HERE / "net.safetensors")
    many = torch.export.Dim("batch", max=64)
    export(two, (torch.zeros(2, 4), torch.zeros(2, 3)), ({0: many}, {0: many}), "two.pt2")
    export(net, (torch.zeros(2, 4),), {"x": {0: torch.export.Dim.DYNAMIC}}, "net.pt2")
    facts = of_torch(net)
    same = ("script.pt", "trace.pt", "state.pt", "checkpoint.pt", "legacy.pt", "net.safetensors", "net.pt2")
    return {**dict.fromkeys(same, facts), "two.pt2": of_torch(two), "script_two.pt": of_torch(two)}


def export(model: Any, sample: tuple[Any, ...], shapes: Any, name: str) -> None:
    torch.export.save(torch.export.export(model, sample, dynamic_shapes=shapes), HERE / name)


# --- ONNX ---


def make_onnx() -> dict[str, Facts]:
    weights = [
        numpy_helper.from_array(np.ones((4, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones(3, np.float32), "b"),
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("Add", ["t", "b"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], producer_name="by hand", producer_version="1"
    )
    helper.set_model_props(model, {"author": "Ada"})
    onnx.checker.check_model(model)
    onnx.save(model, HERE / "net.onnx")
    onnx.save(
        model, HERE / "beside.onnx", save_as_external_data=True, location="beside.data", size_threshold=0
    )
    (HERE / "beside.data").chmod(0o644)
    facts = {
        "version": "opset 21",
        "parameter_count": 15,
        "inputs": [tensor("x", ["batch", 4], "float32")],
        "outputs": [tensor("y", ["batch", 3], "float32")],
    }
    return {"net.onnx": facts, "beside.onnx": facts}


# --- trees and estimators ---


def make_tables() -> dict[str, Facts]:
    flowers = load_iris(as_frame=True)
    classifier = xgboost.XGBClassifier(n_estimators=2, max_depth=2).fit(flowers.data, flowers.target)
    classifier.save_model(HERE / "flowers.json")
    classifier.save_model(HERE / "flowers.ubj")
    matrix = xgboost.DMatrix(flowers.data.to_numpy(), flowers.target)
    settings = {"objective": "reg:squarederror", "max_depth": 2}
    xgboost.train(settings, matrix, 2).save_model(HERE / "regression.ubj")
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_leaves": 3}
    booster = lightgbm.train(settings, lightgbm.Dataset(flowers.data, flowers.target), 2)
    booster.save_model(HERE / "flowers.txt")
    names = flowers.target_names[flowers.target]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(flowers.data, names)
    skops.io.dump(pipeline, HERE / "flowers.skops")
    boosted = {
        "version": xgboost.__version__,
        "columns": classifier.n_features_in_,
        "names": classifier.get_booster().feature_names,
        "output": list(classifier.get_booster().predict(xgboost.DMatrix(flowers.data)).shape[1:]),
    }
    return {
        "flowers.json": boosted,
        "flowers.ubj": boosted,
        "flowers.txt": {
            "columns": booster.num_feature(),
            "names": booster.feature_name(),
            "output": list(booster.predict(flowers.data).shape[1:]),
        },
        "flowers.skops": {
            "version": sklearn.__version__,
            "columns": pipeline.n_features_in_,
            "names": list(pipeline.feature_names_in_),
            "classes": list(pipeline.classes_),
        },
    }


def main() -> None:
    found: dict[str, Facts] = {}
    for make in (make_keras, make_tensorflow, make_torch, make_onnx, make_tables):
        found.update(make())
    make_layers()
    text = json.dumps(found, indent=1, default=str)
    (HERE / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
