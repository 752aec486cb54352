"""Why a model cannot be loaded, or an input not be used, in words for its author."""

from __future__ import annotations

import inspect
from typing import Any, List

_MAX_LISTED = 12
_PACKAGES = {
    "Bio": "biopython",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Modules that come in a package of another name."""
_SAME_NAME = frozenset(
    {"joblib", "keras", "lightgbm", "numpy", "onnxruntime", "pandas", "safetensors", "scipy", "skops"}
    | {"tensorflow", "torch", "torchvision", "xgboost"}
)


class LoadError(Exception):
    """The model cannot be loaded; the message is for its author."""


class InputMismatch(ValueError):
    """An input that the model cannot take; the message says which, and what was expected."""


class OutputMismatch(ValueError):
    """What the model gave is not what its description promises."""


def dependency(module: str) -> str:
    """That a module is missing, and what to do."""
    top = module.split(".")[0]
    package = top if top in _SAME_NAME else _PACKAGES.get(top)
    add = repr(package) if package else "the package that provides it"
    other = "" if package else ", or publish the file with the model"
    return (
        f"the module {module!r}, which is not in its environment: add {add} to "
        f"dlhub.dependencies.python or to requirements.txt{other}"
    )


def brief(error: BaseException) -> str:
    """An exception in one line or a few."""
    return f"{type(error).__name__}: {error}"


def functions_of(owner: Any) -> str:
    """Names of what can be called, found without calling any property."""
    names = [name for name in dir(owner) if not name.startswith("_")]
    return listed([name for name in names if inspect.isroutine(inspect.getattr_static(owner, name, None))])


def listed(names: List[str]) -> str:
    """Some names as text."""
    shown = ", ".join(names[:_MAX_LISTED]) or "none"
    return f"{shown} and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else shown
