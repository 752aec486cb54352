"""From the facts of a model file to a description; what every helper for a framework has in common."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, cast

from dlhub_client.describe.arguments import ArgumentBlock
from dlhub_client.describe.declared import block_of, is_joinable, reconciled
from dlhub_client.describe.defaults import forms, types_needed
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor
from dlhub_client.describe.readers.problems import DescribeError

if TYPE_CHECKING:
    from proto_msgs.description import ServableType

_METHOD = re.compile(r"[A-Za-z]\w{0,99}")
_SUMMARY_CHARACTERS = 10_000
_WITHOUT_CPU = {"tensorflow-cpu": "tensorflow", "xgboost-cpu": "xgboost"}


class SuspiciousFile(UserWarning):
    """Loading the file would run code that a model has no need of."""


class Common(TypedDict, total=False):
    """What every helper takes by name.

    name, title, creators: see the setters of `ModelDescription`; the name is the file's unless given.
    inputs, outputs: declared by hand (`describe.argument`), where the file leaves something open.
    parameters: further arguments with their defaults. files: modules that the model needs.
    vectorised, deterministic, map_axis: see `ModelDescription.set_promises`; read from the file where it
    tells. gpu: take the packages for GPUs, and ask for one.
    """

    name: str | None
    title: str | None
    creators: str | Iterable[str]
    inputs: ArgumentBlock | None
    outputs: ArgumentBlock | None
    parameters: Mapping[str, Any] | None
    files: Iterable[str | Path]
    vectorised: bool | None
    deterministic: bool | None
    map_axis: int | None
    gpu: bool


class FileDescription(ModelDescription):
    """The description of a model in a file.

    `missing` says what the file does not tell and which argument gives it, `suspicious` what in it would run
    code when it is loaded; neither goes into dlhub.json.
    """

    facts: ModelFacts

    @property
    def missing(self) -> tuple[str, ...]:
        """What the file does not tell, and which argument gives it."""
        return self.facts.missing

    def _declare(self, method: str, side: str, block: Mapping[str, Any]) -> Self:
        """With the file's facts where the declaration is silent. Raises DescribeError for a contradiction."""
        signature = named_signatures(self.facts).get(method)
        if signature is None:
            return super()._declare(method, side, block)
        if side == "output":
            signature = replace(signature, outputs=_renamed(signature.outputs, dict(block)))
        super()._declare(method, side, _declared(dict(block), signature, side, self.facts))
        whole = self._method(method)
        whole["method_details"] = {**whole["method_details"], **_order(signature, whole)}
        return self

    @property
    def suspicious(self) -> tuple[str, ...]:
        """Names in the file that could run other code, open files or reach the network."""
        return self.facts.suspicious


def describe_facts(facts: ModelFacts, common: Common) -> FileDescription:
    """A description from what a file tells and what the caller adds. Raises DescribeError."""
    unknown = sorted(set(common) - set(Common.__annotations__))
    if unknown:
        raise TypeError(f"{facts.helper}() got an unexpected keyword argument {unknown[0]!r}")
    methods = {name: _method(one, facts, common) for name, one in named_signatures(facts).items()}
    description = FileDescription(cast("ServableType", facts.kind), methods)
    description.facts = facts
    _say_what_it_is(description, facts)
    _add_packages(description, facts, gpu=common.get("gpu", False))
    _add_documentation(description, facts)
    _remember(description, facts, methods)
    description.set_promises(
        vectorised=common.get("vectorised"),
        deterministic=common.get("deterministic"),
        map_axis=common.get("map_axis"),
    )
    description.add_files(common.get("files", ()))
    if facts.suspicious:
        _warn(facts)
    name = common.get("name") or _name_of(facts.path)
    description.set_name(name).set_title(common.get("title") or name)
    return description.set_creators(common.get("creators", ()))


def _name_of(path: Path) -> str:
    """The file's name, as far as it can be one here."""
    text = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.name if path.is_dir() else path.stem)
    return text.lstrip("_.-")[:100] or "model"


def _warn(facts: ModelFacts) -> None:
    names = ", ".join(facts.suspicious)
    warnings.warn(
        f"{facts.path.name} refers to {names}: loading it may run code that a model has no need of. Nothing "
        "of it was run here. Publish it only if you know where it comes from.",
        SuspiciousFile,
        stacklevel=4,
    )


# --- methods ---


def named_signatures(facts: ModelFacts) -> dict[str, Signature]:
    """Signatures by the name of their method; the first is `run` where none is called so."""
    found: dict[str, Signature] = {}
    for signature in facts.signatures:
        name = re.sub(r"\W", "_", signature.name)
        if _METHOD.fullmatch(name):
            found.setdefault(name, signature)
    if "run" not in found:
        found = {"run": facts.signatures[0], **found}
    return found


def _method(signature: Signature, facts: ModelFacts, common: Common) -> dict[str, Any]:
    is_run = signature is named_signatures(facts)["run"]
    if is_run and (named := common.get("outputs")) is not None:
        signature = replace(signature, outputs=_renamed(signature.outputs, named))
    inputs = _declared(common.get("inputs") if is_run else None, signature, "input", facts)
    outputs = _declared(common.get("outputs") if is_run else None, signature, "output", facts)
    parameters = common.get("parameters") if is_run else None
    method: dict[str, Any] = {"input": inputs, "output": outputs}
    defaults = signature.parameters if parameters is None else parameters
    method["parameters"] = forms(defaults)
    known = {name: dict(one) for name, one in signature.parameter_types.items() if name in defaults}
    if types := {**known, **types_needed(defaults)}:
        method["parameter_types"] = types
    if is_joinable(signature):
        method["vectorised"] = True
    if signature.deterministic:
        method["deterministic"] = True
    method["method_details"] = {**signature.details, **_order(signature, method)}
    return method


def _renamed(tensors: tuple[Tensor, ...] | None, given: ArgumentBlock) -> tuple[Tensor, ...] | None:
    """Outputs that the format knows by their place alone, under the caller's names for them."""
    names = list(given.get("properties") or {})
    if tensors is None or len(names) != len(tensors) or not all(tensor.nameless for tensor in tensors):
        return tensors
    return tuple(replace(tensor, name=name) for tensor, name in zip(tensors, names, strict=True))


def _declared(
    given: ArgumentBlock | None, signature: Signature, side: str, facts: ModelFacts
) -> ArgumentBlock:
    tensors = signature.inputs if side == "input" else signature.outputs
    if given is not None:
        known = tensors is not None and len(tensors) > 0
        return (
            reconciled(given, tensors or (), side, facts.path.name, signature.sure) if known else dict(given)
        )
    if tensors is None or (side == "input" and not all(map(_is_told, tensors))):
        raise _ask(side, facts)
    return block_of(tensors)


def _is_told(tensor: Tensor) -> bool:
    return tensor.block is not None or tensor.shape is not None or tensor.dtype is not None


def _ask(side: str, facts: ModelFacts) -> DescribeError:
    notes = "; ".join(facts.missing) or f"give {side}s=describe.argument(...)"
    return DescribeError(f"{facts.path} does not tell what the model's {side}s are: {notes}.")


def _order(signature: Signature, method: Mapping[str, Any]) -> dict[str, Any]:
    """Names in the model's own order, where there are several; outputs as given where the file has none."""
    found: dict[str, Any] = {}
    given = list(method["output"].get("properties") or {})
    for key, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if tensors is not None and len(tensors) > 1:
            found[key] = [tensor.name for tensor in tensors]
    if signature.outputs is None and len(given) > 1:
        found["outputs"] = given
    return found


# --- the rest of the blocks ---


def _say_what_it_is(description: FileDescription, facts: ModelFacts) -> None:
    servable = description._servable
    if facts.options:
        servable["options"] = dict(facts.options)
    if facts.framework:
        version = {"version": facts.version} if facts.version else {}
        servable["framework"] = {"name": facts.framework, **version}
    told = {"model_type": facts.model_type, "parameter_count": facts.parameter_count}
    servable.update({key: value for key, value in told.items() if value is not None})
    if facts.summary:
        servable["model_summary"] = facts.summary[:_SUMMARY_CHARACTERS]


def _add_packages(description: FileDescription, facts: ModelFacts, *, gpu: bool) -> None:
    for package, version in facts.requirements.items():
        name = _WITHOUT_CPU.get(package, package) if gpu else package
        found = version or _version_here(name, facts)
        description.add_requirement(name, found)
        source = facts.path.name if version else "installed" if found else "any version"
        description.set_source(f"/dlhub/dependencies/python/{name}", source)
    if gpu:
        description._servable["resources"] = {"accelerators": 1}


def _version_here(package: str, facts: ModelFacts) -> str | None:
    """What is installed here; of NumPy only beside the same version of the framework, which must bear it."""
    if package != "numpy":
        return installed(package) or installed(_WITHOUT_CPU.get(package, package))
    main, version = next(iter(facts.requirements.items()))
    here = installed(main) or installed(_WITHOUT_CPU.get(main, main))
    return installed("numpy") if here is not None and version in (None, here) else None


def installed(package: str) -> str | None:
    """The version of a package here, without what names its build; None when it is not installed."""
    try:
        return packages.version(package).partition("+")[0]
    except packages.PackageNotFoundError:
        return None


def _add_documentation(description: FileDescription, facts: ModelFacts) -> None:
    if facts.documentation and facts.documentation.strip():
        description.set_abstract(facts.documentation.strip())
        description.set_source("/datacite/descriptions", facts.path.name)


def _remember(description: FileDescription, facts: ModelFacts, methods: Mapping[str, Any]) -> None:
    source = facts.path.name
    for key in ("framework", "model_type", "model_summary", "parameter_count"):
        if key in description._servable:
            description.set_source(f"/servable/{key}", source)
    for name, method in methods.items():
        for key in ("input", "output", "parameters", "deterministic", "vectorised"):
            if method.get(key):
                description.set_source(f"/servable/methods/{name}/{key}", source)
