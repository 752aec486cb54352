"""XGBoost boosters, from the JSON or UBJSON that save_model writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from dlhub_shim import surroundings
from dlhub_shim.finding import Function, framework, loaded, model_path
from dlhub_shim.kinds.tensors import Port, function_on
from dlhub_shim.loaders import FunctionOf

Declared = Dict[str, Any]

_STACK = "\nStack trace:"


def load(folder: Path, description: Declared) -> FunctionOf:
    """Every method is the booster's `predict` with its own default parameters, such as output_margin."""
    path = model_path(folder, description, "model")
    xgboost = framework("xgboost", path)
    xgboost.set_config(verbosity=0)
    settings: Dict[str, Any] = {"nthread": surroundings.threads(description)}
    if surroundings.may_use_gpu() and xgboost.build_info().get("USE_CUDA"):
        settings["device"] = "cuda"
    booster = loaded(lambda: _read(xgboost, path, settings), path)
    # Columns that are not there, XGBoost would take for missing values.
    ports = [Port("x", None, (None, booster.num_features()))]

    def run(values: List[Any], parameters: Dict[str, Any]) -> Any:
        try:
            return booster.predict(
                _matrix(xgboost, booster, values[0], settings["nthread"]), **_plain(parameters)
            )
        except xgboost.core.XGBoostError as error:
            raise _short(error) from error

    def function_of(name: str, method: Declared) -> Function:
        return function_on(run, name, method, ports, None)

    return function_of


def _read(xgboost: Any, path: Path, settings: Dict[str, Any]) -> Any:
    try:
        return xgboost.Booster(settings, model_file=str(path))
    except xgboost.core.XGBoostError as error:
        raise _short(error) from error


def _matrix(xgboost: Any, booster: Any, rows: Any, threads: int) -> Any:
    """The rows, with the names and types that the booster was trained with."""
    kinds = booster.feature_types
    return xgboost.DMatrix(
        rows,
        feature_names=booster.feature_names,
        feature_types=kinds,
        enable_categorical="c" in (kinds or ()),
        nthread=threads,
    )


def _plain(parameters: Dict[str, Any]) -> Dict[str, Any]:
    """JSON has lists where the booster wants a tuple."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}


def _short(error: Exception) -> Exception:
    """The error without its list of addresses."""
    return type(error)(str(error).split(_STACK)[0])
