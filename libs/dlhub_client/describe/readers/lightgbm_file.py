"""LightGBM's models as text: the lines before the first tree, and one after the last.

Source: `GBDT::SaveModelToString` of LightGBM 4 and the files that it writes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.bounded import existing_file
from dlhub_client.describe.readers.facts import ModelFacts, Shape, Signature, Tensor
from dlhub_client.describe.readers.problems import too_much, truncated, unreadable

KIND, HELPER = "LightGBM Model", "lightgbm_model"
_WHAT = "a model of LightGBM as text (booster.save_model('model.txt'))"
_HEADER_BYTES = 64 * 2**20
_END_BYTES = 2**20


def read_lightgbm(path: str | Path) -> ModelFacts:
    """What a model of LightGBM says. Raises DescribeError."""
    file = existing_file(path)
    header = _header(file)
    try:
        return _facts(file, header)
    except (KeyError, ValueError) as error:
        raise unreadable(file, _WHAT, f"a header without {error}") from error


def looks_like_lightgbm(start: bytes) -> bool:
    """Whether a file begins as one."""
    return start.startswith((b"tree\n", b"tree\r\n"))


def _header(path: Path) -> dict[str, str]:
    """`name=value` of each line before the first tree."""
    found: dict[str, str] = {}
    with path.open("rb") as file:
        if not looks_like_lightgbm(file.read(8)):
            raise unreadable(path, _WHAT, "a file that does not begin with 'tree'")
        file.seek(0)
        for raw in iter(lambda: file.readline(_HEADER_BYTES), b""):
            line = raw.decode("utf-8", "replace").strip()
            if line.startswith("Tree=") or line == "end of trees":
                return found
            if file.tell() > _HEADER_BYTES:
                raise too_much(path, "a longer header", f"{_HEADER_BYTES} bytes of it")
            name, equals, value = line.partition("=")
            if equals:
                found[name] = value
    raise truncated(path, _WHAT)


def _facts(path: Path, header: dict[str, str]) -> ModelFacts:
    features = int(header["max_feature_idx"]) + 1
    outputs = int(header.get("num_tree_per_iteration", header["num_class"]))
    names = header.get("feature_names", "").split()
    objective = header.get("objective", "none").split()
    categories = _categories(path)
    return ModelFacts(
        path=path,
        kind=KIND,
        format="text",
        helper=HELPER,
        framework="lightgbm",
        signatures=(
            Signature(
                inputs=(_rows(features, names),),
                outputs=(_output(objective[0], outputs),),
                details={"method_name": "predict"},
                deterministic=True,
                batched=True,
            ),
        ),
        model_type="Booster",
        summary=_summary(header, names),
        requirements={"lightgbm": None, "numpy": None},
        classes=_classes(objective[0], outputs),
        missing=_missing(categories),
    )


def _rows(features: int, names: list[str]) -> Tensor:
    text = "One row per sample"
    if all(name == f"Column_{number}" for number, name in enumerate(names)):
        return Tensor("data", (None, features), "float64", text)
    text = f"{text}; columns: {', '.join(names)}"[:2000]
    return Tensor("data", (None, features), "float64", text, columns=tuple(names))


def _output(objective: str, outputs: int) -> Tensor:
    shape: Shape = (None, outputs) if outputs > 1 else (None,)
    text = "Prediction for each sample"
    if objective.startswith("multiclass"):
        text = "Probability of each class"
    elif objective == "binary":
        text = "Probability of the second class"
    return Tensor("prediction", shape, "float64", text)


def _classes(objective: str, outputs: int) -> tuple[Any, ...] | None:
    if objective.startswith("multiclass"):
        return tuple(range(outputs))
    return (0, 1) if objective == "binary" else None


def _summary(header: dict[str, str], names: list[str]) -> str:
    lines = [
        f"objective: {header.get('objective', 'none')}",
        f"trees: {len(header.get('tree_sizes', '').split())}",
        f"format: {header.get('version', '?')}",
    ]
    if names:
        lines.append(f"features: {', '.join(names)}"[:10_000])
    return "\n".join(lines)


def _categories(path: Path) -> list[Any]:
    """Categories of a pandas table that it was trained on, which the last line tells."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _END_BYTES))
        last = file.read().decode("utf-8", "replace").rpartition("pandas_categorical:")
    try:
        found = json.loads(last[2]) if last[1] else []
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _missing(categories: list[Any]) -> tuple[str, ...]:
    if not categories:
        return ()
    return (
        f"it was trained on a table with {len(categories)} columns of categories: in an array these are "
        "numbers, the places of the categories in their lists. Say which in set_input_description",
    )
