"""Archives of `torch.export.save` (.pt2): the graph with all its shapes as JSON, the weights beside it.

Source: `torch/_export/serde/schema.py` (version 8) and the files that torch 2.13 writes. Before torch 2.9 the
JSON lay in `serialized_exported_program.json`; its fields are the same.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.bounded import json_member
from dlhub_client.describe.readers.facts import Length, ModelFacts, Shape, Signature, Tensor, symbol_of
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
        signatures=(_signature(module),),
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


def _signature(module: Json) -> Signature:
    graph, signature = module["graph"], module["signature"]
    values = graph["tensor_values"]
    taken = [spec["user_input"]["arg"] for spec in signature["input_specs"] if "user_input" in spec]
    given = [spec["user_output"]["arg"] for spec in signature["output_specs"] if "user_output" in spec]
    names = [one["as_tensor"]["name"] for one in taken if "as_tensor" in one]
    labels = _output_names(module, len(given))
    return Signature(
        inputs=tuple(_tensor(name, name, values) for name in names),
        outputs=tuple(
            _tensor(label, one["as_tensor"]["name"], values)
            for label, one in zip(labels, given, strict=True)
            if "as_tensor" in one
        ),
        deterministic=not any(_RANDOM.search(str(node.get("target"))) for node in graph["nodes"]),
        by_name=_gives_dict(module),
    )


def _out_spec(module: Json) -> Json:
    """The tree of what the program gives, as Torch's `pytree` writes it."""
    entries = module.get("module_call_graph") or ()
    entry: Json = next((one for one in entries if one.get("fqn") == ""), {})
    text = (entry.get("signature") or {}).get("out_spec") or "[1, {}]"
    tree = json.loads(text)[1]
    return tree if isinstance(tree, dict) else {}


def _gives_dict(module: Json) -> bool:
    return str(_out_spec(module).get("type")).endswith("dict")


def _output_names(module: Json, count: int) -> list[str]:
    """Keys when it gives a dict of tensors, else numbers."""
    tree = _out_spec(module)
    if _gives_dict(module) and len(tree.get("children_spec", ())) == count:
        keys = json.loads(tree["context"]) if isinstance(tree.get("context"), str) else tree.get("context")
        if isinstance(keys, list) and len(keys) == count:
            return [str(key) for key in keys]
    return ["output"] if count == 1 else [f"output_{number}" for number in range(count)]


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
