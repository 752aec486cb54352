"""XGBoost's models as JSON or UBJSON: all but the trees.

Source: `doc/model.schema` of XGBoost and the files that XGBoost 3.2 writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.bounded import existing_file, json_object, mapped, start_of
from dlhub_client.describe.readers.facts import ModelFacts, Shape, Signature, Tensor
from dlhub_client.describe.readers.problems import too_much, truncated, unreadable
from dlhub_client.describe.readers.ubjson import Reader, UBJSONError

KIND, HELPER = "XGBoost Model", "xgboost_model"
_WHAT = "a model of XGBoost (JSON or UBJSON, by save_model)"
_TREES = re.compile(rb'(?<!\\)"trees"\s*:\s*\[')
_BRACKET = re.compile(rb"[\[\]]")
_JSON_BYTES = 64 * 2**20
_CHUNK = 2**24
Json = Mapping[str, Any]


def read_xgboost(path: str | Path) -> ModelFacts:
    """What a model of XGBoost says. Raises DescribeError."""
    file = existing_file(path)
    start = start_of(file)
    if start[:1] != b"{":
        advice = "Save it with model.save_model('model.json') or 'model.ubj'."
        found = "a pickle" if start[:1] == b"\x80" else "something else"
        if start[:4] in (b"binf", b"\x00\x00\x00?"):
            found = "XGBoost's old binary format, which newer versions cannot read"
        raise unreadable(file, _WHAT, found, advice)
    binary = _is_binary(start)
    document = _ubjson(file) if binary else _json(file)
    try:
        return _facts(file, "ubj" if binary else "json", document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(file, _WHAT, f"other fields ({type(error).__name__}: {error})") from error


def _is_binary(start: bytes) -> bool:
    """After `{`, UBJSON has the kind of a length; JSON a quote or white space."""
    return start[1:2] in (b"L", b"l", b"I", b"i", b"U", b"#", b"$")


def _ubjson(path: Path) -> Json:
    try:
        document = Reader(mapped(path)).value()
    except UBJSONError as error:
        raise truncated(path, f"{_WHAT}, whole ({error})") from error
    return document if isinstance(document, dict) else {}


def _json(path: Path) -> Json:
    """The JSON without its trees, which are most of it and are never made into objects."""
    view = mapped(path)
    found = _TREES.search(view)
    if found is None:
        return _parsed(bytes(view[: _JSON_BYTES + 1]), path)
    end = _closing(view, found.end())
    if end is None:
        raise truncated(path, _WHAT)
    rest = len(view) - end
    return _parsed(bytes(view[: found.end()]) + b"]" + bytes(view[end : end + min(rest, _JSON_BYTES)]), path)


def _parsed(text: bytes, path: Path) -> Json:
    if len(text) > _JSON_BYTES:
        raise too_much(path, "more beside the trees", f"{_JSON_BYTES} bytes of it")
    return json_object(text, path, _WHAT)


def _closing(view: memoryview, start: int) -> int | None:
    """Where the list ends that began before `start`. Trees hold no text with brackets."""
    depth = 1
    for bracket in _BRACKET.finditer(view, start):
        depth += 1 if bracket.group() == b"[" else -1
        if depth == 0:
            return bracket.end()
    return None


def _facts(path: Path, form: str, document: Json) -> ModelFacts:
    learner = document["learner"]
    settings, objective = learner["learner_model_param"], learner["objective"]["name"]
    features, classes = int(settings["num_feature"]), int(settings.get("num_class", 0))
    version = ".".join(str(part) for part in document["version"])
    names = [str(name) for name in learner.get("feature_names") or ()]
    booster = learner["gradient_booster"]
    return ModelFacts(
        path=path,
        kind=KIND,
        format=form,
        helper=HELPER,
        framework="xgboost",
        version=version,
        signatures=(
            Signature(
                inputs=(_rows(features, names),),
                outputs=(_output(objective, classes, int(settings.get("num_target", 1))),),
                details={"method_name": "predict"},
                deterministic=True,
                batched=True,
            ),
        ),
        model_type=_model_type(learner, booster),
        summary=_summary(objective, booster, names, learner.get("feature_types") or ()),
        requirements={"xgboost-cpu": version, "numpy": None},
        classes=_classes(objective, classes),
    )


def _rows(features: int, names: list[str]) -> Tensor:
    text = "One row per sample"
    if names:
        text = f"{text}; columns: {', '.join(names)}"[:2000]
    return Tensor("data", (None, features), "float32", text, columns=tuple(names))


def _output(objective: str, classes: int, targets: int) -> Tensor:
    shape: Shape = (None, classes) if objective == "multi:softprob" else (None,)
    if targets > 1:
        shape = (None, targets)
    kind, _, what = objective.partition(":")
    text = "Prediction for each sample"
    if objective == "multi:softprob":
        text = "Probability of each class"
    elif objective == "multi:softmax":
        text = "Number of the class of each sample"
    elif what == "logistic" and kind in ("binary", "reg"):
        text = "Probability of the second class" if kind == "binary" else "Probability"
    return Tensor("prediction", shape, "float32", text)


def _classes(objective: str, classes: int) -> tuple[Any, ...] | None:
    if objective.startswith("multi:") and classes:
        return tuple(range(classes))
    return (0, 1) if objective.startswith("binary:") else None


def _model_type(learner: Json, booster: Json) -> str:
    """Of scikit-learn's manner where it was saved so, else by the kind of booster."""
    try:
        told = json.loads(learner.get("attributes", {}).get("scikit_learn", "{}")).get("_estimator_type")
    except (ValueError, AttributeError):
        told = None
    return {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}.get(
        str(told), f"Booster ({booster.get('name')})"
    )


def _summary(objective: str, booster: Json, names: list[str], types: Any) -> str:
    model = booster.get("model") or (booster.get("gbtree") or {}).get("model") or {}
    trees = (model.get("gbtree_model_param") or {}).get("num_trees")
    lines = [f"objective: {objective}", f"booster: {booster.get('name')}"]
    if trees is not None:
        lines.append(f"trees: {trees}")
    kinds = list(types)
    if names:
        pairs = [f"{name} ({kinds[at]})" if at < len(kinds) else name for at, name in enumerate(names)]
        lines.append(f"features: {', '.join(pairs)}"[:10_000])
    return "\n".join(lines)
