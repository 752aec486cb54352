"""What is sent to an endpoint, and what comes back: the codec's bytes, or the hub's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlhub_task_manager.executors.elsewhere.service import ModelFailed, joining_of
from dlhub_types import compile_argument
from dlhub_types.json_forms import to_json_bytes
from proto_msgs import codec
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

Declared = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write values."""

    content_type: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


FORMS = {
    "msgpack": Form("application/x-msgpack", codec.pack, lambda data: codec.unpack(data, own_arrays=True)),
    "json": Form("application/json", lambda value: to_json_bytes(value, "inputs"), json.loads),
}


class Body:
    """The bodies of one method's calls."""

    def __init__(self, form: str, declared: Declared) -> None:
        self._form = FORMS[form]
        self.content_type = self._form.content_type
        # JSON has lists where the declaration promises arrays, and texts for what is not finite.
        self._read = _reader(declared) if form == "json" else None

    def encode(self, inputs: Any, parameters: Declared) -> bytes:
        """A call's body."""
        return self._form.encode({"inputs": inputs, "parameters": parameters})

    def decode(self, answer: bytes) -> Any:
        """The output. Raises ModelFailed for what is none."""
        try:
            output = self._form.decode(answer)
            return output if self._read is None else self._read(output)
        except (ValueError, InputMismatch) as error:
            raise ModelFailed(
                f"the endpoint's answer is no {self.content_type} of the declared output: {error}"
            ) from error


def _reader(method: Declared) -> Callable[[Any], Any]:
    """From the JSON form of a call's output to the output."""
    declared = method.get("output") or {}
    joining = joining_of(method)
    if joining is not None and not joining.joins:
        declared = _stacked(declared)
    checker = compile_argument(Argument.model_validate(declared))
    return lambda value: checker.from_json(value, "output")


def _stacked(declared: Declared) -> Declared:
    """The declaration of what a call gives that several runs share: entry i of each part is that of run i."""
    if declared.get("type") == "dict" and (parts := declared.get("properties")):
        return {**declared, "properties": {name: _stacked(part) for name, part in parts.items()}}
    if declared.get("type") == "tuple":
        return {**declared, "element_types": [_stacked(part) for part in declared["element_types"]]}
    return {"type": "list", "item_type": declared}
