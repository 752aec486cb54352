"""As much of a module `torch` as the client looks at; the real one is tried by `make test-models`."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest


class Tensor:
    """An array on a device that NumPy cannot reach by itself."""

    def __init__(self, array: Any, dtype: str = "torch.float32", layout: str = "torch.strided") -> None:
        self.array = np.asarray(array)
        self.dtype = dtype
        self.layout = layout

    def float(self) -> Tensor:
        return Tensor(self.array, "torch.float32", self.layout)

    def to_dense(self) -> Tensor:
        return Tensor(self.array, self.dtype)

    def numpy(self, *, force: bool = False) -> Any:
        assert force, "a tensor with a gradient, or on a GPU, needs it"
        if self.dtype == "torch.bfloat16" or self.layout != "torch.strided":
            raise TypeError(f"no array is like a tensor of {self.dtype}, {self.layout}")
        return self.array

    def __array__(self, *_: Any) -> Any:
        raise AssertionError("this would fail for a tensor on a GPU")


def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let there be a module `torch`."""
    module = types.ModuleType("torch")
    module.Tensor = Tensor  # type: ignore[attr-defined]
    module.from_numpy = Tensor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    return module
