"""Descriptions of pickled objects and of scikit-learn estimators.

A pickle is opened with this process' own packages, as it will be by the model's: only describe files that
you made or trust. `sklearn_model` opens it to learn what it holds unless told not to.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dlhub_client.describe.arguments import ArgumentBlock, argument
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.errors import Malformed

Serialization = Literal["pickle", "joblib"]
_ITEM_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "float", "U": "string"}
_ANYTHING = {"type": "python object", "python_type": "builtins.object"}
_ROW_BY_ROW = frozenset(
    ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")
)
"""Methods of scikit-learn whose output has a row for each of the input, the same whatever the others are."""
_RANDOM = frozenset(("DummyClassifier",))
"""Estimators that draw lots when they predict."""


def class_method(
    path: str | Path,
    method: str,
    *,
    inputs: ArgumentBlock | None = None,
    outputs: ArgumentBlock | None = None,
    parameters: Mapping[str, Any] | None = None,
    files: Iterable[str | Path] = (),
    vectorised: bool | None = None,
    deterministic: bool | None = None,
    map_axis: int | None = None,
    name: str | None = None,
    title: str | None = None,
    creators: str | Iterable[str] = (),
) -> ModelDescription:
    """Describe a method of a pickled object; the pickle is read, not executed.

    files: the modules that define its class, unless a requirement brings them.
    vectorised, deterministic, map_axis: see `ModelDescription.set_promises`.
    """
    file = _existing(path)
    block = {
        "input": dict(inputs or _ANYTHING),
        "output": dict(outputs or _ANYTHING),
        "parameters": dict(parameters or {}),
        "method_details": {"method_name": method, "class_name": pickled_class(file)},
    }
    description = ModelDescription("Python class method", {"run": block})
    description.set_promises(vectorised=vectorised, deterministic=deterministic, map_axis=map_axis)
    description.add_file(file, "pickle").add_files(files)
    return _named(description, name or file.stem, title, creators)


def pickled_class(path: Path) -> str | None:
    """`module.Class` of the first object in a pickle, from its opcodes; None when it names none."""
    strings: list[str] = []
    with path.open("rb") as file:
        try:
            for opcode, value, _ in pickletools.genops(file):
                if opcode.name == "GLOBAL":
                    return str(value).replace(" ", ".")
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if isinstance(value, str):
                    strings.append(value)
        except (ValueError, UnicodeDecodeError) as error:
            raise Malformed(f"{path} is not a pickle: {error}") from error
    return None


def sklearn_model(
    path: str | Path,
    n_input_columns: int | None = None,
    classes: int | Sequence[Any] | None = None,
    serialization_method: Serialization | None = None,
    *,
    name: str | None = None,
    title: str | None = None,
    creators: str | Iterable[str] = (),
    predict_method: str | None = None,
    vectorised: bool | None = None,
    deterministic: bool | None = None,
    map_axis: int | None = None,
) -> ModelDescription:
    """Describe a scikit-learn estimator or pipeline in a file.

    n_input_columns, classes: read from the estimator when it knows them. serialization_method: by the file's
    name, else pickle. A classifier gives probabilities, one column per class, unless `predict_method` is
    "predict" or it has none to give.
    vectorised, deterministic, map_axis: see `ModelDescription.set_promises`. The methods of scikit-learn that
    treat each row by itself (predict, transform, ...) are vectorised and deterministic unless told otherwise.
    """
    file = _existing(path)
    how: Serialization = serialization_method or ("joblib" if file.suffix == ".joblib" else "pickle")
    estimator = _Estimator.of(_opened(file, how), n_input_columns, classes, predict_method)
    description = ModelDescription("Scikit-learn estimator", {"run": estimator.method()})
    description.set_promises(vectorised=vectorised, deterministic=deterministic, map_axis=map_axis)
    description._servable["options"] = {"serialization_method": how, **estimator.options()}
    description._servable["model_type"] = estimator.kind
    description.add_file(file, "model").add_requirement("scikit-learn").add_requirement("numpy")
    if how == "joblib":
        description.add_requirement("joblib")
    return _named(description, name or file.stem, title, creators)


@dataclass(frozen=True)
class _Estimator:
    """What has to be known of an estimator."""

    kind: str
    columns: int
    classes: list[str] | None  #: of a classifier
    label_type: str | None  #: of a classifier's labels, where NumPy has a type for them
    predict: str

    @classmethod
    def of(
        cls, model: Any, columns: int | None, classes: int | Sequence[Any] | None, predict: str | None
    ) -> _Estimator:
        kind = type(model.steps[-1][1] if hasattr(model, "steps") else model).__name__
        columns = columns if columns is not None else getattr(model, "n_features_in_", None)
        if columns is None:
            raise Malformed(f"{kind} does not know how many columns it takes: give n_input_columns.")
        labels = _class_names(classes if classes is not None else _known_classes(model))
        if labels is not None and predict is None:
            predict = "predict_proba" if hasattr(model, "predict_proba") else "predict"
        dtype = getattr(getattr(model, "classes_", None), "dtype", None)
        label_type = _ITEM_TYPES.get(getattr(dtype, "kind", ""))
        return cls(kind, int(columns), labels, label_type, predict or "predict")

    def method(self) -> dict[str, Any]:
        rows = argument("ndarray", "One row per sample", shape=[None, self.columns], item_type="float")
        row_by_row = self.predict in _ROW_BY_ROW and self.kind not in _RANDOM
        promises = {"vectorised": True, "deterministic": True} if row_by_row else {}
        details = {"method_details": {"method_name": self.predict}}
        return {"input": rows, "output": self._output(), **promises, **details}

    def options(self) -> dict[str, Any]:
        return {"is_classifier": self.classes is not None, "classes": self.classes}

    def _output(self) -> ArgumentBlock:
        if self.classes is not None and self.predict == "predict_proba":
            text = f"Probability of each class: {', '.join(self.classes)[:1000]}"
            return argument("ndarray", text, shape=[None, len(self.classes)], item_type="float")
        if self.classes is None:
            return argument("ndarray", "Prediction for each sample", item_type="float")
        if self.label_type is None:
            return argument("python object", "Class of each sample", python_type="numpy.ndarray")
        return argument("ndarray", "Class of each sample", item_type=self.label_type)


def _known_classes(model: Any) -> Sequence[Any] | None:
    """The classes of a fitted classifier; a multi-output one has a list of several, which we do not name."""
    found = getattr(model, "classes_", None)
    return None if found is None or isinstance(found, list) else list(found)


def _class_names(classes: int | Sequence[Any] | None) -> list[str] | None:
    if classes is None:
        return None
    if isinstance(classes, int):
        return [f"Class {number}" for number in range(1, classes + 1)]
    return [str(label) for label in classes]


def _opened(file: Path, how: Serialization) -> Any:
    """The estimator. Raises Malformed with what went wrong and what to try."""
    try:
        if how == "joblib":
            import joblib

            return joblib.load(file)
        with file.open("rb") as stream:
            return pickle.load(stream)
    except Exception as error:  # a pickle's own code may raise anything
        raise Malformed(
            f"{file} cannot be opened with {how} ({type(error).__name__}: {error}). Is it of the other kind "
            "(serialization_method), or is a package missing here that it was made with?"
        ) from error


def _existing(path: str | Path) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise Malformed(f"There is no file {path}; save the model first.")
    return file


def _named(
    description: ModelDescription, name: str, title: str | None, creators: str | Iterable[str]
) -> ModelDescription:
    return description.set_name(name).set_title(title or name).set_creators(creators)
