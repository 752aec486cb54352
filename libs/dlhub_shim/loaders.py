"""From a description and a folder of files to callables, one per method.

Whatever goes wrong is a `LoadError` that says which part of the description asked for what, what was found
instead and what to do; the original exception is its cause.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
from pathlib import Path
from typing import Any, Callable, Dict, List

from dlhub_shim.inputs import converter
from dlhub_shim.vectorised import Vectorised

Declared = Dict[str, Any]
Function = Callable[..., Any]
Method = Callable[[Any, Dict[str, Any]], Any]
"""Takes the inputs and the caller's parameters, gives the output."""

_MAX_LISTED = 12
_SCRIPT_HINT = (
    ". Its class was defined in a script or notebook: define it in a module of its own, pickle it again, and "
    "publish that module with it"
)


class LoadError(Exception):
    """The model cannot be loaded; the message is for its author."""


def load_methods(folder: Path, description: Declared) -> Dict[str, Method]:
    """The methods of the servable in `folder`, by name; its modules must be importable. Raises LoadError."""
    servable = description["servable"]
    kind = servable.get("type")
    load = _LOADERS.get(kind)
    if load is None:
        known = ", ".join(repr(name) for name in _LOADERS)
        raise LoadError(f"servable.type is {kind!r}; this worker knows {known}")
    function_of = load(folder, description)
    return {name: _method(function_of(name, method), method) for name, method in servable["methods"].items()}


FunctionOf = Callable[[str, Declared], Function]


def _static(_folder: Path, _description: Declared) -> FunctionOf:
    """Functions of modules: method_details.module and .method_name."""

    def function_of(name: str, method: Declared) -> Function:
        details = method.get("method_details") or {}
        where = f"servable.methods.{name}.method_details"
        if not details.get("module"):
            raise LoadError(f"{where}.module is missing: it names the module that holds the function")
        module = _import(details["module"], f"{where}.module", _folder)
        return _callable(
            module, details.get("method_name") or name, f"{where}.method_name", f"module {module.__name__!r}"
        )

    return function_of


def _class_method(folder: Path, description: Declared) -> FunctionOf:
    """Methods of one pickled object: dlhub.files.pickle and method_details.method_name."""
    path = _file(folder, description, ("pickle", "model"))
    instance = _unpickle(path, folder)

    def function_of(name: str, method: Declared) -> Function:
        wanted = (method.get("method_details") or {}).get("method_name") or name
        where = f"servable.methods.{name}.method_details.method_name"
        return _callable(
            instance, wanted, where, f"the object in {path.name}, of class {type(instance).__name__!r},"
        )

    return function_of


def _sklearn(folder: Path, description: Declared) -> FunctionOf:
    """Methods of one estimator: dlhub.files.model, options.serialization_method; `run` is predict."""
    path = _file(folder, description, ("model", "pickle"))
    how = (description["servable"].get("options") or {}).get("serialization_method") or "pickle"
    if how not in ("pickle", "joblib"):
        raise LoadError(f"servable.options.serialization_method is {how!r}; it can be 'pickle' or 'joblib'")
    estimator = _unjoblib(path, folder) if how == "joblib" else _unpickle(path, folder)

    def function_of(name: str, method: Declared) -> Function:
        wanted = (method.get("method_details") or {}).get("method_name") or (
            "predict" if name == "run" else name
        )
        where = f"servable.methods.{name}.method_details.method_name"
        return _callable(
            estimator, wanted, where, f"the estimator in {path.name}, a {type(estimator).__name__},"
        )

    return function_of


_LOADERS: Dict[Any, Callable[[Path, Declared], FunctionOf]] = {
    "Python static method": _static,
    "Python class method": _class_method,
    "Scikit-learn estimator": _sklearn,
}


def _method(function: Function, declared: Declared) -> Method:
    """`function` called as its description says: default parameters, converted inputs, unpacked, per item."""
    details = declared.get("method_details") or {}
    unpack = bool(details.get("unpack"))
    call = _call(function, unpack)
    if details.get("autobatch"):
        call = _per_item(call)
    defaults = declared.get("parameters") or {}
    convert = converter(declared.get("input") or {})
    if declared.get("vectorised"):
        return Vectorised(_with_defaults(call, defaults), declared.get("input") or {}, convert, unpack)
    if convert is None and not defaults:
        return call

    def method(inputs: Any, parameters: Dict[str, Any]) -> Any:
        return call(inputs if convert is None else convert(inputs), {**defaults, **parameters})

    return method


def _with_defaults(call: Method, defaults: Dict[str, Any]) -> Method:
    return lambda inputs, parameters: call(inputs, {**defaults, **parameters})


def _call(function: Function, unpack: bool) -> Method:
    if unpack:
        return lambda inputs, parameters: function(*inputs, **parameters)
    return lambda inputs, parameters: function(inputs, **parameters)


def _per_item(call: Method) -> Method:
    return lambda inputs, parameters: [call(item, parameters) for item in inputs]


def _import(name: str, where: str, folder: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            there = _listed(sorted(path.name for path in folder.glob("*.py")))
            raise LoadError(
                f"{where} is {name!r}, but there is no such module among the published files nor in the "
                f"environment. Python files there: {there}"
            ) from error
        raise LoadError(f"module {name!r} needs {_dependency(missing)}") from error
    except BaseException as error:  # sys.exit() in a script that was meant as a module, for one
        raise LoadError(f"importing the module {name!r} raised {_brief(error)}") from error


def _callable(owner: Any, name: str, where: str, label: str) -> Function:
    try:
        found = getattr(owner, name)
    except Exception as error:  # a property may raise anything
        raise LoadError(f"{where} is {name!r}, but {label} has none. It has {_functions(owner)}") from error
    if not callable(found):
        raise LoadError(f"{where} is {name!r}, but that is a {type(found).__name__}, which cannot be called")
    function: Function = found
    return function


def _file(folder: Path, description: Declared, keys: tuple[str, ...]) -> Path:
    files = (description.get("dlhub") or {}).get("files") or {}
    named = [files[key] for key in keys if isinstance(files.get(key), str)]
    if not named:
        raise LoadError(f"dlhub.files.{keys[0]} is missing: it names the file that holds the model")
    path: Path = folder / named[0]
    if not path.is_file():
        there = _listed(sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()))
        raise LoadError(
            f"dlhub.files.{keys[0]} is {named[0]!r}, but there is no such file. Published files: {there}"
        )
    return path


def _unpickle(path: Path, folder: Path) -> Any:
    with path.open("rb") as file:
        return _loaded(lambda: pickle.load(file), path)


def _unjoblib(path: Path, folder: Path) -> Any:
    try:
        import joblib
    except ImportError as error:
        raise LoadError(
            f"{path.name} was written by joblib, so the model needs {_dependency('joblib')}"
        ) from error
    return _loaded(lambda: joblib.load(path), path)


def _loaded(load: Callable[[], Any], path: Path) -> Any:
    try:
        return load()
    except ModuleNotFoundError as error:
        raise LoadError(f"{path.name} needs {_dependency(error.name or '')}") from error
    except AttributeError as error:
        hint = _SCRIPT_HINT if "__main__" in str(error) else ""
        raise LoadError(f"{path.name} refers to code that is not there: {error}{hint}") from error
    except BaseException as error:  # unpickling runs the model's own code
        raise LoadError(f"reading {path.name} raised {_brief(error)}") from error


def _dependency(module: str) -> str:
    return (
        f"the module {module!r}, which is not in its environment: add the package that provides it to "
        "dlhub.dependencies.python or to requirements.txt, or publish the file with the model"
    )


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _functions(owner: Any) -> str:
    names = [name for name in dir(owner) if not name.startswith("_")]
    return _listed([name for name in names if inspect.isroutine(inspect.getattr_static(owner, name, None))])


def _listed(names: List[str]) -> str:
    shown = ", ".join(names[:_MAX_LISTED]) or "none"
    return f"{shown} and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else shown
