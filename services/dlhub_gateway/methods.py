"""One method of a version, compiled: checks inputs and packs them for a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack

from dlhub_gateway.cutting import items_along
from dlhub_gateway.files.references import takes_files
from dlhub_types import compile_argument
from dlhub_types.coercions import Coercion, coercions
from dlhub_types.method_checks import ParameterChecks
from proto_msgs import codec
from proto_msgs.description import Method
from proto_msgs.errors import InputMismatch

_INPUTS = bytes(msgpack.packb("inputs"))
_PARAMETERS = bytes(msgpack.packb("parameters"))
_OUTPUTS = bytes(msgpack.packb("outputs"))
_HEAD, _HEAD_WITH_OUTPUTS = (bytes(msgpack.Packer().pack_map_header(entries)) for entries in (2, 3))


class CompiledMethod:
    """Made once per version, used for every run."""

    __slots__ = (
        "_checker",
        "_defaults",
        "_known",
        "_no_parameters",
        "_parameter_checks",
        "deterministic",
        "input",
        "map_axis",
        "name",
        "output",
        "takes_files",
        "vectorised",
    )

    def __init__(self, name: str, declared: Method) -> None:
        self.name = name
        self.deterministic = declared.deterministic
        """Its outputs may be remembered."""
        self.input = declared.input
        self.takes_files = takes_files(declared.input)
        """Inputs may refer to files that lie elsewhere."""
        self._checker = compile_argument(declared.input)
        self._known = frozenset(declared.parameters)
        self._parameter_checks = ParameterChecks(declared) if declared.parameter_types else None
        self._defaults = self._parameter_checks.defaults() if self._parameter_checks else {}
        """Of declared types, as the model shall get them; the others it has from its description."""
        self._no_parameters = _HEAD + _PARAMETERS + codec.pack(self._defaults) + _INPUTS
        self.map_axis = declared.map_axis
        """Along which the items of an input are independent; None: an input is one item."""
        self.vectorised = declared.vectorised
        """Runs of a batch share a call, and with it how long it took."""
        self.output = declared.output

    def pack_parameters(
        self, parameters: dict[str, Any], outputs: Sequence[str] | None = None, as_json: bool = False
    ) -> bytes:
        """All of a payload but the inputs, which come after it.

        Raises InputMismatch for a parameter or an output that there is not, and for a parameter of another
        type than the declared one.
        """
        if outputs is not None:
            self._check_outputs(outputs)
            names = _OUTPUTS + codec.pack(list(outputs))
            return _HEAD_WITH_OUTPUTS + self._parameters(parameters, as_json) + names + _INPUTS
        return _HEAD + self._parameters(parameters, as_json) + _INPUTS if parameters else self._no_parameters

    def _parameters(self, parameters: dict[str, Any], as_json: bool) -> bytes:
        return _PARAMETERS + _pack(self.check_parameters(parameters, as_json), "parameters")

    def check_parameters(self, parameters: dict[str, Any], as_json: bool) -> dict[str, Any]:
        """The parameters that the model shall get. Raises InputMismatch."""
        unknown = [name for name in parameters if name not in self._known]
        if unknown:
            known = ", ".join(sorted(self._known)) or "none"
            raise InputMismatch(
                f"parameters.{unknown[0]}: the method {self.name!r} has no such parameter; it has: {known}",
                details={"path": f"parameters.{unknown[0]}"},
            )
        if self._parameter_checks is not None:
            return {**self._defaults, **self._parameter_checks.check(parameters, as_json)}
        return parameters

    def pack_inputs(self, inputs: Any, as_json: bool, parameters: bytes, path: str = "inputs") -> bytes:
        """A whole payload: checked inputs, and parameters that were packed before. Raises InputMismatch."""
        return parameters + _pack(self.check_inputs(inputs, as_json, path), path)

    def check_inputs(self, inputs: Any, as_json: bool, path: str = "inputs") -> Any:
        """The value that the model shall get. Raises InputMismatch."""
        checker = self._checker
        return checker.from_json(inputs, path) if as_json else checker.check(inputs, path)

    def coercions(self, inputs: Any, as_json: bool) -> tuple[Coercion, ...]:
        """What `check_inputs` would change. Raises InputMismatch."""
        return coercions(self._checker, inputs, as_json=as_json)

    def items_in(self, value: Any) -> int:
        """How many independent items checked inputs hold; at least 1."""
        return 1 if self.map_axis is None else max(1, items_along(value, self.map_axis))

    def pack_checked(self, value: Any, parameters: bytes, path: str = "inputs") -> bytes:
        """A whole payload of inputs, or a part of them, that were checked before. Raises InputMismatch."""
        return parameters + _pack(value, path)

    def _check_outputs(self, names: Sequence[str]) -> None:
        """What the description says of the output; what it leaves open only the worker can tell."""
        if self.output.type == "python object":
            return
        if self.output.type != "dict":
            raise InputMismatch(
                f"outputs: the method {self.name!r} gives a value of type {self.output.type}, and only of a "
                "dict can entries be asked for",
                details={"path": "outputs"},
            )
        declared = self.output.properties or {}
        unknown = [name for name in names if name not in declared] if declared else []
        if unknown:
            raise InputMismatch(
                f"outputs: the method {self.name!r} has no output {unknown[0]!r}; it has: "
                f"{', '.join(sorted(declared))}",
                details={"path": "outputs"},
            )


def _pack(value: Any, path: str) -> bytes:
    try:
        return codec.pack(value, path)
    except codec.EncodeError as error:
        raise InputMismatch(str(error), details={"path": path}) from error
