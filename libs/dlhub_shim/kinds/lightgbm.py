"""LightGBM boosters, from the text that save_model writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List

from dlhub_shim import surroundings
from dlhub_shim.finding import Function, framework, loaded, model_path
from dlhub_shim.kinds.tensors import Port, function_on
from dlhub_shim.loaders import FunctionOf

Declared = Dict[str, Any]


class _Warnings:
    """LightGBM's messages, on standard error; what is only for information is left out."""

    def info(self, _message: str) -> None:
        """Said at every load and every call."""

    def warning(self, message: str) -> None:
        sys.stderr.write(f"{message}\n")


def load(folder: Path, description: Declared) -> FunctionOf:
    """Every method is the booster's `predict` with its own default parameters, such as raw_score."""
    path = model_path(folder, description, "model")
    lightgbm = framework("lightgbm", path)
    lightgbm.register_logger(_Warnings())
    threads = surroundings.threads(description)
    booster = loaded(lambda: lightgbm.Booster(model_file=str(path)), path)
    ports = [Port("x")]

    def run(values: List[Any], parameters: Dict[str, Any]) -> Any:
        return booster.predict(values[0], **{"num_threads": threads, **parameters})

    def function_of(name: str, method: Declared) -> Function:
        return function_on(run, name, method, ports, None)

    return function_of
