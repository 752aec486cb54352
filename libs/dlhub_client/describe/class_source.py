"""Signatures and docstrings of functions and methods from source code, which is read and not run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlhub_client.describe.arguments import ArgumentBlock, argument

_SCALARS = {
    "bool": "boolean", "int": "integer", "float": "float", "complex": "complex", "str": "string",
    "datetime.datetime": "datetime", "datetime.timedelta": "timedelta",
}  # fmt: skip
_LISTS = frozenset(("list", "List", "Sequence", "typing.List", "typing.Sequence", "collections.abc.Sequence"))
_TUPLES = frozenset(("tuple", "Tuple", "typing.Tuple"))
_DICTS = frozenset(("dict", "Dict", "Mapping", "typing.Dict", "typing.Mapping", "collections.abc.Mapping"))
_ARRAYS = frozenset(("numpy.ndarray", "torch.Tensor", "tensorflow.Tensor", "numpy.typing.NDArray"))
_KINDS = {"bool": "boolean", "int": "integer", "uint": "integer", "float": "float", "complex": "complex"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SOURCE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class MethodSource:
    """What the source tells of a method."""

    file: Path
    class_doc: str | None
    method_doc: str | None
    required: tuple[str, ...]
    defaults: Mapping[str, Any]
    """Arguments whose default is a plain value."""
    types: Mapping[str, ArgumentBlock] = field(default_factory=dict)
    returns: ArgumentBlock | None = None


def find_method(class_path: str, method: str, files: Iterable[str | Path]) -> MethodSource | None:
    """The method of `module.Class` as its source tells it; None where that is not found.

    The module is looked for among `files`, then among those that are loaded, then along the path.
    """
    module, _, name = class_path.rpartition(".")
    file, tree = _module(module, files)
    found = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name]
    if not found:
        return None
    owner = found[-1]
    function = _function_in(owner.body, method)
    if function is None:
        return MethodSource(file, ast.get_docstring(owner), None, (), {})
    return _described(file, function, _aliases(tree), ast.get_docstring(owner), skip=_skipped(function))


def find_function(module: str, name: str, files: Iterable[str | Path]) -> MethodSource | None:
    """The function of a module as its source tells it; None where that is not found."""
    file, tree = _module(module, files)
    function = _function_in(tree.body, name)
    return _described(file, function, _aliases(tree), None, skip=0) if function is not None else None


def _module(module: str, files: Iterable[str | Path]) -> tuple[Path, ast.Module]:
    """A module's file and its code; no code when it is not found or cannot be read."""
    file = _source_of(module, [Path(one).expanduser() for one in files])
    tree = _parsed(file) if file is not None else None
    return file or Path(), tree or ast.Module(body=[], type_ignores=[])


def _function_in(body: list[ast.stmt], name: str) -> Function | None:
    found = [
        one for one in body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name == name
    ]
    return found[-1] if found else None


def _skipped(function: Function) -> int:
    """How many arguments are not the caller's: `self`, unless it is a static method."""
    decorators = [one.id for one in function.decorator_list if isinstance(one, ast.Name)]
    return 0 if "staticmethod" in decorators else 1


def _source_of(module: str, files: list[Path]) -> Path | None:
    ends = [f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py"]
    near = [
        file for file in files if any(f"/{file.absolute().as_posix()}".endswith(f"/{end}") for end in ends)
    ]
    near += [file for file in files if file.name == f"{module.rpartition('.')[2]}.py"]
    loaded = getattr(sys.modules.get(module), "__file__", None)
    along = [Path(folder or ".") / end for folder in sys.path for end in ends] if module else []
    candidates = [*near, *([Path(loaded)] if loaded else []), *along]
    return next((file for file in candidates if file.suffix == ".py" and file.is_file()), None)


def _parsed(file: Path) -> ast.Module | None:
    if file.stat().st_size > _SOURCE_BYTES:
        return None
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What the names that are imported stand for: np -> numpy."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            found.update({one.asname or one.name: one.name for one in node.names})
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
    return found


def _described(
    file: Path, function: Function, aliases: Mapping[str, str], class_doc: str | None, skip: int
) -> MethodSource:
    taken = [*function.args.posonlyargs, *function.args.args][skip:]
    plain = len(taken) - len(function.args.defaults)
    pairs = [*zip(taken[plain:], function.args.defaults, strict=True)]
    keyword = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    pairs += [(one, default) for one, default in keyword if default is not None]
    hints = {one.arg: one.annotation for one in (*taken, *function.args.kwonlyargs)}
    return MethodSource(
        file=file,
        class_doc=class_doc,
        method_doc=ast.get_docstring(function),
        required=tuple(one.arg for one in taken[:plain]),
        defaults=dict(_plain_defaults(pairs)),
        types={name: _block(hint, aliases) for name, hint in hints.items() if hint is not None},
        returns=_block(function.returns, aliases) if function.returns is not None else None,
    )


def _plain_defaults(pairs: Iterable[tuple[ast.arg, ast.expr]]) -> Iterable[tuple[str, Any]]:
    for one, default in pairs:
        try:
            value = ast.literal_eval(default)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if value is None or isinstance(value, (bool, int, float, str, list, dict)):
            yield one.arg, value


def _path(node: ast.expr, aliases: Mapping[str, str]) -> str:
    """`numpy.ndarray` for what is written as `np.ndarray`."""
    text = ast.unparse(node)
    head, dot, rest = text.partition(".")
    return f"{aliases.get(head, head)}{dot}{rest}"


def _block(hint: ast.expr, aliases: Mapping[str, str]) -> ArgumentBlock:
    """The declaration for a hint; as `arguments.from_hint` does for hints that exist."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            return _block(ast.parse(hint.value, mode="eval").body, aliases)
        except SyntaxError:
            return argument("python object", python_type=hint.value)
    if isinstance(hint, ast.Subscript):
        return _generic(hint, aliases)
    path = _path(hint, aliases)
    if path in _SCALARS:
        return argument(_SCALARS[path])
    if path in _ARRAYS:
        return argument("ndarray", item_type="float")
    if path in _DICTS:
        return argument("dict", properties={})
    return argument("python object", python_type="builtins.NoneType" if path == "None" else path)


def _generic(hint: ast.Subscript, aliases: Mapping[str, str]) -> ArgumentBlock:
    path = _path(hint.value, aliases)
    inside = list(hint.slice.elts) if isinstance(hint.slice, ast.Tuple) else [hint.slice]
    if path in _LISTS:
        return argument("list", item_type=_block(inside[0], aliases))
    if path in _TUPLES and ast.unparse(inside[-1]) == "...":
        return argument("list", item_type=_block(inside[0], aliases))
    if path in _TUPLES:
        return argument("tuple", element_types=[_block(one, aliases) for one in inside])
    if path in _DICTS:
        return argument("dict", properties={})
    if path in _ARRAYS:
        kind = _path(inside[-1], aliases).rpartition(".")[2]
        item = next((name for prefix, name in _KINDS.items() if kind.startswith(prefix)), "float")
        return argument("ndarray", item_type=item)
    return argument("python object", python_type=ast.unparse(hint))
