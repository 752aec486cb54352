"""Descriptions of PyTorch models of every format; Torch itself is not needed here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from dlhub_client.describe.arguments import ArgumentBlock
from dlhub_client.describe.class_source import MethodSource, find_method
from dlhub_client.describe.declared import ShapeArgument, from_shape
from dlhub_client.describe.frameworks import class_path
from dlhub_client.describe.from_file import Common, FileDescription, describe_facts
from dlhub_client.describe.readers.facts import ModelFacts
from dlhub_client.describe.readers.problems import DescribeError
from dlhub_client.describe.readers.torch_file import read_torch

_BY_CLASS = ("state_dict", "safetensors")


def torch_model(
    path: str | Path,
    input_shape: ShapeArgument | None = None,
    output_shape: ShapeArgument | None = None,
    input_type: str = "float32",
    output_type: str = "float32",
    *,
    model_class: str | type | None = None,
    class_arguments: Mapping[str, Any] | None = None,
    **common: Unpack[Common],
) -> FileDescription:
    """Describe a PyTorch model: TorchScript, `torch.export` (.pt2), a state dict, safetensors, or a module.

    A program of `torch.export` tells everything. TorchScript keeps no shapes: give input_shape, None where
    any length will do, several by name. Weights alone (a state dict, safetensors) need the class as well:
    model_class="module.Class", with its file in `files`, or the class itself, and class_arguments for its
    constructor. Further arguments: see `Common`. Raises DescribeError.
    """
    facts = read_torch(path)
    source = _class_source(facts, model_class, common)
    facts = _with_class(facts, model_class, class_arguments, source)
    if input_shape is not None and common.get("inputs") is None:
        common["inputs"] = _named(from_shape(input_shape, input_type), source)
    if output_shape is not None and common.get("outputs") is None:
        common["outputs"] = from_shape(output_shape, output_type)
    if source is not None and common.get("parameters") is None:
        common["parameters"] = source.defaults
    description = describe_facts(_told(facts), common).add_file(facts.path, "model")
    _take_order(description, source)
    if isinstance(model_class, type):
        _add_module(description, model_class)
    return description


def _class_source(facts: ModelFacts, model_class: str | type | None, common: Common) -> MethodSource | None:
    if facts.format not in (*_BY_CLASS, "pickle"):
        return None
    path = class_path(model_class) if model_class is not None else facts.options.get("class")
    files = list(common.get("files", ()))
    common["files"] = files
    return find_method(str(path), "forward", files) if path else None


def _with_class(
    facts: ModelFacts,
    model_class: str | type | None,
    arguments: Mapping[str, Any] | None,
    source: MethodSource | None,
) -> ModelFacts:
    """Facts with the class that takes the weights. Raises DescribeError when it is needed and missing."""
    if facts.format not in _BY_CLASS:
        if model_class is not None and facts.format != "pickle":
            raise DescribeError(
                f"model_class is given, but {facts.path.name} ({facts.format}) brings its code along: leave "
                "it out."
            )
        return replace(facts, documentation=source.class_doc if source is not None else facts.documentation)
    if model_class is None:
        raise DescribeError(f"{facts.path} cannot be described: {'; '.join(facts.missing)}.")
    name = class_path(model_class)
    if "." not in name or name.startswith("__main__."):
        raise DescribeError(
            f'model_class is {name!r}; it has to be "module.Class" of a module that is published with the '
            "model: a class of a script or a notebook cannot be found where the model runs."
        )
    options = {**facts.options, "class": name, "class_arguments": dict(arguments or {})}
    document = source.class_doc if source is not None else None
    return replace(
        facts,
        options=options,
        model_type=name.rpartition(".")[2],
        documentation=document or facts.documentation,
        missing=("give input_shape=[None, ...] and output_shape=[None, ...]",),
    )


def _told(facts: ModelFacts) -> ModelFacts:
    """Where the code tells that the output is a tensor, its shape alone is missing: it may be any."""
    signature = facts.signatures[0]
    open_ended = [one for one in signature.outputs or () if one.block is None and one.shape is None]
    if not open_ended:
        return facts
    note = "the shapes of outputs are not in the file: give output_shape=[None, ...]"
    return replace(facts, missing=(*facts.missing, note))


def _named(block: ArgumentBlock, source: MethodSource | None) -> ArgumentBlock:
    """A single input under the name that `forward` has for it."""
    if block["type"] == "ndarray" and source is not None and len(source.required) == 1:
        return {"name": source.required[0], **block}
    return block


def _take_order(description: FileDescription, source: MethodSource | None) -> None:
    """The order in which `forward` takes several inputs: as its source says, else as they were given."""
    method = description._servable["methods"]["run"]
    properties = method["input"].get("properties")
    if method["method_details"].get("inputs") is not None or not properties or len(properties) < 2:
        return
    own = [name for name in (source.required if source is not None else ()) if name in properties]
    method["method_details"]["inputs"] = own if len(own) == len(properties) else list(properties)


def _add_module(description: FileDescription, model_class: type) -> None:
    """The file that defines a class, unless a package brings it."""
    from dlhub_client.describe.functions import files_of

    for archive_path, file in files_of(model_class.__module__, Path(inspect.getfile(model_class))):
        if isinstance(file, Path):
            description.add_file(file, archive_path=archive_path)
