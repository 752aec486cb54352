"""ONNX: inputs, outputs and weights, from the protocol buffer.

Source: `onnx.proto` of ONNX 1.23. Numbers behind `Message.text(n)` and its like are fields' numbers there.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from dlhub_client.describe.readers.bounded import existing_file, mapped
from dlhub_client.describe.readers.facts import (
    Length,
    ModelFacts,
    Shape,
    Signature,
    Tensor,
    count_of,
    shape_text,
    symbol_of,
    table,
)
from dlhub_client.describe.readers.problems import DescribeError, unreadable
from dlhub_client.describe.readers.protobuf import Message, WireError

KIND, HELPER = "ONNX Model", "onnx_model"
_WHAT = "an ONNX model"
_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "str", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
    16: "bfloat16",
}  # fmt: skip
_DICE = re.compile(r"^(Random(Normal|Uniform)(Like)?|Multinomial|Bernoulli)$")
_MODEL_FIELDS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26))
_MAX_DEPTH = 20
_ANY: dict[str, object] = {"type": "python object", "python_type": "builtins.object"}


def read_onnx(path: str | Path) -> ModelFacts:
    """What an ONNX file says. Raises DescribeError."""
    file = existing_file(path)
    try:
        model = Message(mapped(file))
        graph = model.message(7)
        if graph is None or not model.has(1) or not model.numbers <= _MODEL_FIELDS:
            raise unreadable(file, _WHAT, "another protocol buffer, or none")
        return _facts(file, model, graph)
    except WireError as error:
        raise unreadable(file, _WHAT, str(error), "It is truncated, or of another kind.") from error


def looks_like_onnx(path: Path) -> bool:
    """Whether a file begins as an ONNX model does: with the version of the format, then known fields."""
    try:
        model = Message(mapped(path))
    except (WireError, ValueError):
        return False
    return model.has(1) and model.has(7) and model.has(8) and model.numbers <= _MODEL_FIELDS


def _facts(path: Path, model: Message, graph: Message) -> ModelFacts:
    weights = [_Weight(one) for one in graph.messages(5)]
    names = {one.name for one in weights}
    inputs = tuple(_tensor(one) for one in graph.messages(11) if one.text(1) not in names)
    producer = " ".join(part for part in (model.text(2), model.text(3)) if part)
    documentation = model.text(6) or graph.text(10)
    return ModelFacts(
        path=path,
        kind=KIND,
        format="onnx",
        helper=HELPER,
        framework="onnx",
        version=_opset(model),
        signatures=(
            Signature(
                inputs=inputs,
                outputs=tuple(_tensor(one) for one in graph.messages(12)),
                deterministic=not _throws_dice(graph, _MAX_DEPTH) or None,
            ),
        ),
        model_type=graph.text(2) or "ONNX graph",
        summary=_summary(model, graph, weights, producer),
        parameter_count=count_of(one.shape for one in weights),
        requirements={"onnxruntime": None, "numpy": None},
        documentation=documentation or None,
        companions=_companions(path, weights),
    )


def _opset(model: Message) -> str | None:
    """`opset 21`, of the standard operators."""
    for entry in model.messages(8):
        if entry.text(1) in ("", "ai.onnx"):
            return f"opset {entry.integer(2)}"
    return None


class _Weight:
    """One initializer; its numbers stay where they are."""

    def __init__(self, message: Message) -> None:
        self.name = message.text(8)
        self.shape = tuple(message.integers(1))
        self.dtype = _DTYPES.get(message.integer(2), "?")
        self.location = _location(message)


def _location(message: Message) -> str | None:
    """The file that holds a weight's numbers, when it is another one."""
    entries = {entry.text(1): entry.text(2) for entry in message.messages(13)}
    return entries.get("location") if message.integer(14) == 1 else None


def _companions(path: Path, weights: list[_Weight]) -> tuple[Path, ...]:
    """The files with the weights' numbers. Raises DescribeError when one is missing or lies elsewhere."""
    found: dict[Path, None] = {}
    for name in sorted({one.location for one in weights if one.location}):
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise unreadable(path, "weights beside the model", f"weights at {name!r}, outside its folder")
        file = path.parent / inside
        if not file.is_file():
            raise DescribeError(
                f"{path} keeps its weights in {name}, and there is no such file beside it: put it there."
            )
        found[file] = None
    return tuple(found)


def _tensor(info: Message) -> Tensor:
    """An input or output: a tensor, or something else that ONNX knows."""
    name, kind = info.text(1), info.message(2)
    description = info.text(3) or None
    tensor = (kind.message(1) or kind.message(8)) if kind is not None else None
    if tensor is None:
        return Tensor(name, description=description, block=_block(kind))
    shape = tensor.message(2)
    return Tensor(
        name, _shape(shape) if shape is not None else None, _DTYPES.get(tensor.integer(1)), description
    )


def _block(kind: Message | None) -> dict[str, object]:
    """A sequence is a list; a map a dict, as classifiers made from scikit-learn give one for each row."""
    if kind is None:
        return _ANY
    sequence = kind.message(4)
    if sequence is not None:
        return {"type": "list", "item_type": _block(sequence.message(1))}
    if kind.message(5) is not None:
        return {"type": "dict", "properties": {}}
    tensor = kind.message(1)
    if tensor is not None:
        return {"type": "ndarray", "item_type": {"type": "float"}}
    optional = kind.message(9)
    return _block(optional.message(1)) if optional is not None else _ANY


def _shape(shape: Message) -> Shape:
    return tuple(_length(dimension) for dimension in shape.messages(1))


def _length(dimension: Message) -> Length:
    if dimension.has(1):
        length = dimension.integer(1)
        return length if length >= 0 else None
    return symbol_of(dimension.text(2))


def _throws_dice(graph: Message, depth: int) -> bool:
    """Whether a node, here or in a graph inside, gives random numbers."""
    for node in graph.messages(1):
        if _DICE.match(node.text(4)):
            return True
        inner = [
            one for attribute in node.messages(5) for one in (*attribute.messages(6), *attribute.messages(11))
        ]
        if depth > 0 and any(_throws_dice(one, depth - 1) for one in inner):
            return True
    return False


def _summary(model: Message, graph: Message, weights: list[_Weight], producer: str) -> str:
    counts: dict[str, int] = {}
    for node in graph.messages(1):
        counts[node.text(4)] = counts.get(node.text(4), 0) + 1
    operators = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    properties = {entry.text(1): entry.text(2) for entry in model.messages(14)}
    lines = [f"operators: {operators}"] if operators else []
    lines += [f"producer: {producer}"] if producer else []
    lines += [f"{key}: {value}" for key, value in sorted(properties.items())]
    rows = [(one.name, shape_text(one.shape), one.dtype) for one in weights]
    return "\n".join([*lines, table(rows, ("weight", "shape", "dtype"))])
