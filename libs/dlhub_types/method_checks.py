"""Checks that need more of a method than one declaration: its parameters, and outputs beside inputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dlhub_types.checkers import compile_argument
from dlhub_types.symbols import Lengths
from proto_msgs.description import Method
from proto_msgs.errors import InputMismatch


class ParameterChecks:
    """The declared types of a method's parameters."""

    def __init__(self, declared: Method) -> None:
        self._checkers = {name: compile_argument(one) for name, one in declared.parameter_types.items()}
        self._defaults = declared.parameters
        self._optional = {name for name, default in declared.parameters.items() if default is None}
        """Where null is the default, null is also what says so."""

    def __bool__(self) -> bool:
        return bool(self._checkers)

    def check(self, parameters: Mapping[str, Any], as_json: bool, path: str = "parameters") -> dict[str, Any]:
        """The parameters that the model shall get. Raises InputMismatch."""
        return {name: self._one(name, value, as_json, f"{path}.{name}") for name, value in parameters.items()}

    def defaults(self) -> dict[str, Any]:
        """Those defaults that the model must not get in the form that a description has for them.

        One that does not fit its type is not among them; it keeps its description from being published.
        """
        found = {}
        for name, checker in self._checkers.items():
            default = self._defaults[name]
            with suppress(InputMismatch):
                typed = default if default is None else checker.from_json(default)
                if typed is not default:
                    found[name] = typed
        return found

    def whole(self, parameters: Mapping[str, Any], as_json: bool) -> dict[str, Any]:
        """Checked parameters beside the defaults of the others. Raises InputMismatch."""
        return {**self.defaults(), **self.check(parameters, as_json)}

    def _one(self, name: str, value: Any, as_json: bool, path: str) -> Any:
        checker = self._checkers.get(name)
        if checker is None or (value is None and name in self._optional):
            return value
        return checker.from_json(value, path) if as_json else checker.check(value, path)


class OutputCheck:
    """What a method declares of its output, symbols that its input shares with it included."""

    def __init__(self, declared: Method) -> None:
        self._input = compile_argument(declared.input)
        self._output = compile_argument(declared.output)

    def check(self, output: Any, inputs: Any, path: str = "output") -> Any:
        """The output with the declared types; `inputs` were checked before. Raises InputMismatch."""
        return self._bound(self._output.check(output, path), inputs, path)

    def from_json(self, output: Any, inputs: Any, path: str = "output") -> Any:
        """The same from the output's JSON form; `inputs` are checked values here too."""
        return self._bound(self._output.from_json(output, path), inputs, path)

    def _bound(self, checked: Any, inputs: Any, path: str) -> Any:
        lengths: Lengths = {}
        if self._output.bind is not None:
            if self._input.bind is not None:
                self._input.bind(inputs, "inputs", lengths)
            self._output.bind(checked, path, lengths)
        return checked
