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
from dlhub_client.describe.class_source import MethodSource, find_function
from dlhub_client.describe.defaults import can_be_told, forms, types_needed
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.errors import Malformed

Function = Callable[..., Any]
ANYTHING = {"type": "python object", "python_type": "builtins.object"}


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
    files = list(files)
    if isinstance(function, tuple):
        module, function_name = function
        source: list[tuple[str, Path | str]] = []
        method = _named_method(
            find_function(module, function_name, files), inputs, outputs, parameters, autobatch
        )
    else:
        module, source = _locate(function)
        function_name = function.__name__
        method = method_of(function, inputs, outputs, parameters, autobatch)
    method["method_details"].update(module=module, method_name=function_name)
    if autobatch:
        method["method_details"]["autobatch"] = True
    description = ModelDescription("Python static method", {"run": method})
    description.set_promises(vectorised=vectorised, deterministic=deterministic, map_axis=map_axis)
    if method.get("description"):
        description.set_abstract(method["description"]).set_source("/datacite/descriptions", module)
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
        "input": dict(inputs or ANYTHING),
        "output": dict(outputs or ANYTHING),
        "parameters": dict(parameters),
        "method_details": {},
    }


def _named_method(
    source: MethodSource | None,
    inputs: ArgumentBlock | None,
    outputs: ArgumentBlock | None,
    parameters: Mapping[str, Any] | None,
    autobatch: bool,
) -> dict[str, Any]:
    """A function that is only named: from its source, where that is at hand, which is not run."""
    found = declaration(source) if source is not None else None
    if found is None:
        return _overruled(_method(inputs, outputs, {}), None, None, parameters)
    if autobatch:
        found["input"] = argument("list", item_type=found["input"])
        found["output"] = argument("list", item_type=found["output"])
    return _overruled(found, inputs, outputs, parameters)


def declaration(source: MethodSource) -> dict[str, Any] | None:
    """A method as its source tells it; None for one without arguments."""
    if not source.required:
        return None
    blocks = [source.types.get(name, dict(ANYTHING)) for name in source.required]
    named = [{**block, "name": name} for name, block in zip(source.required, blocks, strict=True)]
    several = len(blocks) > 1
    method = _method(
        {"type": "tuple", "element_types": named} if several else blocks[0], source.returns, source.defaults
    )
    types = {name: source.types[name] for name in source.defaults if name in source.types}
    _add_types(method, types, source.method_doc)
    if several:
        method["method_details"]["unpack"] = True
    return method


def _add_types(method: dict[str, Any], types: Mapping[str, ArgumentBlock], text: str | None) -> None:
    known = {name: block for name, block in types.items() if block["type"] != "python object"}
    if known:
        method["parameter_types"] = known
    if text:
        method["description"] = inspect.cleandoc(text)


def _overruled(
    method: dict[str, Any],
    inputs: ArgumentBlock | None,
    outputs: ArgumentBlock | None,
    parameters: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A method with what the caller says instead of what its code does."""
    if inputs is not None:
        method["input"] = dict(inputs)
        method["method_details"].pop("unpack", None)
    if outputs is not None:
        method["output"] = dict(outputs)
    if parameters is not None:
        method["parameters"] = forms(parameters)
        known = method.pop("parameter_types", {})
        types = {name: block for name, block in known.items() if name in parameters}
        _add_types(method, {**types, **types_needed(parameters)}, None)
    return method


def method_of(
    function: Function,
    inputs: ArgumentBlock | None = None,
    outputs: ArgumentBlock | None = None,
    parameters: Mapping[str, Any] | None = None,
    autobatch: bool = False,
    *,
    skip: int = 0,
) -> dict[str, Any]:
    """Input, output and parameters as the signature and the hints tell them.

    skip: arguments that are not the caller's to give: 1 for a method, whose first is the object.
    """
    hints = _hints(function)
    signature = inspect.signature(function)
    required, optional = _split(signature.replace(parameters=list(signature.parameters.values())[skip:]))
    taken, unpack = _input_of(function, required, hints)
    returned = from_hint(hints["return"]) if "return" in hints else dict(ANYTHING)
    if autobatch:
        taken, returned = argument("list", item_type=taken), argument("list", item_type=returned)
    method = _method(taken, returned, forms(optional))
    types = {name: from_hint(hints[name]) for name in optional if name in hints}
    _add_types(method, {**types, **types_needed(optional)}, function.__doc__)
    if unpack:
        method["method_details"]["unpack"] = True
    return _overruled(method, inputs, outputs, parameters)


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
    return required, {key: value for key, value in optional.items() if can_be_told(value)}


def _input_of(
    function: Function, required: list[str], hints: Mapping[str, Any]
) -> tuple[ArgumentBlock, bool]:
    if not required:
        raise Malformed(
            f"{function.__name__}() takes no argument; a servable's function takes its input as the first."
        )
    blocks = [from_hint(hints[name]) if name in hints else dict(ANYTHING) for name in required]
    if len(blocks) == 1:
        return blocks[0], False
    named = [{**block, "name": name} for name, block in zip(required, blocks, strict=True)]
    return argument("tuple", element_types=named), True


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
    return module, files_of(module, Path(file))


def files_of(module: str, file: Path) -> list[tuple[str, Path | str]]:
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
