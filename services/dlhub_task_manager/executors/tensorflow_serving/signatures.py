"""Methods of a SavedModel's servable: which signature one is, and which input and output goes where."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dlhub_shim.complaints import InputMismatch, LoadError
from dlhub_shim.kinds.tensorflow import signature_key
from dlhub_shim.kinds.tensors import both_sides
from dlhub_shim.named import Arrange, Name
from dlhub_task_manager.executors.elsewhere.calls import aside
from dlhub_task_manager.executors.elsewhere.service import Methods, ModelFailed, RemoteMethod
from dlhub_task_manager.executors.tensorflow_serving.tensors import TensorInfo, from_json, to_json

Declared = dict[str, Any]
Predict = Callable[[bytes], Awaitable[bytes]]
"""Sends the body of a predict request; the body of the answer."""


@dataclass(frozen=True, slots=True)
class SignatureMethod:
    """A signature, called with a method's inputs."""

    key: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    take: Arrange
    name_output: Name
    predict: Predict

    async def __call__(self, inputs: Any, parameters: Declared) -> Any:
        if parameters:
            raise InputMismatch(f"a signature takes no parameters; {next(iter(parameters))!r} was given")
        arrays = self.take(inputs)
        body = await aside(sum(array.nbytes for array in arrays), self.encode, arrays)
        answer = await self.predict(body)
        return self.name_output(await aside(len(answer), self.decode, answer))

    def encode(self, arrays: list[Any]) -> bytes:
        """A predict request's body, in the columnar form."""
        named = {info.name: to_json(array) for info, array in zip(self.inputs, arrays, strict=True)}
        return json.dumps({"signature_name": self.key, "inputs": named}).encode()

    def decode(self, answer: bytes) -> Declared:
        """Arrays by name. Raises ModelFailed for an answer that does not fit the signature."""
        try:
            outputs = json.loads(answer)["outputs"]
            # The server leaves out the name of an only output.
            named = {self.outputs[0].name: outputs} if len(self.outputs) == 1 else outputs
            return {info.name: from_json(named[info.name], info) for info in self.outputs}
        except (ValueError, LookupError, TypeError) as error:
            raise ModelFailed(
                f"TensorFlow Serving's answer does not fit the signature {self.key!r}: "
                f"{type(error).__name__}: {error}"
            ) from error


def methods_of(description: Declared, metadata: Declared, predict: Predict) -> Methods:
    """The methods of a servable on a server that says this of its model. Raises LoadError."""
    signatures = _signatures(metadata)
    return {
        name: RemoteMethod(method, _method(name, method, signatures, predict))
        for name, method in description["servable"]["methods"].items()
    }


def _signatures(metadata: Declared) -> dict[str, Declared]:
    try:
        found = metadata["metadata"]["signature_def"]["signature_def"]
        # TensorFlow adds one of its own, without inputs.
        return {key: one for key, one in found.items() if one.get("inputs")}
    except (LookupError, TypeError, AttributeError) as error:
        raise LoadError("the server's metadata of the model has no signatures") from error


def _method(
    name: str, method: Declared, signatures: dict[str, Declared], predict: Predict
) -> SignatureMethod:
    key = signature_key(name, method, sorted(signatures))
    inputs, outputs = (_infos(signatures[key].get(side) or {}) for side in ("inputs", "outputs"))
    ports, names = [info.port for info in inputs], [info.name for info in outputs]
    take, name_output = both_sides(name, method, ports, names, ordered=False)
    return SignatureMethod(key, inputs, outputs, take, name_output, predict)


def _infos(side: Declared) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo.read(name, info) for name, info in sorted(side.items()))
