"""What is sent to an endpoint, and what comes back: the codec's bytes, or the hub's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlhub_shim.inputs import converter
from dlhub_task_manager.executors.elsewhere.service import ModelFailed
from dlhub_types.json_forms import to_json_bytes
from proto_msgs import codec

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
        # JSON has lists where the declaration promises arrays.
        self._convert = converter(declared.get("output") or {}) if form == "json" else None

    def encode(self, inputs: Any, parameters: Declared) -> bytes:
        """A call's body."""
        return self._form.encode({"inputs": inputs, "parameters": parameters})

    def decode(self, answer: bytes) -> Any:
        """The output. Raises ModelFailed for what is none."""
        try:
            output = self._form.decode(answer)
            return output if self._convert is None else self._convert(output)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ModelFailed(
                f"the endpoint's answer is no {self.content_type} of the declared output: {error}"
            ) from error
