"""The code inside a TorchScript archive: it is read as text, to learn what `forward` takes and gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from dlhub_client.describe.readers.facts import Signature, Tensor

_FORWARD = re.compile(r"^  def forward\(", re.MULTILINE)
_CLASS = re.compile(
    r"^class (\w+)\(Module\):\n  __parameters__ = \[(.*?)\]\n  __buffers__ = \[(.*?)\]", re.MULTILINE
)
_SCALARS = {"int": "integer", "float": "float", "bool": "boolean", "str": "string", "complex": "complex"}
_ARRAY: Mapping[str, Any] = {"type": "ndarray", "item_type": {"type": "float"}}


def buffers_in(code: str, module: str) -> dict[str, frozenset[str]]:
    """Names of the buffers of each class in a file of code."""
    names = re.compile(r'"([^"]+)"')
    return {f"{module}.{kind}": frozenset(names.findall(own)) for kind, _, own in _CLASS.findall(code)}


def class_text(code: str, kind: str) -> str:
    """The part of a file of code that defines a class."""
    start = code.find(f"class {kind}(Module):")
    end = code.find("\nclass ", start + 1)
    return code[start : end if end > 0 else None] if start >= 0 else ""


def forward_of(code: str) -> Signature | None:
    """The signature of the `forward` of a class; None when it cannot be read."""
    header = _header(code)
    if header is None:
        return None
    try:
        function = ast.parse(f"{header}\n  pass").body[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _signature(function) if isinstance(function, ast.FunctionDef) else None


def _header(code: str) -> str | None:
    """`def forward(self, x: Tensor) -> Tensor:`, over however many lines it goes."""
    found = _FORWARD.search(code)
    if found is None:
        return None
    end = code.find(":\n", code.find(")", found.end()))
    return code[found.start() : end + 1].strip() if end > 0 else None


def _signature(function: ast.FunctionDef) -> Signature:
    taken = function.args.args[1:]
    plain = len(taken) - len(function.args.defaults)
    inputs = tuple(_tensor(one.arg, one.annotation) for one in taken[:plain])
    parameters = {
        one.arg: _constant(default)
        for one, default in zip(taken[plain:], function.args.defaults, strict=True)
    }
    types = {one.arg: block for one in taken[plain:] if (block := _scalar(one.annotation))}
    return Signature(
        inputs=inputs, outputs=_outputs(function.returns), parameters=parameters, parameter_types=types
    )


def _constant(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return list(value) if isinstance(value, tuple) else value


def _name(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _inner(node: ast.expr | None) -> tuple[str, list[ast.expr]]:
    """`Tuple`, and what stands in its brackets."""
    if not isinstance(node, ast.Subscript):
        return "", []
    inside = node.slice
    return _name(node.value), list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]


def _scalar(node: ast.expr | None) -> dict[str, Any] | None:
    kind = _SCALARS.get(_name(node))
    return {"type": kind} if kind else None


def _tensor(name: str, node: ast.expr | None) -> Tensor:
    return Tensor(name) if _name(node) == "Tensor" else Tensor(name, block=_block(node))


def _block(node: ast.expr | None) -> Mapping[str, Any]:
    """The declaration of a TorchScript type."""
    if _name(node) == "Tensor":
        return _ARRAY
    scalar = _scalar(node)
    if scalar:
        return scalar
    kind, inside = _inner(node)
    if kind == "Optional" and inside:
        return _block(inside[0])
    if kind == "List" and inside:
        return {"type": "list", "item_type": _block(inside[0])}
    if kind == "Tuple" and inside:
        return {"type": "tuple", "element_types": [_block(one) for one in inside]}
    if kind == "Dict" and inside:
        return {"type": "dict", "properties": {}}
    return {"type": "python object", "python_type": ast.unparse(node) if node else "builtins.object"}


def _outputs(node: ast.expr | None) -> tuple[Tensor, ...] | None:
    if node is None:
        return None
    kind, inside = _inner(node)
    if kind == "Tuple" and inside and all(_name(one) == "Tensor" for one in inside):
        return tuple(Tensor(f"output_{number}", nameless=True) for number in range(len(inside)))
    return (_tensor("output", node),)
