"""Which package brings a module, as far as that can be known without an index."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

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


def unknown_modules(modules: Iterable[str], files: Iterable[str | Path]) -> tuple[str, ...]:
    """A note on the modules that neither Python, nor a known package, nor one of the files brings."""
    brought = {part for file in files for part in (Path(file).stem, *Path(file).parts)}
    unknown = [
        one for one in modules if one not in _STANDARD and one not in brought and distribution_of(one) is None
    ]
    if not unknown:
        return ()
    named = ", ".join(unknown)
    return (f"it needs {named}: give the modules in files, or name their packages with add_requirement",)


@functools.cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
