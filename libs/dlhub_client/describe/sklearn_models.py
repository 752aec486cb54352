"""Descriptions of scikit-learn estimators, from the file alone: nothing in it is run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

from dlhub_client.describe.from_file import Common, FileDescription, describe_facts, installed
from dlhub_client.describe.packages import distribution_of, unknown_modules
from dlhub_client.describe.readers.bounded import existing_file, start_of
from dlhub_client.describe.readers.estimators import Estimator, is_estimator, read_estimator
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor
from dlhub_client.describe.readers.pickle_file import Pickled, read_pickle
from dlhub_client.describe.readers.pickle_values import class_of
from dlhub_client.describe.readers.problems import DescribeError, unreadable
from dlhub_client.describe.readers.skops_file import read_skops

Serialization = Literal["pickle", "joblib", "skops"]
_ROW_BY_ROW = frozenset(
    ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")
)
"""Methods of scikit-learn whose output has a row for each of the input, the same whatever the others are."""
_RANDOM = frozenset(("DummyClassifier",))
"""Estimators that draw lots when they predict."""
_OLDEST = (0, 22)
"""Before, modules had other names: nothing newer can read it."""
_WHAT = "a scikit-learn estimator"


def sklearn_model(
    path: str | Path,
    n_input_columns: int | None = None,
    classes: int | Sequence[Any] | None = None,
    serialization_method: Serialization | None = None,
    *,
    predict_method: str | None = None,
    sklearn_version: str | None = None,
    **common: Unpack[Common],
) -> FileDescription:
    """Describe a scikit-learn estimator or pipeline saved by pickle, joblib or skops. The file is not run.

    n_input_columns, classes: read from the file when the estimator knows them. serialization_method: told by
    the file's content. A classifier gives probabilities, one column per class, unless `predict_method` is
    "predict" or it has none to give. sklearn_version: that saved it, where the file does not tell.
    The methods of scikit-learn that treat each row by itself (predict, transform, ...) are vectorised and
    deterministic unless told otherwise. Further arguments: see `Common`. Raises DescribeError.
    """
    common["files"] = list(common.get("files", ()))
    facts = read_sklearn(
        path,
        serialization_method,
        predict_method,
        n_input_columns,
        classes,
        sklearn_version,
        common["files"],
    )
    return describe_facts(facts, common).add_file(facts.path, "model")


def read_sklearn(
    path: str | Path,
    how: Serialization | None = None,
    method: str | None = None,
    columns: int | None = None,
    classes: int | Sequence[Any] | None = None,
    version: str | None = None,
    files: Iterable[str | Path] = (),
) -> ModelFacts:
    """What a saved estimator says, as facts. Raises DescribeError."""
    file = existing_file(path)
    pickled = _read(file, how)
    if not is_estimator(pickled):
        raise _no_estimator(file, pickled)
    estimator = _checked(read_estimator(pickled), file, columns, classes)
    names = _class_names(classes if classes is not None else estimator.classes)
    method = method or estimator.method
    version = version or estimator.version
    _check_version(version, pickled, file)
    return ModelFacts(
        path=file,
        kind="Scikit-learn estimator",
        format=_form(file, pickled),
        helper="sklearn_model",
        framework="scikit-learn",
        version=version,
        signatures=(_signature(estimator, names, method, columns),),
        model_type=estimator.kind,
        summary=estimator.summary,
        requirements=_requirements(pickled, file, version),
        classes=tuple(names) if names is not None else None,
        options={
            "serialization_method": _form(file, pickled),
            "is_classifier": names is not None,
            "classes": names,
        },
        suspicious=pickled.suspicious,
        missing=(*_missing(estimator, version), *unknown_modules(pickled.modules, files)),
    )


def _read(file: Path, how: Serialization | None) -> Pickled:
    is_zip = start_of(file, 2) == b"PK"
    if how is not None and is_zip != (how == "skops"):
        found = "a zip archive, as skops writes" if is_zip else "no zip archive, as skops writes"
        raise unreadable(
            file, f"{_WHAT} by {how}", found, "Leave serialization_method out: the file tells it."
        )
    if is_zip:
        return read_skops(file)
    try:
        return read_pickle(file)
    except DescribeError as error:
        advice = "Was it saved in another way (serialization_method), or by another framework?"
        raise DescribeError(f"{error.message} {advice}") from error


def _form(file: Path, pickled: Pickled) -> str:
    if start_of(file, 2) == b"PK":
        return "skops"
    return "joblib" if pickled.by_joblib or file.suffix == ".joblib" else "pickle"


def _no_estimator(file: Path, pickled: Pickled) -> DescribeError:
    kind = class_of(pickled.value)
    found = f"{kind.path}" if kind is not None else f"a {type(pickled.value).__name__}"
    advice = "For a method of any other object there is describe.class_method."
    if pickled.suspicious:
        advice = f"Loading it would run {', '.join(pickled.suspicious)}: nothing of it was run here."
    return unreadable(file, _WHAT, found, advice)


def _checked(
    estimator: Estimator, file: Path, columns: int | None, classes: int | Sequence[Any] | None
) -> Estimator:
    """The estimator, with what the caller says where it does not know. Raises DescribeError."""
    if columns is not None and estimator.columns is not None and columns != estimator.columns:
        raise DescribeError(
            f"n_input_columns is {columns}, but the {estimator.kind} in {file.name} takes "
            f"{estimator.columns} columns. Correct it, or leave it out: the file tells it."
        )
    known = len(estimator.classes) if estimator.classes is not None else None
    given = classes if isinstance(classes, int) or classes is None else len(classes)
    if given is not None and known is not None and given != known:
        raise DescribeError(
            f"classes has {given} classes, but the {estimator.kind} in {file.name} knows {known}: "
            f"{', '.join(str(one) for one in estimator.classes or ())}."
        )
    if columns is None and estimator.columns is None and not estimator.takes_text:
        raise DescribeError(
            f"{estimator.kind} in {file.name} does not know how many columns it takes: give n_input_columns."
        )
    return replace(estimator, columns=columns if columns is not None else estimator.columns)


def _class_names(classes: int | Sequence[Any] | None) -> list[str] | None:
    if classes is None:
        return None
    if isinstance(classes, int):
        return [f"Class {number}" for number in range(1, classes + 1)]
    return [str(label) for label in classes]


def _check_version(version: str | None, pickled: Pickled, file: Path) -> None:
    """Raises DescribeError for files that no scikit-learn of today can read."""
    if "sklearn" not in pickled.modules:
        return
    parts = tuple(int(part) for part in (version or "0.17").split(".")[:2] if part.isdigit())
    if parts >= _OLDEST:
        return
    wrote = f"scikit-learn {version}" if version else "a scikit-learn before 0.18, which leaves no version"
    here = installed("scikit-learn")
    raise DescribeError(
        f"{file} was saved by {wrote}; {f'{here} is installed here, and ' if here else ''}none since 0.22 "
        "can read it. Load it with the version that saved it and save it as ONNX, or train it again. If it "
        'was another version, say so: sklearn_version="...".'
    )


# --- what it takes and gives ---


def _signature(estimator: Estimator, names: list[str] | None, method: str, columns: int | None) -> Signature:
    row_by_row = method in _ROW_BY_ROW and estimator.kind not in _RANDOM
    return Signature(
        inputs=(_input(estimator, columns),),
        outputs=(_output(estimator, names, method),),
        details={"method_name": method},
        deterministic=row_by_row or None,
        batched=row_by_row,
    )


def _input(estimator: Estimator, columns: int | None) -> Tensor:
    if estimator.takes_text and columns is None:
        block = {"type": "list", "item_type": {"type": "string"}, "description": "One text per sample"}
        return Tensor("X", block=block)
    text = "One row per sample"
    if estimator.column_names:
        text = f"{text}; columns: {', '.join(estimator.column_names)}"[:2000]
    names = estimator.column_names or ()
    known = names if columns is None or len(names) == columns else ()
    return Tensor("X", (None, estimator.columns), None, text, columns=known)


def _output(estimator: Estimator, names: list[str] | None, method: str) -> Tensor:
    if method in ("predict_proba", "predict_log_proba") and names is not None:
        text = f"Probability of each class: {', '.join(names)[:1000]}"
        return Tensor("y", (None, len(names)), "float64", text)
    if method == "transform":
        return Tensor("y", (None, estimator.width), "float64", "One row per sample")
    if method == "predict" and names is not None:
        return _labels(estimator)
    if method == "predict":
        return Tensor("y", _prediction_shape(estimator), None, "Prediction for each sample")
    return Tensor("y", None, None, f"What {method} gives")


def _labels(estimator: Estimator) -> Tensor:
    text = "Class of each sample"
    if estimator.label_type is None:
        return Tensor("y", None, None, text, {"type": "python object", "python_type": "numpy.ndarray"})
    block = {"type": "ndarray", "item_type": {"type": estimator.label_type}, "shape": [None]}
    return Tensor("y", None, None, text, block)


def _prediction_shape(estimator: Estimator) -> tuple[int | None, ...] | None:
    if estimator.outputs is None:
        return None
    return (None,) if estimator.outputs == 1 else (None, estimator.outputs)


def _requirements(pickled: Pickled, file: Path, version: str | None) -> dict[str, str | None]:
    """scikit-learn of the version that saved it, and the packages of the other modules."""
    found: dict[str, str | None] = {"scikit-learn": version, "numpy": None}
    form = _form(file, pickled)
    if form in ("joblib", "skops"):
        found[form] = None
    for module in pickled.modules:
        package = distribution_of(module)
        if package is not None and package not in found and module not in ("sklearn", "numpy", "joblib"):
            found[package] = None
    return found


def _missing(estimator: Estimator, version: str | None) -> tuple[str, ...]:
    notes = []
    here = installed("scikit-learn")
    if version is not None and here is not None and version != here:
        notes.append(
            f"it was saved by scikit-learn {version}, and {here} is installed here: its environment "
            f"gets {version}"
        )
    if estimator.by_column_name:
        notes.append(
            "it chooses its columns by their names, which an array has not: publish a function that makes a "
            "table of its input (describe.static_method)"
        )
    return tuple(notes)
