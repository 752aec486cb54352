"""Files of PyTorch models, in the formats that servable.options.format can name."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from dlhub_shim.complaints import LoadError, brief, dependency
from dlhub_shim.finding import check_archive, import_class, loaded, model_path, options_of

Declared = Dict[str, Any]

_STATES = ("state_dict", "model_state_dict", "model")
"""Where checkpoints keep the weights, beside epochs and optimisers."""


class Loaded(NamedTuple):
    """A model, ready to be called."""

    module: Any
    arguments: Optional[List[str]]
    """Names of what `forward` takes, in order; None where the module is Python code, which can be asked."""
    by_name: Optional[List[str]] = None
    """Those that must be given by name, as the others must not be; None: all may be."""


class _Source(NamedTuple):
    path: Path
    folder: Path
    options: Declared
    device: Any


def read(folder: Path, description: Declared, device: Any) -> Loaded:
    """The model of dlhub.files.model, on the device. Raises LoadError."""
    options = options_of(description)
    reader = _READERS.get(options.get("format"))
    if reader is None:
        known = ", ".join(repr(name) for name in _READERS)
        raise LoadError(f"servable.options.format is {options.get('format')!r}; it can be {known}")
    source = _Source(model_path(folder, description, "model"), folder, options, device)
    with warnings.catch_warnings():
        # That the format will be replaced one day is nothing that the callers of a model can change.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return reader(source)


def _torchscript(source: _Source) -> Loaded:
    import torch

    check_archive(source.path, "TorchScript model")
    module = loaded(lambda: torch.jit.load(str(source.path), map_location=source.device), source.path)
    arguments = [one.name for one in module.forward.schema.arguments[1:]]
    return Loaded(module.eval(), arguments)


def _export(source: _Source) -> Loaded:
    import inspect

    import torch

    check_archive(source.path, "exported program")
    program = loaded(lambda: torch.export.load(str(source.path)), source.path)
    if source.device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, source.device)
    module = program.module()  # in the mode, of training or not, in which it was exported
    by_name = program.call_spec.in_spec.children()[1].context  # as the example that it was exported with
    return Loaded(module, list(inspect.signature(module.forward).parameters), list(by_name))


def _state_dict(source: _Source) -> Loaded:
    import torch

    return _with_weights(
        source, lambda: torch.load(str(source.path), map_location=source.device, weights_only=True)
    )


def _safetensors(source: _Source) -> Loaded:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise LoadError(f"{source.path.name} needs {dependency('safetensors')}") from error
    return _with_weights(source, lambda: load_file(str(source.path), device=str(source.device)))


def _with_weights(source: _Source, weights_of: Callable[[], Any]) -> Loaded:
    """An instance of options.class with the weights of the file."""
    where = "servable.options.class"
    if not source.options.get("class"):
        raise LoadError(
            f'{where} is missing: {source.path.name} holds weights alone; "module.Class" takes them'
        )
    make = import_class(source.options["class"], where, source.folder)
    try:
        module = make(**(source.options.get("class_arguments") or {}))
    except Exception as error:  # the model's own code
        raise LoadError(f"{where}, {source.options['class']}, raised {brief(error)}") from error
    weights = _weights_in(loaded(weights_of, source.path))
    try:
        module.load_state_dict(weights)
    except Exception as error:
        raise LoadError(
            f"the weights in {source.path.name} are not those of {source.options['class']} with "
            f"class_arguments {source.options.get('class_arguments') or {}}: {error}"
        ) from error
    return Loaded(module.to(source.device).eval(), None)


def _weights_in(content: Any) -> Any:
    """The weights of a checkpoint."""
    if isinstance(content, dict):
        for key in _STATES:
            if isinstance(content.get(key), dict):
                return content[key]
    return content


def _pickle(source: _Source) -> Loaded:
    """A whole module; like any pickle it runs what it likes, which only its author can answer for."""
    import torch

    module = loaded(
        lambda: torch.load(str(source.path), map_location=source.device, weights_only=False), source.path
    )
    if not callable(getattr(module, "eval", None)):
        raise LoadError(
            f"{source.path.name} holds a {type(module).__name__}, no module: for weights alone, "
            "servable.options.format is 'state_dict'"
        )
    return Loaded(module.eval(), None)


_READERS: Dict[Any, Callable[[_Source], Loaded]] = {
    "torchscript": _torchscript,
    "export": _export,
    "state_dict": _state_dict,
    "safetensors": _safetensors,
    "pickle": _pickle,
}
