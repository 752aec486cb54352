"""One method of a version, compiled: checks inputs and packs them for a worker."""

from __future__ import annotations

from typing import Any

import msgpack

from dlhub_types import compile_argument
from proto_msgs import codec
from proto_msgs.description import Method
from proto_msgs.errors import InputMismatch

_HEAD = bytes(msgpack.Packer().pack_map_header(2)) + bytes(msgpack.packb("inputs"))
_PARAMETERS = bytes(msgpack.packb("parameters"))
_NO_PARAMETERS = _PARAMETERS + codec.pack({})


class CompiledMethod:
    """Made once per version, used for every run."""

    __slots__ = ("_checker", "_known", "name")

    def __init__(self, name: str, declared: Method) -> None:
        self.name = name
        self._checker = compile_argument(declared.input)
        self._known = frozenset(declared.parameters)

    def pack_parameters(self, parameters: dict[str, Any]) -> bytes:
        """The second half of a payload. Raises InputMismatch for a parameter that there is not."""
        if not parameters:
            return _NO_PARAMETERS
        unknown = [name for name in parameters if name not in self._known]
        if unknown:
            known = ", ".join(sorted(self._known)) or "none"
            raise InputMismatch(
                f"parameters.{unknown[0]}: the method {self.name!r} has no such parameter; it has: {known}",
                details={"path": f"parameters.{unknown[0]}"},
            )
        return _PARAMETERS + _pack(parameters, "parameters")

    def pack_inputs(self, inputs: Any, as_json: bool, parameters: bytes, path: str = "inputs") -> bytes:
        """A whole payload: checked inputs, and parameters that were packed before. Raises InputMismatch."""
        checker = self._checker
        value = checker.from_json(inputs, path) if as_json else checker.check(inputs, path)
        return _HEAD + _pack(value, path) + parameters


def _pack(value: Any, path: str) -> bytes:
    try:
        return codec.pack(value, path)
    except codec.EncodeError as error:
        raise InputMismatch(str(error), details={"path": path}) from error
