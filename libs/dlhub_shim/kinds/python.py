"""Functions of modules, and methods of pickled objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from dlhub_shim.complaints import LoadError
from dlhub_shim.finding import Function, callable_of, details_of, import_module, model_path, unpickled
from dlhub_shim.loaders import FunctionOf

Declared = Dict[str, Any]


def load_static(folder: Path, _description: Declared) -> FunctionOf:
    """Functions of modules: method_details.module and .method_name."""

    def function_of(name: str, method: Declared) -> Function:
        details, where = details_of(name, method)
        if not details.get("module"):
            raise LoadError(f"{where}.module is missing: it names the module that holds the function")
        module = import_module(details["module"], f"{where}.module", folder)
        wanted = details.get("method_name") or name
        return callable_of(module, wanted, f"{where}.method_name", f"module {module.__name__!r}")

    return function_of


def load_class(folder: Path, description: Declared) -> FunctionOf:
    """Methods of one pickled object: dlhub.files.pickle and method_details.method_name."""
    path = model_path(folder, description, "pickle", "model")
    instance = unpickled(path)
    label = f"the object in {path.name}, of class {type(instance).__name__!r},"

    def function_of(name: str, method: Declared) -> Function:
        details, where = details_of(name, method)
        return callable_of(instance, details.get("method_name") or name, f"{where}.method_name", label)

    return function_of
