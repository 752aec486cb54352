"""Descriptions of models that frameworks have saved: read from the file, without running it.

The framework itself is not needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from dlhub_client.describe.declared import ShapeArgument, from_shape
from dlhub_client.describe.from_file import Common, FileDescription, describe_facts
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor
from dlhub_client.describe.readers.keras_file import read_keras
from dlhub_client.describe.readers.lightgbm_file import read_lightgbm
from dlhub_client.describe.readers.onnx_file import read_onnx
from dlhub_client.describe.readers.problems import DescribeError
from dlhub_client.describe.readers.saved_model import read_saved_model
from dlhub_client.describe.readers.xgboost_file import read_xgboost


def keras_model(
    path: str | Path,
    output_names: Sequence[str] | None = None,
    arch: str | Path | None = None,
    custom_objects: Mapping[str, str | type] | None = None,
    *,
    input_shape: ShapeArgument | None = None,
    output_shape: ShapeArgument | None = None,
    dtype: str | None = None,
    **common: Unpack[Common],
) -> FileDescription:
    """Describe a Keras model: `.keras`, HDF5, or weights with their configuration in `arch` (JSON).

    output_names: names of the outputs, in the model's order, or of the classes of a single output.
    custom_objects: {"Name": "module.Class"}, or the class itself, for what Keras does not bring; add the
    modules with `files`. input_shape, output_shape: where the file does not tell, None where any length will
    do; several by name. Further arguments: see `Common`. Raises DescribeError.
    """
    facts = _with_names(read_keras(path, arch), output_names)
    options = {**facts.options}
    if custom_objects:
        options["custom_objects"] = {name: class_path(one) for name, one in custom_objects.items()}
    _declare_shapes(common, input_shape, output_shape, dtype)
    description = describe_facts(replace(facts, options=options), common)
    description.add_file(facts.path, "model")
    if arch is not None:
        description.add_file(arch, "arch")
    return description


def class_path(found: str | type) -> str:
    """`module.Class`."""
    return found if isinstance(found, str) else f"{found.__module__}.{found.__qualname__}"


def _with_names(facts: ModelFacts, names: Sequence[str] | None) -> ModelFacts:
    """Outputs under other names, or the classes of the only one."""
    signature = facts.signatures[0]
    outputs = signature.outputs
    if names is None or outputs is None:
        return facts
    if len(outputs) == 1 and len(names) > 1:
        return _with_classes(facts, signature, outputs[0], names)
    if len(names) != len(outputs):
        there = ", ".join(one.name for one in outputs)
        raise DescribeError(
            f"output_names has {len(names)} names, but the model in {facts.path.name} gives {len(outputs)} "
            f"outputs: {there}."
        )
    renamed = tuple(replace(one, name=name) for one, name in zip(outputs, names, strict=True))
    return replace(facts, signatures=(replace(signature, outputs=renamed),))


def _with_classes(
    facts: ModelFacts, signature: Signature, output: Tensor, names: Sequence[str]
) -> ModelFacts:
    width = output.shape[-1] if output.shape else None
    if isinstance(width, int) and width != len(names):
        raise DescribeError(
            f"output_names has {len(names)} classes, but the model in {facts.path.name} gives {width} values "
            "for each sample."
        )
    described = replace(output, description=f"One value for each class: {', '.join(names)}"[:2000])
    options = {**facts.options, "classes": list(names)}
    return replace(facts, signatures=(replace(signature, outputs=(described,)),), options=options)


def _declare_shapes(
    common: Common, inputs: ShapeArgument | None, outputs: ShapeArgument | None, dtype: str | None
) -> None:
    """Shapes as declarations; they are a short way of giving these."""
    if inputs is not None and common.get("inputs") is None:
        common["inputs"] = from_shape(inputs, dtype)
    if outputs is not None and common.get("outputs") is None:
        common["outputs"] = from_shape(outputs, dtype)


def tensorflow_model(path: str | Path, **common: Unpack[Common]) -> FileDescription:
    """Describe a SavedModel, the folder with `saved_model.pb`; each of its signatures becomes a method.

    `run` is the signature `serving_default`, else the first. Arguments: see `Common`. Raises DescribeError.
    """
    facts = read_saved_model(path)
    description = describe_facts(facts, common)
    folder = facts.path.absolute()
    for file in facts.companions:
        inside = file.absolute().relative_to(folder)
        description.add_file(file, archive_path=f"{folder.name}/{inside.as_posix()}")
    description._named_files["model"] = folder.name
    return description


def onnx_model(path: str | Path, **common: Unpack[Common]) -> FileDescription:
    """Describe an ONNX model, with the files that hold its weights where these are others.

    Arguments: see `Common`. Raises DescribeError.
    """
    facts = read_onnx(path)
    description = describe_facts(facts, common).add_file(facts.path, "model")
    for file in facts.companions:
        description.add_file(file, archive_path=file.relative_to(facts.path.parent).as_posix())
    return description


def xgboost_model(
    path: str | Path, classes: Sequence[Any] | None = None, **common: Unpack[Common]
) -> FileDescription:
    """Describe a model of XGBoost, saved as JSON or UBJSON. classes: names of the classes.

    Further arguments: see `Common`. Raises DescribeError.
    """
    return _boosted(read_xgboost(path), classes, common)


def lightgbm_model(
    path: str | Path, classes: Sequence[Any] | None = None, **common: Unpack[Common]
) -> FileDescription:
    """Describe a model of LightGBM, saved as text. classes: names of the classes.

    Further arguments: see `Common`. Raises DescribeError.
    """
    return _boosted(read_lightgbm(path), classes, common)


def _boosted(facts: ModelFacts, classes: Sequence[Any] | None, common: Common) -> FileDescription:
    known = facts.classes
    if classes is not None and (known is None or len(known) != len(classes)):
        found = f"{len(known)} classes" if known is not None else "no classes: it is no classifier"
        raise DescribeError(
            f"{len(classes)} classes are given, but the model in {facts.path.name} has {found}."
        )
    named = classes if classes is not None else known
    if named is not None:
        facts = replace(facts, options={**facts.options, "classes": [str(one) for one in named]})
    return describe_facts(facts, common).add_file(facts.path, "model")
