"""Small stand-ins for frameworks: what the shim asks of them, and no more.

The real ones are tested by `make test-models`; here the question is what the shim does around them.
"""

from __future__ import annotations

import sys
import types

import numpy as np

from dlhub_shim.loaders import load_methods

ROWS = {"type": "ndarray", "shape": [None, 2], "item_type": {"type": "float"}}
TEXTS = {"type": "ndarray", "shape": [None], "item_type": {"type": "string"}}
BOTH = {"type": "dict", "properties": {"x": ROWS, "z": ROWS}}
DIFFERENCE = {"type": "dict", "properties": {"difference": ROWS, "total": ROWS}}


def describe(kind, model, taken, given, options=None, files=None, cores=1, **method):
    """A description of one method, `run`."""
    run = {"input": taken, "output": given, **method}
    return {
        "dlhub": {"files": {"model": model, **(files or {})}},
        "servable": {
            "type": kind,
            "options": options or {},
            "methods": {"run": run},
            "resources": {"cores": cores},
        },
    }


def load_run(folder, *arguments, **more):
    return load_methods(folder, describe(*arguments, **more))["run"]


def install(monkeypatch, name, **attributes):
    """A module of that name, for this test alone."""
    module = types.ModuleType(name)
    for attribute, value in attributes.items():
        setattr(module, attribute, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class Tensor:
    """An array by another name, as PyTorch and TensorFlow have them."""

    def __init__(self, array, dtype=None):
        self.array = np.asarray(array)
        self.dtype = dtype or str(self.array.dtype)
        self.shape = self.array.shape

    def __sub__(self, other):
        return Tensor(self.array - other.array)

    def __add__(self, other):
        return Tensor(self.array + other.array)

    def __mul__(self, factor):
        return Tensor(self.array * factor)

    # PyTorch
    def to(self, device):
        return self

    def detach(self):
        return self

    def cpu(self):
        return self

    def float(self):
        return Tensor(self.array.astype("f4"))

    def numpy(self):
        return self.array

    @staticmethod
    def is_floating_point():
        return True
