"""Which package brings a module, as far as that can be known without an index."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from importlib import metadata

_USUAL = {
    "sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python-headless", "PIL": "pillow",
    "yaml": "pyyaml", "imblearn": "imbalanced-learn", "Bio": "biopython", "numpy": "numpy", "scipy": "scipy",
    "pandas": "pandas", "joblib": "joblib", "xgboost": "xgboost-cpu", "lightgbm": "lightgbm",
    "torch": "torch", "tensorflow": "tensorflow-cpu", "keras": "keras", "pymatgen": "pymatgen",
    "ase": "ase", "rdkit": "rdkit", "catboost": "catboost", "matminer": "matminer", "skops": "skops",
}  # fmt: skip
_STANDARD = {*sys.stdlib_module_names, "__builtin__", "copy_reg", "__main__", "__torch__"}


def distribution_of(module: str) -> str | None:
    """The package with a top-level module; None for Python's own, and for what nobody here knows."""
    if module in _STANDARD:
        return None
    return _USUAL.get(module) or next(iter(_installed().get(module, ())), None)


def is_known(module: str) -> bool:
    """Whether a module is Python's own, or one whose package is known."""
    return module in _STANDARD or distribution_of(module) is not None


@functools.cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
