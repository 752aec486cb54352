"""Scikit-learn estimators, from the attributes that a pickle, a joblib or a skops file would give them.

Attributes that end in `_` are what training found; the others, the constructor's parameters. Pipelines and
searches are looked into, as their own methods do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlhub_client.describe.readers.pickle_file import Pickled, labels_of
from dlhub_client.describe.readers.pickle_values import (
    Array,
    Global,
    as_array,
    class_of,
    simple,
    state_of,
    walk,
)

_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "float", "U": "string"}
_TRANSFORMERS = (
    "sklearn.preprocessing", "sklearn.decomposition", "sklearn.feature_extraction",
    "sklearn.feature_selection", "sklearn.impute", "sklearn.random_projection",
    "sklearn.kernel_approximation", "sklearn.compose._column",
)  # fmt: skip
_TEXT = frozenset(("CountVectorizer", "HashingVectorizer", "TfidfVectorizer"))
_NO_PROBABILITIES = frozenset(
    ("LinearSVC", "Perceptron", "PassiveAggressiveClassifier", "RidgeClassifier", "RidgeClassifierCV")
)
_PACKAGES = ("sklearn", "imblearn", "xgboost", "lightgbm", "catboost", "skopt", "sklego", "skorch")
_SAME_WIDTH = frozenset(
    (
        "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "QuantileTransformer",
        "PowerTransformer", "Normalizer", "Binarizer", "OrdinalEncoder",
    )
)  # fmt: skip
_ONE_TARGET = frozenset(
    (
        "AdaBoostRegressor", "GradientBoostingRegressor", "HistGradientBoostingRegressor", "NuSVR",
        "StackingRegressor", "SVR", "VotingRegressor",
    )
)  # fmt: skip
"""Regressors that cannot be fitted to several targets, and do not say so in an attribute."""


@dataclass(frozen=True)
class Estimator:
    """What a file says of an estimator."""

    kind: str
    """Class of the estimator, or of a pipeline's last step."""
    module: str
    version: str | None
    """Scikit-learn's, that saved it."""
    columns: int | None
    column_names: tuple[str, ...] | None
    takes_text: bool
    classes: tuple[Any, ...] | None
    label_type: str | None
    """Of a classifier's labels, where NumPy has a type for them."""
    outputs: int | None
    """Number of values for each row; None when the file does not tell."""
    width: int | None
    """Of what a transformer gives for each row."""
    method: str
    """What it is made for: predict_proba, predict or transform."""
    parameters: dict[str, Any]
    steps: tuple[tuple[str, str], ...]
    by_column_name: bool
    """Its columns are chosen by their names, which an array has not."""

    @property
    def summary(self) -> str:
        """The constructor's call, or a line for each step."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items() if value is not None)
        lines = [f"{name}: {step}" for name, step in self.steps]
        return "\n".join([f"{self.kind}({given})", *lines])


def is_estimator(pickled: Pickled) -> bool:
    """Whether it looks like something of scikit-learn, or made after its manner."""
    kind = class_of(pickled.value)
    if kind is None:
        return False
    state = state_of(pickled.value)
    known = kind.module.partition(".")[0] in _PACKAGES
    return known or bool({"_sklearn_version", "n_features_in_", "classes_"} & set(state))


def read_estimator(pickled: Pickled) -> Estimator:
    """The estimator in a file for which `is_estimator` holds."""
    outer = pickled.value
    leaf = _leaf(outer)
    state = state_of(leaf)
    kind = class_of(leaf) or class_of(outer) or Global("builtins", "object")
    first = _first(outer)
    classes, label_type = _classes(_found(outer, "classes_"))
    names = labels_of(_found(outer, "feature_names_in_"))
    columns = _columns(outer, first)
    return Estimator(
        kind=kind.name,
        module=kind.module,
        version=_version(outer),
        columns=columns,
        column_names=tuple(str(name) for name in names) if names else None,
        takes_text=getattr(class_of(first), "name", "") in _TEXT,
        classes=classes,
        label_type=label_type,
        outputs=1 if kind.name in _ONE_TARGET else _outputs(state, classes is not None),
        width=_width(kind.name, state, columns),
        method=_method(kind, state, classes is not None),
        parameters=_parameters(state),
        steps=_steps(outer),
        by_column_name=_by_column_name(outer),
    )


def _version(value: Any) -> str | None:
    for one in walk(value, 100_000):
        version = state_of(one).get("_sklearn_version")
        if isinstance(version, str):
            return version
    return None


def _step_list(value: Any) -> list[tuple[str, Any]]:
    steps = state_of(value).get("steps")
    if not isinstance(steps, list):
        return []
    pairs = [one for one in steps if isinstance(one, tuple) and len(one) == 2]
    return [(str(name), step) for name, step in pairs if step is not None and step != "passthrough"]


def _members(state: dict[str, Any]) -> list[tuple[str, Any]]:
    """The named estimators that an ensemble was made of."""
    given = state.get("estimators")
    named = given if isinstance(given, list) else []
    pairs = [one for one in named if isinstance(one, tuple) and len(one) == 2]
    return [(str(name), member) for name, member in pairs if class_of(member) is not None]


def _inner(value: Any, last: bool) -> Any:
    """What a pipeline or a search hands its calls to; None for other estimators."""
    steps = _step_list(value)
    if steps:
        return steps[-1 if last else 0][1]
    return state_of(value).get("best_estimator_")


def _end(value: Any, last: bool) -> Any:
    for _ in range(20):  # a pipeline in a search in a pipeline; one that holds itself ends here too
        inner = _inner(value, last)
        if class_of(inner) is None:
            break
        value = inner
    return value


def _leaf(value: Any) -> Any:
    return _end(value, last=True)


def _first(value: Any) -> Any:
    return _end(value, last=False)


def _found(outer: Any, attribute: str) -> Any:
    """An attribute of the estimator itself, of its first or of its last step."""
    order = (outer, _leaf(outer)) if attribute == "classes_" else (outer, _first(outer))
    return next((state_of(one)[attribute] for one in order if attribute in state_of(one)), None)


def _columns(outer: Any, first: Any) -> int | None:
    for attribute in ("n_features_in_", "n_features_", "_n_features"):
        count = simple(_found(outer, attribute))
        if type(count) is int:
            return count
    weights = as_array(state_of(first).get("coef_"))
    if weights is not None and weights.shape:
        return weights.shape[-1]
    parts = state_of(first).get("estimators_")  # of an ensemble, each takes the same
    count = simple(state_of(parts[0]).get("n_features_in_")) if isinstance(parts, list) and parts else None
    return count if type(count) is int else None


def _classes(value: Any) -> tuple[tuple[Any, ...] | None, str | None]:
    """Names of the classes and the type of labels; of a model for several labels, neither."""
    array = as_array(value)
    labels = labels_of(value)
    if array is None or labels is None:
        return None, None
    return tuple(labels), _label_type(array, labels)


def _label_type(array: Array, labels: list[Any]) -> str | None:
    kind = array.dtype.lstrip("<>|=")[:1]
    if kind == "O" and labels and all(isinstance(label, str) for label in labels):
        return None  # an array of Python objects: NumPy has no type of text for it
    return _KINDS.get(kind)


def _outputs(state: dict[str, Any], is_classifier: bool) -> int | None:
    count = simple(state.get("n_outputs_"))
    if type(count) is int:
        return count
    if is_classifier:
        return 1
    weights = as_array(state.get("coef_"))
    if weights is None:
        return None
    return 1 if len(weights.shape) < 2 else weights.shape[0]


def _width(kind: str, state: dict[str, Any], columns: int | None) -> int | None:
    if kind in _SAME_WIDTH:
        return columns
    if kind == "VotingRegressor":  # a column for each member
        fitted = state.get("estimators_")
        return len(fitted) if isinstance(fitted, list) else None
    count = simple(state.get("n_components_"))
    if type(count) is int:
        return count
    parts = as_array(state.get("components_"))
    return parts.shape[0] if parts is not None and parts.shape else None


def _method(kind: Global, state: dict[str, Any], is_classifier: bool) -> str:
    if is_classifier or kind.name.endswith("Classifier"):
        return "predict_proba" if _has_probabilities(kind.name, state) else "predict"
    if kind.module.startswith(_TRANSFORMERS) or kind.name in ("ColumnTransformer", "FeatureUnion"):
        return "transform"
    return "predict"


def _has_probabilities(kind: str, state: dict[str, Any]) -> bool:
    """As scikit-learn decides it, from the parameters."""
    if kind in ("SVC", "NuSVC"):
        return simple(state.get("probability")) is True
    if kind == "SGDClassifier":
        return state.get("loss") in ("log_loss", "log", "modified_huber")
    if kind == "VotingClassifier":
        return state.get("voting") == "soft"
    inner = state.get("estimator")
    if kind in ("OneVsRestClassifier", "MultiOutputClassifier", "SelfTrainingClassifier") and class_of(inner):
        return _has_probabilities(getattr(class_of(inner), "name", ""), state_of(inner))
    return kind not in _NO_PROBABILITIES and kind != "OneVsOneClassifier"


def _parameters(state: dict[str, Any]) -> dict[str, Any]:
    """The constructor's, as far as they are simple."""
    names = [name for name in state if not name.endswith("_") and not name.startswith("_")]
    apart = {"steps", "estimators"} if _members(state) else {"steps"}
    return {name: simple(state[name]) for name in names if name not in apart}


def _steps(outer: Any) -> tuple[tuple[str, str], ...]:
    parts = _step_list(outer) or _members(state_of(_leaf(outer)))
    pairs = [(name, class_of(step), state_of(step)) for name, step in parts]
    return tuple((name, _call(kind, state)) for name, kind, state in pairs if kind is not None)


def _call(kind: Global, state: dict[str, Any]) -> str:
    given = [f"{name}={value!r}" for name, value in _parameters(state).items() if value is not None]
    return f"{kind.name}({', '.join(given)})"


def _by_column_name(outer: Any) -> bool:
    for _, step in [("", outer), *_step_list(outer)]:
        kind, state = class_of(step), state_of(step)
        if kind is None or kind.name != "ColumnTransformer":
            continue
        chosen = state.get("transformers")
        rows = [one for one in chosen if isinstance(one, tuple)] if isinstance(chosen, list) else []
        if any(isinstance(simple(column), str) for row in rows for column in _columns_of(row)):
            return True
    return False


def _columns_of(row: tuple[Any, ...]) -> list[Any]:
    last = row[-1] if len(row) == 3 else None
    return last if isinstance(last, list) else [last]
