"""Scikit-learn estimators, saved with pickle, joblib or skops."""

from __future__ import annotations

import functools
import mmap
import re
import sys
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from dlhub_shim.complaints import LoadError, brief, dependency
from dlhub_shim.finding import Function, callable_of, details_of, loaded, model_path, options_of, unpickled
from dlhub_shim.loaders import FunctionOf

Declared = Dict[str, Any]

_VERSION = re.compile(
    rb"_sklearn_version\n?(?:\x94|q.|r.{4}|p\d+\n)?(?:[\x8cU](?P<short>.)|[XT](?P<long>.{4})|[VS])", re.DOTALL
)
"""That attribute of an estimator, and the length of its text, as pickle writes them; its first protocol has a
line instead."""


def load(folder: Path, description: Declared) -> FunctionOf:
    """Methods of one estimator: dlhub.files.model, options.serialization_method; `run` is predict."""
    path = model_path(folder, description, "model", "pickle")
    how = options_of(description).get("serialization_method") or "pickle"
    if how not in _READERS:
        raise LoadError(
            f"servable.options.serialization_method is {how!r}; it can be 'pickle', 'joblib' or 'skops'"
        )
    estimator, note = _estimator(_READERS[how], path)
    # One that was fitted on a table would complain of every array.
    warnings.filterwarnings("ignore", "X does not have valid feature names")

    def function_of(name: str, method: Declared) -> Function:
        details, where = details_of(name, method)
        wanted = details.get("method_name") or ("predict" if name == "run" else name)
        label = f"the estimator in {path.name}, a {type(estimator).__name__},"
        function = callable_of(estimator, wanted, f"{where}.method_name", label)
        return _with_note(function, note) if note else function

    return function_of


def _estimator(read: Callable[[Path], Any], path: Path) -> Tuple[Any, Optional[str]]:
    """The object in the file, and what is to be said of the version that wrote it."""
    try:
        with warnings.catch_warnings():
            # Said once, by us: an estimator made of hundreds would say it for each.
            warnings.filterwarnings("ignore", "Trying to unpickle estimator")
            estimator = read(path)
    except LoadError as error:
        note = _other_version(path, error.__cause__)
        if note is None:
            raise
        raise LoadError(f"{note} ({brief(error.__cause__ or error)})") from error.__cause__
    note = _other_version(path)
    if note is not None:
        sys.stderr.write(f"{note}\n")
    return estimator, note


def _unjoblib(path: Path) -> Any:
    try:
        import joblib
    except ImportError as error:
        raise LoadError(
            f"{path.name} was written by joblib, so the model needs {dependency('joblib')}"
        ) from error
    return loaded(lambda: joblib.load(path), path)


def _unskops(path: Path) -> Any:
    try:
        from skops import io
    except ImportError as error:
        raise LoadError(
            f"{path.name} was written by skops, so the model needs {dependency('skops')}"
        ) from error
    # Whoever publishes a model may publish code with it: here, nothing in the file is less trusted than that.
    return loaded(lambda: io.load(path, trusted=io.get_untrusted_types(file=path)), path)


_READERS: Dict[str, Callable[[Path], Any]] = {"pickle": unpickled, "joblib": _unjoblib, "skops": _unskops}


def _other_version(path: Path, error: Optional[BaseException] = None) -> Optional[str]:
    """What to say of a file that another version of scikit-learn wrote; None where nothing tells of one."""
    installed = _installed()
    wrote = _written_by(path)
    if installed is None or wrote == installed or (wrote is None and not _names_old_code(error)):
        return None
    pin = f"scikit-learn=={wrote}" if wrote else "the scikit-learn that wrote it"
    return (
        f"{path.name} was written with scikit-learn {wrote or 'of another version'}, and {installed} is "
        f"installed: what one pickles, another may not read. Put {pin} into dlhub.dependencies.python, "
        f"or train and save the model with {installed}"
    )


def _installed() -> Optional[str]:
    try:
        import sklearn
    except ImportError:
        return None
    return str(sklearn.__version__)


def _written_by(path: Path) -> Optional[str]:
    """The version that an estimator in the file names; None where it is compressed, or older than 0.18."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return None
        with content:
            found = _VERSION.search(content)
            return _text_after(found, content) if found else None


def _text_after(found: "re.Match[bytes]", content: mmap.mmap) -> str:
    length = found.group("short") or found.group("long")
    if length is None:
        end = content.find(b"\n", found.end())
    else:
        end = found.end() + int.from_bytes(length, "little")
    return content[found.end() : end].decode("ascii", "replace").strip("'\"")


def _names_old_code(error: Optional[BaseException]) -> bool:
    """Whether reading failed at something that scikit-learn no longer has."""
    module = error.name if isinstance(error, ModuleNotFoundError) else None
    return str(module).startswith("sklearn.") or (
        isinstance(error, AttributeError) and "sklearn" in str(error)
    )


def _with_note(function: Function, note: str) -> Function:
    """`function`, whose estimator may lack what this version of scikit-learn expects it to have."""

    @functools.wraps(function)
    def call(*inputs: Any, **parameters: Any) -> Any:
        try:
            return function(*inputs, **parameters)
        except (AttributeError, ModuleNotFoundError) as error:
            raise RuntimeError(f"{brief(error)}. {note}") from error

    return call
