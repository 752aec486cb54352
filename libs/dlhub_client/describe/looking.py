"""What kind of model lies in a file or folder, by its content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_client.describe.pickles import read_instance
from dlhub_client.describe.readers import hdf5
from dlhub_client.describe.readers.bounded import existing_file, opened_zip, start_of
from dlhub_client.describe.readers.estimators import is_estimator
from dlhub_client.describe.readers.facts import ModelFacts
from dlhub_client.describe.readers.keras_file import read_keras
from dlhub_client.describe.readers.lightgbm_file import looks_like_lightgbm, read_lightgbm
from dlhub_client.describe.readers.onnx_file import looks_like_onnx, read_onnx
from dlhub_client.describe.readers.pickle_file import read_pickle
from dlhub_client.describe.readers.pickle_source import compression_of
from dlhub_client.describe.readers.problems import DescribeError, unreadable
from dlhub_client.describe.readers.safetensors import is_safetensors
from dlhub_client.describe.readers.saved_model import read_saved_model
from dlhub_client.describe.readers.torch_file import read_torch
from dlhub_client.describe.readers.xgboost_file import read_xgboost
from dlhub_client.describe.sklearn_models import read_sklearn

_KNOWN = (
    "a scikit-learn estimator (pickle, joblib, skops), Keras (.keras, HDF5), a TensorFlow SavedModel, "
    "PyTorch (TorchScript, torch.export, a state dict, safetensors), ONNX, XGBoost (JSON, UBJSON), LightGBM "
    "(text), a pickled object or a Python module"
)
_PICKLES = (".pkl", ".pickle", ".pck", ".joblib")
_JSON_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Finding:
    """What a file or folder seems to be."""

    path: Path
    what: str
    """In words, such as `Keras Model (hdf5)`."""
    helper: str
    """Name of the function of `dlhub_client.describe` for it."""
    facts: ModelFacts | None = None
    """What could be read; None where the helper needs more to read anything."""
    needs: tuple[str, ...] = ()
    """What the helper must be told besides, in words."""

    @property
    def code(self) -> str:
        """The call that describes it."""
        return f'describe.{self.helper}("{self.path.name}")'


def look(path: str | Path) -> Finding:
    """What kind of model lies there, and what its file tells. Nothing in it is run.

    Raises DescribeError when it is none that DLHub knows, naming those that it does.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return _found(read_saved_model(place))
    file = existing_file(place)
    start = start_of(file, 64)
    for fits, read in _BY_START:
        if fits(file, start):
            return read(file)
    raise unreadable(file, _KNOWN, f"something else, which begins with {start[:16]!r}")


def _found(facts: ModelFacts) -> Finding:
    return Finding(facts.path, f"{facts.kind} ({facts.format})", facts.helper, facts, facts.missing)


def _by(read: Callable[[Path], ModelFacts]) -> Callable[[Path], Finding]:
    return lambda file: _found(read(file))


def _archive(file: Path) -> Finding:
    with opened_zip(file, "a model in a zip archive") as archive:
        names = set(archive.namelist())
    if "schema.json" in names:
        return _found(read_sklearn(file))
    if "config.json" in names:
        return _found(read_keras(file))
    return _found(read_torch(file))


def _hdf5(file: Path) -> Finding:
    try:
        return _found(read_keras(file))
    except DescribeError as error:
        if "weights without a configuration" not in error.message:
            raise
    needs = ('arch="model.json": what model.to_json() gives',)
    return Finding(file, "weights of a Keras model", "keras_model", None, needs)


def _json(file: Path) -> Finding:
    start = start_of(file, 4096)
    if b'"learner"' in start or start[1:2] in (b"L", b"l", b"I", b"i", b"U"):
        return _found(read_xgboost(file))
    document = _parsed(file)
    if "class_name" in document and "config" in document:
        needs = ('the weights: keras_model("weights.h5", arch="model.json")',)
        return Finding(file, "configuration of a Keras model", "keras_model", None, needs)
    if {"datacite", "dlhub", "servable"} <= set(document):
        raise unreadable(file, _KNOWN, "a description (dlhub.json)", "It is ready: `dlhub publish --local`.")
    if "learner" in document:
        return _found(read_xgboost(file))
    raise unreadable(file, _KNOWN, "other JSON")


def _parsed(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        content = stream.read(_JSON_BYTES)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _pickle(file: Path) -> Finding:
    pickled = read_pickle(file)
    if isinstance(pickled.value, int):
        return _found(read_torch(file))  # what torch.save wrote before version 1.6 begins with a number
    if is_estimator(pickled):
        return _found(read_sklearn(file))
    return _found(read_instance(file, pickled))


def _python(file: Path) -> Finding:
    needs = (f'the function: describe.static_method(("{file.stem}", "name"), files=["{file.name}"])',)
    return Finding(file, "Python module", "static_method", None, needs)


Fits = Callable[[Path, bytes], bool]

_BY_START: tuple[tuple[Fits, Callable[[Path], Finding]], ...] = (
    (lambda _, start: start[:2] == b"PK", _archive),
    (lambda _, start: start.startswith(hdf5.MAGIC), _hdf5),
    (lambda _, start: looks_like_lightgbm(start), _by(read_lightgbm)),
    (lambda _, start: start[:1] == b"{", _json),
    (lambda file, _: is_safetensors(file), _by(read_torch)),
    (lambda file, _: file.name == "saved_model.pb", _by(read_saved_model)),
    (lambda _, start: start[:1] == b"\x80" or compression_of(start) is not None, _pickle),
    (lambda file, _: file.suffix == ".py", _python),
    (lambda file, _: looks_like_onnx(file), _by(read_onnx)),
    (lambda file, _: file.suffix.lower() in _PICKLES, _pickle),
)
