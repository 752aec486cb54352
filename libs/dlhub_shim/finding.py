"""Files, modules and classes that a description names. What is not there is a `LoadError` that says so."""

from __future__ import annotations

import importlib
import pickle
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

from dlhub_shim.complaints import LoadError, brief, dependency, functions_of, listed

Declared = Dict[str, Any]
Function = Callable[..., Any]

_SCRIPT_HINT = (
    ". Its class was defined in a script or notebook: define it in a module of its own, pickle it again, and "
    "publish that module with it"
)


def model_path(folder: Path, description: Declared, *keys: str) -> Path:
    """The file or folder that dlhub.files names by one of `keys`."""
    files = (description.get("dlhub") or {}).get("files") or {}
    named = [(key, files[key]) for key in keys if isinstance(files.get(key), str)]
    if not named:
        raise LoadError(f"dlhub.files.{keys[0]} is missing: it names the file that holds the model")
    key, name = named[0]
    path: Path = folder / name
    if not path.exists():
        there = listed(sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()))
        raise LoadError(f"dlhub.files.{key} is {name!r}, but there is no such file. Published files: {there}")
    return path


def import_module(name: str, where: str, folder: Path) -> Any:
    """A module of the published files or of the environment; `where` is the field that names it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            there = listed(sorted(path.name for path in folder.glob("*.py")))
            raise LoadError(
                f"{where} is {name!r}, but there is no such module among the published files nor in the "
                f"environment. Python files there: {there}"
            ) from error
        raise LoadError(f"module {name!r} needs {dependency(missing)}") from error
    except BaseException as error:  # sys.exit() in a script that was meant as a module, for one
        raise LoadError(f"importing the module {name!r} raised {brief(error)}") from error


def import_class(name: Any, where: str, folder: Path) -> Any:
    """What "module.Class" names."""
    module, _, attribute = str(name).rpartition(".")
    if not module or not attribute:
        raise LoadError(f'{where} is {name!r}; it names a class as "module.Class"')
    owner = import_module(module, where, folder)
    return callable_of(owner, attribute, where, f"module {module!r}")


def callable_of(owner: Any, name: str, where: str, label: str) -> Function:
    """A method or function of `owner`; `label` is what people call that."""
    try:
        found = getattr(owner, name)
    except Exception as error:  # a property may raise anything
        raise LoadError(f"{where} is {name!r}, but {label} has none. It has {functions_of(owner)}") from error
    if not callable(found):
        raise LoadError(f"{where} is {name!r}, but that is a {type(found).__name__}, which cannot be called")
    function: Function = found
    return function


def framework(name: str, path: Path) -> Any:
    """The framework that the model in `path` needs."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise LoadError(f"{path.name} needs {dependency(error.name or name)}") from error
    except Exception as error:  # a library of the system that is missing is an OSError, for one
        raise LoadError(f"{path.name} needs the module {name!r}, which raised {brief(error)}") from error


def loaded(load: Callable[[], Any], path: Path) -> Any:
    """What `load` makes of the file or folder `path`."""
    try:
        return load()
    except LoadError:
        raise
    except ModuleNotFoundError as error:
        raise LoadError(f"{path.name} needs {dependency(error.name or '')}") from error
    except AttributeError as error:
        hint = _SCRIPT_HINT if "__main__" in str(error) else ""
        raise LoadError(f"{path.name} refers to code that is not there: {error}{hint}") from error
    except Exception as error:  # whatever frameworks, and a model's own code, raise
        raise _unreadable(path, error) from error
    except SystemExit as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> LoadError:
    said = brief(error).replace(str(path), path.name)  # where it lies on this machine helps nobody
    return LoadError(f"reading {path.name}{_size(path)} raised {said}")


def check_archive(path: Path, what: str) -> None:
    """Refuse a file that is no whole zip archive, of which frameworks say odd things."""
    if path.is_file() and not zipfile.is_zipfile(path):
        raise LoadError(
            f"{path.name}{_size(path)} is no {what}, or not all of one: these are zip archives, and it has "
            "no directory at its end"
        )


def unpickled(path: Path) -> Any:
    """The object in a pickle."""
    return loaded(lambda: _unpickle(path), path)


def _unpickle(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


def _size(path: Path) -> str:
    """A file that came short is the likeliest reason for one that cannot be read."""
    return f", which has {path.stat().st_size:,} bytes," if path.is_file() else ""


def details_of(name: str, method: Declared) -> Tuple[Declared, str]:
    """A method's `method_details`, and what to call them."""
    return method.get("method_details") or {}, f"servable.methods.{name}.method_details"


def options_of(description: Declared) -> Declared:
    """`servable.options`."""
    options: Declared = description["servable"].get("options") or {}
    return options
