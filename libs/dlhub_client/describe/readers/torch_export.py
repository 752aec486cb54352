"""Archives of `torch.export.save` (.pt2): the graph with all its shapes as JSON, the weights beside it.

Source: `torch/_export/serde/schema.py` (version 8) and the files that torch 2.13 writes. Before torch 2.9 the
JSON lay in `serialized_exported_program.json`; its fields are the same.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.bounded import json_member
from dlhub_client.describe.readers.facts import (
    Length,
    ModelFacts,
    Shape,
    Signature,
    Tensor,
    symbol_of,
    tensor_block,
)
from dlhub_client.describe.readers.problems import unreadable
from dlhub_client.describe.readers.torch_tensors import NamedTensor, parameter_count, tensor_table

_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
}  # fmt: skip
"""Numbers of `ScalarType` in the schema."""
_SYMBOL = re.compile(r"Symbol\('(\w+)'.*?\)|(\w+)")
_RANDOM = re.compile(
    r"\.(rand|bernoulli|normal|multinomial|dropout|native_dropout|exponential|poisson|uniform)"
)
_OLD = "serialized_exported_program.json"
_ONE_LEAF = '[1, {"type": null, "context": null, "children_spec": []}]'
Json = Mapping[str, Any]


def is_export(names: set[str]) -> bool:
    """Whether an archive of these files is one."""
    return _program_name(names) is not None


def _program_name(names: set[str]) -> str | None:
    new = sorted(name for name in names if "/models/" in f"/{name}" and name.endswith(".json"))
    old = [name for name in names if name.endswith(_OLD)]
    return next(iter([*new, *old]), None)


def export_facts(archive: zipfile.ZipFile, path: Path) -> ModelFacts:
    """What the program says. Raises DescribeError."""
    name = _program_name(set(archive.namelist()))
    program = json_member(archive, str(name))
    try:
        return _facts(program, path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise unreadable(
            path,
            "a program of torch.export of schema version 8 or near",
            f"another form of it ({type(error).__name__}: {error})",
            "Export and save it again with a current torch.",
        ) from error


def _facts(program: Json, path: Path) -> ModelFacts:
    module = program["graph_module"]
    tensors = _weights(module)
    version = program.get("torch_version")
    return ModelFacts(
        path=path,
        kind="Torch Model",
        format="export",
        helper="torch_model",
        framework="torch",
        version=version.partition("+")[0] if isinstance(version, str) else None,
        signatures=(_signature(program),),
        model_type="ExportedProgram",
        summary=tensor_table(tensors),
        parameter_count=parameter_count(tensors),
        requirements={"torch": version.partition("+")[0] if version else None, "numpy": None},
        options={"format": "export"},
    )


def _weights(module: Json) -> list[NamedTensor]:
    found = []
    values = module["graph"]["tensor_values"]
    for spec in module["signature"]["input_specs"]:
        for kind, label in (("parameter", "parameter_name"), ("buffer", "buffer_name")):
            if kind in spec:
                meta = values[spec[kind]["arg"]["name"]]
                shape = tuple(length for length in _shape(meta) if isinstance(length, int))
                found.append(NamedTensor(spec[kind][label], shape, _dtype(meta), kind == "buffer"))
    return found


def _signature(program: Json) -> Signature:
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    values = graph["tensor_values"]
    taken = [spec["user_input"]["arg"] for spec in signature["input_specs"] if "user_input" in spec]
    given = [spec["user_output"]["arg"] for spec in signature["output_specs"] if "user_output" in spec]
    names = [one["as_tensor"]["name"] for one in taken if "as_tensor" in one]
    outputs = iter(
        [_tensor("output", one["as_tensor"]["name"], values) for one in given if "as_tensor" in one]
    )
    tree = _out_spec(module)
    return Signature(
        inputs=tuple(_tensor(name, name, values) for name in names),
        outputs=tuple(_labelled(label, part, outputs) for label, part in _parts(tree)),
        deterministic=_is_frozen(graph, signature),
        batched=False if _is_bounded(program.get("range_constraints") or {}) else None,
    )


def _is_frozen(graph: Json, signature: Json) -> bool:
    """Whether no operation throws dice, and no call changes a buffer, as normalisation does in training."""
    if any("buffer_mutation" in spec for spec in signature["output_specs"]):
        return False
    return not any(_RANDOM.search(str(node.get("target"))) for node in graph["nodes"])


def _is_bounded(ranges: Json) -> bool:
    """Whether a length may not be arbitrarily large, so that joining batches could make it too large."""
    return any(type(one.get("max_val")) is int and one["max_val"] < 2**31 for one in ranges.values())


def _out_spec(module: Json) -> Json:
    """The tree of what the program gives, as Torch's `pytree` writes it."""
    entries = module.get("module_call_graph") or ()
    entry: Json = next((one for one in entries if one.get("fqn") == ""), {})
    text = (entry.get("signature") or {}).get("out_spec") or _ONE_LEAF
    tree = json.loads(text)[1]
    return tree if isinstance(tree, dict) else {}


def _is_dict(tree: Json) -> bool:
    return str(tree.get("type")).endswith(("dict", "Dict"))


def _is_sequence(tree: Json) -> bool:
    return str(tree.get("type")).endswith(("tuple", "list"))


def _keys(tree: Json) -> list[str]:
    context = tree.get("context")
    keys = json.loads(context) if isinstance(context, str) else context
    return [str(key) for key in keys or ()]


def _parts(tree: Json) -> list[tuple[str, Json]]:
    """Names of the outputs, and what each is made of."""
    children = tree.get("children_spec") or []
    if _is_dict(tree):
        return list(zip(_keys(tree), children, strict=True))
    if _is_sequence(tree):
        names = ["output"] if len(children) == 1 else [f"output_{at}" for at in range(len(children))]
        return list(zip(names, children, strict=True))
    return [("output", tree)]


def _labelled(label: str, tree: Json, leaves: Iterator[Tensor]) -> Tensor:
    """An output: a tensor, or a dict, list or tuple of them."""
    if not tree.get("children_spec"):
        return replace(next(leaves), name=label)
    return Tensor(label, block=_nested(tree, leaves))


def _nested(tree: Json, leaves: Iterator[Tensor]) -> Json:
    children = tree.get("children_spec") or []
    if not children:
        return tensor_block(next(leaves), named=False)
    blocks = [_nested(child, leaves) for child in children]
    if _is_dict(tree):
        return {"type": "dict", "properties": dict(zip(_keys(tree), blocks, strict=True))}
    return {"type": "tuple", "element_types": blocks}


def _tensor(label: str, name: str, values: Json) -> Tensor:
    meta = values[name]
    return Tensor(label, _shape(meta), _dtype(meta))


def _dtype(meta: Json) -> str | None:
    return _DTYPES.get(meta["dtype"])


def _shape(meta: Json) -> Shape:
    return tuple(_length(size) for size in meta["sizes"])


def _length(size: Json) -> Length:
    """A number, the name of a symbol, or None for what is worked out from symbols."""
    if "as_int" in size:
        length: int = size["as_int"]
        return length
    expression = size["as_expr"]["expr_str"]
    found = _SYMBOL.fullmatch(expression)
    return symbol_of(found.group(1) or found.group(2)) if found else None
