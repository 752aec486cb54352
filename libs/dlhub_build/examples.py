"""The examples of a description, in the form in which runs reach a model."""

from __future__ import annotations

from pathlib import Path

import msgpack

from dlhub_types import compile_argument
from dlhub_types.method_checks import ParameterChecks
from proto_msgs import codec
from proto_msgs.description import Description, Method
from proto_msgs.errors import InputMismatch


def example_payload(name: str, method: Method) -> bytes | None:
    """The payload of a method's example, if it has one. Raises InputMismatch where that does not fit."""
    if method.example is None:
        return None
    checker = compile_argument(method.input)
    inputs = checker.from_json(method.example.inputs, f"servable.methods.{name}.example.inputs")
    parameters = ParameterChecks(method).whole(method.example.parameters, as_json=True)
    return codec.pack({"inputs": inputs, "parameters": parameters})


def write_examples(description: Description, path: Path) -> None:
    """Leave the payloads for replicas, which run each once before they take work.

    One that does not fit its declared input is left out: no build lets it pass.
    """
    payloads = {}
    for name, method in description.servable.methods.items():
        try:
            payload = example_payload(name, method)
        except InputMismatch:
            continue
        if payload is not None:
            payloads[name] = payload
    path.write_bytes(msgpack.packb(payloads))
