"""SavedModels: every signature can be a method, and its inputs go by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from dlhub_shim.complaints import InputMismatch, LoadError, listed
from dlhub_shim.finding import Function, details_of, framework, loaded, model_path
from dlhub_shim.kinds.tensors import Port, function_on, lengths, numpy_dtype, text_or_lists
from dlhub_shim.loaders import FunctionOf

Declared = Dict[str, Any]

_DEFAULT = "serving_default"
_FILE = "saved_model.pb"


def load(folder: Path, description: Declared) -> FunctionOf:
    """One SavedModel; `run` is serving_default, unless method_details.signature says another."""
    path = saved_model_folder(folder, description)
    tensorflow = framework("tensorflow", path)
    tensorflow.get_logger().setLevel("ERROR")
    model = loaded(lambda: tensorflow.saved_model.load(str(path)), path)

    def function_of(name: str, method: Declared) -> Function:
        return _signature_function(tensorflow, model, name, method)

    return function_of


def saved_model_folder(folder: Path, description: Declared) -> Path:
    """The folder that holds saved_model.pb. Raises LoadError."""
    files = (description.get("dlhub") or {}).get("files") or {}
    if not files.get("model"):  # the original's descriptions list all files, and name none
        found = [str(name) for name in files.get("other") or () if Path(name).name == _FILE]
        if len(found) == 1:
            return (folder / found[0]).parent
    path = model_path(folder, description, "model")
    return path.parent if path.name == _FILE else path


def _signature_function(tensorflow: Any, model: Any, name: str, method: Declared) -> Function:
    signature = model.signatures[signature_key(name, method, list(model.signatures))]
    specs = dict(sorted(signature.structured_input_signature[1].items()))
    ports = [Port(one, numpy_dtype(spec.dtype.as_numpy_dtype), _shape(spec)) for one, spec in specs.items()]

    def run(values: List[Any], parameters: Dict[str, Any]) -> Dict[str, Any]:
        if parameters:
            raise InputMismatch(f"a signature takes no parameters; {next(iter(parameters))!r} was given")
        named = zip(specs.items(), values)
        given = {one: tensorflow.constant(value, spec.dtype) for (one, spec), value in named}
        return {one: plain(tensor) for one, tensor in signature(**given).items()}

    return function_on(run, name, method, ports, list(signature.structured_outputs), ordered=False)


def signature_key(name: str, method: Declared, signatures: List[str]) -> str:
    """The signature that is a method, of those that the SavedModel has. Raises LoadError."""
    details, where = details_of(name, method)
    key = details.get("signature") or (_DEFAULT if name == "run" else name)
    if key not in signatures:
        there = listed(signatures)
        raise LoadError(f"{where}.signature is {key!r}, but the SavedModel has the signatures {there}")
    return str(key)


def _shape(spec: Any) -> Any:
    return lengths(spec.shape.as_list() if spec.shape.rank is not None else None)


def plain(tensor: Any) -> Any:
    """A tensor as an array; texts, which come as objects, as texts."""
    import numpy

    array = numpy.asarray(tensor.numpy())
    return (
        text_or_lists(array if array.dtype.kind == "O" else array.astype(object))
        if _is_text(array)
        else array
    )


def _is_text(array: Any) -> bool:
    return array.dtype.kind in "OS"
