"""Descriptions of methods of pickled objects. The pickle is read, not run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from dlhub_client.describe.class_source import find_method
from dlhub_client.describe.from_file import Common, FileDescription, describe_facts
from dlhub_client.describe.functions import ANYTHING, declaration, method_of
from dlhub_client.describe.packages import distribution_of, unknown_modules
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor
from dlhub_client.describe.readers.pickle_file import Pickled, read_pickle
from dlhub_client.describe.readers.pickle_values import class_of
from dlhub_client.errors import Malformed


def class_method(path: str | Path, method: str, **common: Unpack[Common]) -> FileDescription:
    """Describe a method of a pickled object; the pickle is read, and nothing in it is run.

    files: the modules that define its class, unless a requirement brings them. Types and defaults come from
    the method's hints where the class is loaded here already, or its source is among `files` or on the path;
    otherwise `inputs` and `outputs` may be anything unless given. Further arguments: see `Common`.
    """
    pickled = read_pickle(path)
    files = common["files"] = list(common.get("files", ()))
    facts = read_instance(path, pickled, files)
    found = _told_by_class(facts, method) or _told_by_source(facts, method, files)
    block: Mapping[str, Any] = found or {"method_details": {}}
    given = common.get("inputs") is not None
    if not given:
        common["inputs"] = block.get("input")
    if common.get("outputs") is None:
        common["outputs"] = block.get("output")
    if common.get("parameters") is None:
        common["parameters"] = block.get("parameters") or {}
    told = {} if given else block["method_details"]
    details = {**told, "method_name": method, "class_name": facts.model_type}
    facts = _with_method(facts, details, block, common)
    return describe_facts(facts, common).add_file(facts.path, "pickle")


def read_instance(path: str | Path, pickled: Pickled | None = None, files: Iterable[Any] = ()) -> ModelFacts:
    """What a pickle says of the object in it; files bring modules that it needs. Raises DescribeError."""
    pickled = pickled if pickled is not None else read_pickle(path)
    kind = class_of(pickled.value)
    packages = [distribution_of(module) for module in pickled.modules]
    return ModelFacts(
        path=Path(path).expanduser(),
        kind="Python class method",
        format="pickle",
        helper="class_method",
        framework="",
        model_type=kind.path if kind is not None else None,
        requirements={package: None for package in packages if package is not None},
        suspicious=pickled.suspicious,
        missing=_missing(kind.path if kind is not None else None, pickled, files),
    )


def _missing(class_path: str | None, pickled: Pickled, files: Iterable[Any]) -> tuple[str, ...]:
    if class_path is None:
        return ("it is no object of a class: publish a function that reads it (describe.static_method)",)
    notes = ["a pickle does not tell what a method takes and gives: inputs=..., outputs=..."]
    if class_path.startswith("__main__."):
        notes.append(
            "its class was defined in a script or notebook, and will not be found where it runs: define it "
            "in a module, pickle it again, and give the module in files"
        )
    notes.extend(unknown_modules(pickled.modules, files))
    return tuple(notes)


def _told_by_class(facts: ModelFacts, method: str) -> Mapping[str, Any] | None:
    """The declaration from a class that is loaded already; nothing is imported to find it."""
    module, _, name = (facts.model_type or "").rpartition(".")
    function = getattr(getattr(sys.modules.get(module), name, None), method, None)
    if function is None or not hasattr(function, "__code__"):
        return None
    try:
        return method_of(function, skip=1)
    except Malformed:
        return None


def _told_by_source(facts: ModelFacts, method: str, files: list[Any]) -> Mapping[str, Any] | None:
    source = find_method(facts.model_type, method, files) if facts.model_type else None
    return declaration(source) if source is not None else None


def _with_method(
    facts: ModelFacts, details: Mapping[str, Any], block: Mapping[str, Any], common: Common
) -> ModelFacts:
    """Facts with what a method of it takes: as given, else anything."""
    told = common.get("inputs") is not None and common.get("outputs") is not None
    anything = Tensor("input", block=dict(ANYTHING))
    signature = Signature(
        inputs=(anything,) if common.get("inputs") is None else (),
        outputs=(anything,) if common.get("outputs") is None else (),
        parameter_types=block.get("parameter_types") or {},
        details=details,
        sure=False,
    )
    return replace(
        facts,
        signatures=(signature,),
        documentation=block.get("description"),
        missing=facts.missing[1:] if told else facts.missing,
    )
