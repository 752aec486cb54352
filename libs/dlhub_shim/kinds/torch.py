"""PyTorch models of every format: without gradients, in evaluation mode, on the GPU if there is one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from dlhub_shim import surroundings
from dlhub_shim.casting import as_array
from dlhub_shim.finding import Function, callable_of, details_of, framework, model_path
from dlhub_shim.kinds import torch_files
from dlhub_shim.kinds.torch_files import Loaded
from dlhub_shim.loaders import FunctionOf
from dlhub_shim.named import Side, arranged, declared_names, named_output, parts_of

Declared = Dict[str, Any]
Give = Callable[[List[Any]], Tuple[List[Any], Dict[str, Any]]]

_FORWARD = ("forward", "__call__", "run", "predict")
"""Names that all mean: what the module makes of its inputs."""


def load(folder: Path, description: Declared) -> FunctionOf:
    """One module; every method calls it, or the method of it that method_details.method_name names."""
    path = model_path(folder, description, "model")
    torch = framework("torch", path)
    framework("numpy", path)  # PyTorch does without, and does not bring it
    torch.set_num_threads(surroundings.threads(description))
    gpu = surroundings.may_use_gpu() and torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    model = torch_files.read(folder, description, device)
    tensors = _Tensors(torch, device, _float_type(model.module))

    def function_of(name: str, method: Declared) -> Function:
        return _function(model, tensors, name, method)

    return function_of


class _Tensors:
    """From arrays to tensors and back."""

    def __init__(self, torch: Any, device: Any, float_type: Optional[str]) -> None:
        self._torch = torch
        self._device = device
        self._float_type = float_type
        self.inference_mode = torch.inference_mode

    def of(self, value: Any, declared: Declared) -> Any:
        """Arrays as tensors, also inside lists; floats of no declared type are of that of the weights."""
        if isinstance(value, (list, tuple)) and declared.get("type") != "ndarray":
            return type(value)(self.of(item, declared.get("item_type") or {}) for item in value)
        if declared.get("type") != "ndarray" and not hasattr(value, "dtype"):
            return value
        array = as_array(value, None, "the input")
        if array.dtype == "float64" and not declared.get("dtype") and self._float_type:
            array = as_array(array, self._float_type, "the input")
        if not array.flags.writeable or any(step < 0 for step in array.strides):
            array = array.copy()
        return self._torch.from_numpy(array).to(self._device)

    def back(self, output: Any) -> Any:
        """Tensors as arrays, wherever they are in what the model gave."""
        if isinstance(output, self._torch.Tensor):
            known = output.float() if output.dtype == self._torch.bfloat16 else output
            return known.detach().cpu().numpy()
        if isinstance(output, dict):
            return {name: self.back(one) for name, one in output.items()}
        if isinstance(output, (list, tuple)):
            return [self.back(one) for one in output]
        return output


def _float_type(module: Any) -> Optional[str]:
    """NumPy's name of the type of the model's weights."""
    kinds = (str(one.dtype).replace("torch.", "") for one in module.parameters() if one.is_floating_point())
    found = next(kinds, None)
    return found if found in ("float16", "float32") else ("float32" if found == "bfloat16" else None)


def _function(model: Loaded, tensors: _Tensors, name: str, method: Declared) -> Function:
    details, where = details_of(name, method)
    wanted = details.get("method_name") or "forward"
    called = model.module
    if wanted not in _FORWARD:
        label = f"the model, a {type(model.module).__name__},"
        called = callable_of(model.module, wanted, f"{where}.method_name", label)
    where = where[: -len(".method_details")]
    declared, order = method.get("input") or {}, details.get("inputs")
    own = _own_names(model, called, declared, order)
    taken = Side(declared, order, own, f"{where}.input")
    arrange, parts, give = arranged(taken), parts_of(taken), _giver(model, own)
    name_output = named_output(
        Side(method.get("output") or {}, details.get("outputs"), None, f"{where}.output")
    )

    def function(inputs: Any, **parameters: Any) -> Any:
        values = [tensors.of(value, part) for value, part in zip(arrange(inputs), parts)]
        positional, named = give(values)
        with tensors.inference_mode():
            output = called(*positional, **named, **parameters)
        return name_output(tensors.back(output))

    return function


def _own_names(
    model: Loaded, called: Any, declared: Declared, order: Optional[Sequence[str]]
) -> Optional[List[str]]:
    """The arguments that declared names are names of, in the code's order; None: values go by their place.

    Arguments that the description does not name keep their defaults, or are parameters.
    """
    names = declared_names(declared)
    if not names:
        return None
    known = model.arguments if called is model.module else None
    every = known if known is not None else _arguments_of(called)
    if every is not None and set(names) <= set(every):
        return [one for one in every if one in names]
    return None if order or len(names) == 1 else every


def _arguments_of(called: Any) -> Optional[List[str]]:
    """Names of what a module's forward, or a method, takes; None where its code does not tell."""
    schema = getattr(called, "schema", None)
    if schema is not None:  # of a method in TorchScript
        return [one.name for one in schema.arguments[1:]]
    try:
        return list(inspect.signature(getattr(called, "forward", called)).parameters)
    except (TypeError, ValueError):
        return None


def _giver(model: Loaded, own: Optional[List[str]]) -> Give:
    """How values are given: by name where they have names, since arguments in between may be left out."""
    if own is None:
        return lambda values: (values, {})
    named = frozenset(own if model.by_name is None else model.by_name)

    def give(values: List[Any]) -> Tuple[List[Any], Dict[str, Any]]:
        both = list(zip(own, values))
        return (
            [value for name, value in both if name not in named],
            {name: value for name, value in both if name in named},
        )

    return give
