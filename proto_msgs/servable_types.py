"""The types of servables: which files each needs, its options, and what must be in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proto_msgs.servable_block import ServableType


@dataclass(frozen=True)
class Option:
    """An entry of `servable.options`."""

    meaning: str
    values: tuple[str, ...] = ()
    """The texts that it may be; empty: anything."""


@dataclass(frozen=True)
class TypeFacts:
    """What a description of this type holds."""

    runs: str
    """What a method calls."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name under `dlhub.files` to what it is."""
    needs_one_of: tuple[str, ...] = ()
    """Names of which one must be there."""
    options: Mapping[str, Option] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    """Packages without which it does not load."""


SERVABLE_TYPES: Mapping[ServableType, TypeFacts] = {
    "Python static method": TypeFacts(
        "the function that `method_details` names by `module` and `method_name`",
        {"other": "the module, and whatever it reads"},
    ),
    "Python class method": TypeFacts(
        "the method of the unpickled object that `method_details.method_name` names",
        {
            "pickle": "the pickled object",
            "model": "the same by another name",
            "other": "modules that it needs",
        },
        ("pickle", "model"),
    ),
    "Scikit-learn estimator": TypeFacts(
        "the estimator's method that `method_details.method_name` names; `predict` if it names none",
        {"model": "the estimator"},
        ("model",),
        {
            "serialization_method": Option("how the file was written", ("pickle", "joblib", "skops")),
            "is_classifier": Option("whether it tells classes; for people to read"),
            "classes": Option("names of the classes; for people to read"),
        },
        ("scikit-learn", "numpy"),
    ),
    "Keras Model": TypeFacts(
        "the model, or the method of it that `method_details.method_name` names",
        {
            "model": "`.keras`, `.h5` or `.hdf5`; or weights, beside `arch`",
            "arch": "the architecture in JSON, where `model` holds the weights alone",
        },
        ("model",),
        {"custom_objects": Option('name to "module.Class", for layers and functions of the author\'s own')},
        ("keras", "tensorflow, or another backend of Keras"),
    ),
    "TensorFlow Model": TypeFacts(
        "the signature that `method_details.signature` names; `run` is `serving_default` if it names none",
        {"model": "folder of the SavedModel", "other": "all files in it"},
        ("model", "other"),
        environment=("tensorflow",),
    ),
    "Torch Model": TypeFacts(
        "the module, in inference mode",
        {"model": "the program, or the weights", "other": "modules that it needs"},
        ("model",),
        {
            "format": Option(
                "how the file was written", ("torchscript", "export", "state_dict", "safetensors", "pickle")
            ),
            "class": Option(
                '"module.Class" of the module that takes the weights of state_dict and safetensors'
            ),
            "class_arguments": Option("keyword arguments of that class"),
        },
        ("torch", "safetensors, for that format"),
    ),
    "ONNX Model": TypeFacts(
        "the graph",
        {"model": "`.onnx`", "other": "its external data, where it has some"},
        ("model",),
        environment=("onnxruntime",),
    ),
    "XGBoost Model": TypeFacts(
        "the booster's prediction",
        {"model": "`.json` or `.ubj`"},
        ("model",),
        environment=("xgboost",),
    ),
    "LightGBM Model": TypeFacts(
        "the booster's prediction",
        {"model": "`.txt`"},
        ("model",),
        environment=("lightgbm",),
    ),
    "Pipeline": TypeFacts("the servables in `servable.steps`, one after the other; the hub itself runs it"),
}
