"""Descriptions of Python functions. Nothing is imported for them: a function is given, or named."""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dlhub_client.describe.arguments import ArgumentBlock, argument, from_hint
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.errors import Malformed

Function = Callable[..., Any]
_ANYTHING = {"type": "python object", "python_type": "builtins.object"}


def static_method(
    function: Function | tuple[str, str],
    *,
    files: Iterable[str | Path] = (),
    inputs: ArgumentBlock | None = None,
    outputs: ArgumentBlock | None = None,
    parameters: Mapping[str, Any] | None = None,
    autobatch: bool = False,
    vectorised: bool | None = None,
    deterministic: bool | None = None,
    map_axis: int | None = None,
    name: str | None = None,
    title: str | None = None,
    creators: str | Iterable[str] = (),
) -> ModelDescription:
    """Describe a function: the object itself, or ("module", "name") of one in `files` or in a package.

    A function's module is published with it. One that was written in a notebook is written out to a module,
    when it needs nothing but what it imports inside. Types come from its hints unless `inputs` and `outputs`
    are given; several arguments without a default are taken from a tuple, those with one are parameters.
    autobatch: the input is a list, and the function is called for each item.
    vectorised, deterministic, map_axis: see `ModelDescription.set_promises`.
    """
    if isinstance(function, tuple):
        module, function_name = function
        source: list[tuple[str, Path | str]] = []
        method = _method(inputs, outputs, parameters or {})
    else:
        module, source = _locate(function)
        function_name = function.__name__
        method = _method_of(function, inputs, outputs, parameters, autobatch)
    method["method_details"].update(module=module, method_name=function_name)
    if autobatch:
        method["method_details"]["autobatch"] = True
    description = ModelDescription("Python static method", {"run": method})
    description.set_promises(vectorised=vectorised, deterministic=deterministic, map_axis=map_axis)
    return _finish(description, source, files, name or function_name, title, creators)


def _finish(
    description: ModelDescription,
    source: list[tuple[str, Path | str]],
    files: Iterable[str | Path],
    name: str,
    title: str | None,
    creators: str | Iterable[str],
) -> ModelDescription:
    for archive_path, content in source:
        if isinstance(content, Path):
            description.add_file(content, archive_path=archive_path)
        else:
            description.add_text(archive_path, content)
    description.add_files(files).set_name(name).set_title(title or name)
    return description.set_creators(creators)


def _method(
    inputs: ArgumentBlock | None, outputs: ArgumentBlock | None, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "input": dict(inputs or _ANYTHING),
        "output": dict(outputs or _ANYTHING),
        "parameters": dict(parameters),
        "method_details": {},
    }


def _method_of(
    function: Function,
    inputs: ArgumentBlock | None,
    outputs: ArgumentBlock | None,
    parameters: Mapping[str, Any] | None,
    autobatch: bool,
) -> dict[str, Any]:
    """Input, output and parameters as the signature and the hints tell them."""
    hints = _hints(function)
    signature = inspect.signature(function)
    required, optional = _split(signature)
    taken, unpack = _input_of(function, required, hints)
    returned = from_hint(hints["return"]) if "return" in hints else dict(_ANYTHING)
    if autobatch:
        taken, returned = argument("list", item_type=taken), argument("list", item_type=returned)
    method = _method(inputs or taken, outputs or returned, parameters if parameters is not None else optional)
    if unpack and inputs is None:
        method["method_details"]["unpack"] = True
    return method


def _split(signature: inspect.Signature) -> tuple[list[str], dict[str, Any]]:
    """Names of the arguments that make up the input, and the parameters with their defaults."""
    required, optional = [], {}
    for one in signature.parameters.values():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        if one.default is one.empty and one.kind is not one.KEYWORD_ONLY:
            required.append(one.name)
        elif one.default is not one.empty:
            optional[one.name] = one.default
    if not required and optional:  # f(x=1) still takes its input in x
        first = next(iter(optional))
        optional.pop(first)
        required.append(first)
    return required, {key: value for key, value in optional.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, dict))


def _input_of(
    function: Function, required: list[str], hints: Mapping[str, Any]
) -> tuple[ArgumentBlock, bool]:
    if not required:
        raise Malformed(
            f"{function.__name__}() takes no argument; a servable's function takes its input as the first."
        )
    blocks = [from_hint(hints[name]) if name in hints else dict(_ANYTHING) for name in required]
    if len(blocks) == 1:
        return blocks[0], False
    return argument("tuple", element_types=blocks), True


def _hints(function: Function) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError) as error:
        raise Malformed(
            f"The type hints of {function.__name__} cannot be read ({error}); give inputs=... and outputs=..."
        ) from error


def _locate(function: Function) -> tuple[str, list[tuple[str, Path | str]]]:
    """The module in which the function will be found, and the files that make it up."""
    name = getattr(function, "__name__", "")
    if not inspect.isfunction(function) or name == "<lambda>" or "<locals>" in function.__qualname__:
        raise Malformed(
            f"{function!r} cannot be published: it has to be a function written with `def` at the top of a "
            'module or of a notebook cell. For anything else use ("module", "name").'
        )
    module = function.__module__
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module == "__main__":
        return _written_out(function)
    return module, _files_of(module, Path(file))


def _files_of(module: str, file: Path) -> list[tuple[str, Path | str]]:
    """The module's file, or its whole package; nothing for what is installed from elsewhere."""
    if {"site-packages", "dist-packages"} & set(file.parts):
        return []
    if "." not in module and file.name != "__init__.py":
        return [(file.name, file)]
    depth = module.count(".") + (1 if file.name == "__init__.py" else 0)
    top = file.parents[max(0, depth - 1)]
    inside = [path for path in sorted(top.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return [(path.relative_to(top.parent).as_posix(), path) for path in inside]


def _written_out(function: Function) -> tuple[str, list[tuple[str, Path | str]]]:
    """A module made of the function alone. Raises Malformed when it needs more than itself."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise Malformed(
            f"The source of {function.__name__} cannot be found ({error}); put it into a file and import it."
        ) from error
    _check_self_contained(function, source)
    module = f"{function.__name__}_module"
    header = "from __future__ import annotations  # the hints' names need not exist\n\n"
    return module, [(f"{module}.py", header + source)]


def _check_self_contained(function: Function, source: str) -> None:
    tree = ast.parse(source).body[0]
    decorated = isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) and tree.decorator_list
    globals_used = _globals_used(function.__code__) - {function.__name__, *dir(builtins)}
    if not decorated and not globals_used:
        return
    needed = ", ".join(sorted({*globals_used, *(["its decorator"] if decorated else [])}))
    raise Malformed(
        f"{function.__name__} was written in a notebook or a script, and uses {needed} from outside. Import "
        "what it needs inside the function, or put it into a module of its own and import that."
    )


def _globals_used(code: types.CodeType) -> set[str]:
    """Names that the code, and the functions inside it, look up outside of themselves."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return found.union(*(_globals_used(one) for one in inner))
