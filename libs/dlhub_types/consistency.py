"""Whether a description agrees with itself: defaults and examples are values of the declared types.

The models of `proto_msgs` cannot look at that: what a value of a declared type is, is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dlhub_types.checkers import compile_argument
from dlhub_types.method_checks import OutputCheck, ParameterChecks
from proto_msgs.description import Description, Example, Method
from proto_msgs.errors import InputMismatch
from proto_msgs.servable_types import SERVABLE_TYPES


def contradictions(description: Description) -> list[str]:
    """What does not fit, one text each, which begins with the path of the field."""
    return [
        *_of_files(description),
        *_of_options(description),
        *(
            problem
            for name, method in description.servable.methods.items()
            for problem in _of_method(method, f"servable.methods.{name}")
        ),
    ]


def _of_files(description: Description) -> Iterator[str]:
    facts = SERVABLE_TYPES[description.servable.type]
    files = description.dlhub.files
    if facts.needs_one_of and not any(files.get(name) for name in facts.needs_one_of):
        name = facts.needs_one_of[0]
        yield (
            f"dlhub.files.{name} is missing; a servable of type {description.servable.type!r} needs it: "
            f"{facts.files[name]}"
        )


def _of_options(description: Description) -> Iterator[str]:
    known = SERVABLE_TYPES[description.servable.type].options
    for name, value in description.servable.options.items():
        values = known[name].values if name in known else ()
        if values and value not in values:
            yield f"servable.options.{name} is {value!r}; it can be {', '.join(map(repr, values))}"


def _of_method(method: Method, path: str) -> Iterator[str]:
    types = ParameterChecks(method)
    for name, default in method.parameters.items():
        yield from _refusal(types.check, {name: default}, True, f"{path}.parameters")
    if method.example is not None:
        yield from _of_example(method, method.example, types, f"{path}.example")


def _of_example(method: Method, example: Example, types: ParameterChecks, path: str) -> Iterator[str]:
    yield from _unknown(example.parameters, method, f"{path}.parameters")
    yield from _refusal(types.check, example.parameters, True, f"{path}.parameters")
    try:
        inputs = compile_argument(method.input).from_json(example.inputs, f"{path}.inputs")
    except InputMismatch as error:
        yield error.message
        return
    if example.output is not None:
        yield from _refusal(OutputCheck(method).from_json, example.output, inputs, f"{path}.output")


def _unknown(given: Mapping[str, Any], method: Method, path: str) -> Iterator[str]:
    for name in given:
        if name not in method.parameters:
            known = ", ".join(sorted(method.parameters)) or "none"
            yield f"{path}.{name}: the method has no such parameter; it has: {known}"


def _refusal(check: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    try:
        check(*arguments)
    except InputMismatch as error:
        yield error.message
