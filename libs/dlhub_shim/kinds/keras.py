"""Keras models: `.keras`, HDF5, or weights with the architecture in JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from dlhub_shim import surroundings
from dlhub_shim.complaints import LoadError
from dlhub_shim.finding import (
    Function,
    callable_of,
    check_archive,
    details_of,
    framework,
    import_class,
    loaded,
    model_path,
    options_of,
)
from dlhub_shim.kinds.tensors import Port, function_on, lengths, numpy_dtype
from dlhub_shim.loaders import FunctionOf
from dlhub_shim.named import declared_names

Declared = Dict[str, Any]
Call = Callable[..., Any]

_UNKNOWN = re.compile(r"(?:Could not locate (?:class|function)|Unknown [a-z_ ]+:) '([^']+)'")
_OURS = ("predict", "call", "__call__")
"""Names that all mean: what the model makes of its inputs."""


def load(folder: Path, description: Declared) -> FunctionOf:
    """One model; every method calls it, or the method of it that method_details.method_name names."""
    path = model_path(folder, description, "model")
    surroundings.choose_keras_backend()
    keras = framework("keras", path)
    custom = _custom_objects(folder, description)
    model = loaded(lambda: _read(keras, path, folder, description, custom), path)
    call = _compiled(keras, model)

    def function_of(name: str, method: Declared) -> Function:
        details, where = details_of(name, method)
        wanted = details.get("method_name") or "predict"
        if wanted not in _OURS:
            label = f"the model in {path.name}, a {type(model).__name__},"
            return callable_of(model, wanted, f"{where}.method_name", label)
        return _model_function(keras, model, call, name, method)

    return function_of


def _custom_objects(folder: Path, description: Declared) -> Dict[str, Any]:
    where = "servable.options.custom_objects"
    named = options_of(description).get("custom_objects") or {}
    return {name: import_class(path, f"{where}.{name}", folder) for name, path in named.items()}


def _read(keras: Any, path: Path, folder: Path, description: Declared, custom: Dict[str, Any]) -> Any:
    if path.suffix == ".keras":
        check_archive(path, "Keras model")
    files = (description.get("dlhub") or {}).get("files") or {}
    try:
        if not files.get("arch"):
            # safe_mode: whoever publishes a model may publish code with it, so a Lambda layer may as well.
            return keras.saving.load_model(str(path), custom_objects=custom, compile=False, safe_mode=False)
        arch = model_path(folder, description, "arch")
        model = loaded(
            lambda: keras.models.model_from_json(arch.read_text("utf-8"), custom_objects=custom), arch
        )
        model.load_weights(str(path))
    except Exception as error:
        raise _explained(error, path) from error
    return model


def _explained(error: Exception, path: Path) -> Exception:
    """What Keras says of a class that it does not know, in fewer words."""
    found = _UNKNOWN.search(str(error))
    if not found:
        return error
    name = found.group(1)
    return LoadError(
        f"{path.name} uses {name!r}, which Keras does not have: name it in servable.options.custom_objects, "
        f'as {{"{name}": "module.Class"}}, and publish that module with the model'
    )


def _compiled(keras: Any, model: Any) -> Call:
    """The model as something to call with tensors: as a graph, which for few rows is several times faster."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _graph(model)
    if backend == "torch":
        return _without_gradients(model)
    return lambda values, **parameters: model(values, **{"training": False, **parameters})


def _graph(model: Any) -> Call:
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    inputs = _inputs_of(model)
    signature = None
    if inputs is not None:
        # One graph for every number of rows.
        signature = [
            tensorflow.nest.map_structure(lambda one: tensorflow.TensorSpec(one.shape, one.dtype), inputs)
        ]
    graph = tensorflow.function(
        lambda values: model(values, training=False), input_signature=signature, reduce_retracing=True
    )

    def call(values: Any, **parameters: Any) -> Any:
        # Each value of a parameter would be a graph of its own.
        return model(values, **{"training": False, **parameters}) if parameters else graph(values)

    return call


def _without_gradients(model: Any) -> Call:
    import torch

    def call(values: Any, **parameters: Any) -> Any:
        with torch.inference_mode():
            return model(values, **{"training": False, **parameters})

    return call


def _model_function(keras: Any, model: Any, call: Call, name: str, method: Declared) -> Function:
    inputs = _inputs_of(model)
    ports, nested = _known(model, inputs) if inputs is not None else _as_described(method)

    def run(values: List[Any], parameters: Dict[str, Any]) -> Any:
        tensors = [keras.ops.convert_to_tensor(value) for value in values]
        given: Any = dict(zip([port.name for port in ports], tensors)) if nested is dict else tensors
        return _arrays(keras, call(given if nested else given[0], **parameters))

    return function_on(run, name, method, ports, _output_names(model))


def _inputs_of(model: Any) -> Any:
    """The symbolic inputs, as they are nested; None for a model whose own code alone knows them."""
    try:
        return model.input
    except (AttributeError, ValueError):
        return None


def _known(model: Any, inputs: Any) -> Tuple[List[Port], Any]:
    """The model's inputs, and whether it takes them in a dict, in a list, or as the one that there is."""
    if isinstance(inputs, dict):
        return [_port(name, one) for name, one in inputs.items()], dict
    nested = list if isinstance(inputs, (list, tuple)) else None
    return [_port(one.name, one) for one in model.inputs], nested


def _port(name: str, tensor: Any) -> Port:
    return Port(name, numpy_dtype(tensor.dtype), lengths(tensor.shape))


def _as_described(method: Declared) -> Tuple[List[Port], Any]:
    """The same for a model that does not tell: as described, in a dict unless that gives an order."""
    declared = method.get("input") or {}
    order = (method.get("method_details") or {}).get("inputs")
    if declared.get("type") not in ("dict", "tuple"):
        return [Port("inputs")], None
    names = order or declared_names(declared) or [str(one) for one in range(len(declared["element_types"]))]
    return [Port(name) for name in names], list if order or declared["type"] == "tuple" else dict


def _output_names(model: Any) -> Optional[List[str]]:
    names = getattr(model, "output_names", None)
    return list(names) if names else None


def _arrays(keras: Any, output: Any) -> Any:
    """What the model gave, as arrays."""
    if isinstance(output, dict):
        return {name: _arrays(keras, one) for name, one in output.items()}
    if isinstance(output, (list, tuple)):
        return [_arrays(keras, one) for one in output]
    return keras.ops.convert_to_numpy(output)
