"""ONNX models, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from dlhub_shim import surroundings
from dlhub_shim.complaints import InputMismatch
from dlhub_shim.finding import Function, framework, loaded, model_path
from dlhub_shim.kinds.tensors import Port, function_on, lengths, text_or_lists
from dlhub_shim.loaders import FunctionOf

Declared = Dict[str, Any]

_DTYPES = {
    "float": "float32",
    "double": "float64",
    "string": "object",
    **{name: name for name in ("bool", "float16", "int8", "int16", "int32", "int64")},
    **{name: name for name in ("uint8", "uint16", "uint32", "uint64")},
}
_ERRORS_ONLY = 3
_CUDA = "CUDAExecutionProvider"


def load(folder: Path, description: Declared) -> FunctionOf:
    """One session on dlhub.files.model; external data lies beside it. Parameters are run options' names."""
    path = model_path(folder, description, "model")
    runtime = framework("onnxruntime", path)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = surroundings.threads(description)
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    session = loaded(
        lambda: runtime.InferenceSession(str(path), options, providers=_providers(runtime)), path
    )
    ports = [Port(one.name, _dtype(one.type), lengths(one.shape)) for one in session.get_inputs()]
    outputs = [one.name for one in session.get_outputs()]

    def run(values: List[Any], parameters: Dict[str, Any]) -> List[Any]:
        if parameters:
            raise InputMismatch(f"an ONNX model takes no parameters; {next(iter(parameters))!r} was given")
        given = {port.name: value for port, value in zip(ports, values)}
        return [_plain(value) for value in session.run(outputs, given)]

    def function_of(name: str, method: Declared) -> Function:
        return function_on(run, name, method, ports, outputs)

    return function_of


def _providers(runtime: Any) -> List[str]:
    there = runtime.get_available_providers()
    gpu = [_CUDA] if surroundings.may_use_gpu() and _CUDA in there else []
    return [*gpu, "CPUExecutionProvider"]


def _dtype(kind: str) -> Any:
    """NumPy's name of `tensor(float)`; None for what is no tensor."""
    return _DTYPES.get(kind[len("tensor(") : -1]) if kind.startswith("tensor(") else None


def _plain(value: Any) -> Any:
    """Texts come as an array of objects; sequences and maps as lists and dicts."""
    return text_or_lists(value) if getattr(getattr(value, "dtype", None), "kind", "") == "O" else value
