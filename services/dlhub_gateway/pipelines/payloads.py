"""What a pipeline is given: the payload of its run, and beside that of a task what was decided before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from dlhub_gateway.parcels import Buffer, Came, Parcel
from proto_msgs import codec, views
from proto_msgs.errors import InputMismatch, Malformed, ServableFailed

_RUN = codec.pack("run")
_OPEN_ENTRIES = 4


class Given(NamedTuple):
    """The payload of a run, opened."""

    inputs: Came
    parameters: dict[str, Any]
    """By name of the step."""
    outputs: Sequence[str] | None
    """Names of the only entries wanted of an output that is a dict."""


class Decided(NamedTuple):
    """What a task's pipeline was when the task was accepted; who wants it was checked then."""

    pipeline: str
    """`owner/name@3`."""
    versions: dict[str, int]
    """What each name without a version meant."""
    as_json: bool
    """The parameters are in JSON's forms."""


class TaskPayload(NamedTuple):
    """The payload of a task's run, opened."""

    decided: Decided
    given: Given


def opened(payload: Buffer) -> Given:
    """A payload as `CompiledMethod` packs it. Raises DecodeError."""
    # Small ones are decoded and packed again sooner than they are looked through.
    found = views.open_map(payload) if len(payload) >= views.LARGE_BYTES else None
    if found is None:
        value = codec.unpack(payload)
        came = Came(value["inputs"], memoryview(codec.pack(value["inputs"])), None)
    else:
        value = found.value
        start, stop = found.spans["inputs"]
        inside = found.elements is not None and start < found.elements < stop
        elements = found.elements - start if found.elements is not None and inside else None
        came = Came(value["inputs"], memoryview(payload)[start:stop], elements)
    return Given(came, value["parameters"], value.get("outputs"))


def with_decisions(decided: Decided, payload: bytes | Parcel) -> bytes | Parcel:
    """A payload for a task."""
    head = bytes(msgpack.Packer().pack_map_header(_OPEN_ENTRIES))
    for name, value in zip(Decided._fields, decided, strict=True):
        head += codec.pack(name) + codec.pack(value)
    head += _RUN
    if isinstance(payload, bytes):
        return head + payload
    return Parcel((head, *payload.pieces))


def opened_task(payload: bytes) -> TaskPayload:
    """What `with_decisions` has made. Raises Malformed."""
    try:
        found = views.open_map(payload)
        if found is None:
            value = codec.unpack(payload)
            run: Buffer = codec.pack(value["run"])
        else:
            value = found.value
            run = memoryview(payload)[slice(*found.spans["run"])]
        decided = Decided(value["pipeline"], value["versions"], value["as_json"])
        return TaskPayload(decided, opened(run))
    except (codec.DecodeError, KeyError, TypeError) as error:
        raise Malformed(f"this is not a pipeline's run: {error}") from error


def selected(packed: bytes, names: Sequence[str]) -> bytes:
    """Only these entries of a packed output. Raises InputMismatch for one that it does not have."""
    output = unpacked(packed).value
    if not isinstance(output, dict):
        raise InputMismatch(
            f"outputs: the pipeline gave a value of type {type(output).__name__}, and only of a dict can "
            "entries be asked for",
            details={"path": "outputs"},
        )
    missing = next((name for name in names if name not in output), None)
    if missing is not None:
        known = ", ".join(map(str, output)) or "none"
        raise InputMismatch(
            f"outputs: the pipeline gave no output {missing!r}; it gave: {known}", details={"path": "outputs"}
        )
    return codec.pack({name: output[name] for name in names}, "output")


def unpacked(packed: bytes) -> Came:
    """An output, ready to be an input. Raises ServableFailed for bytes that are none."""
    try:
        if len(packed) < views.LARGE_BYTES:  # views takes longer, and saves nothing here
            return Came(codec.unpack(packed), memoryview(packed), None)
        value, elements = views.open_value(packed)
    except codec.DecodeError as error:
        raise ServableFailed(f"the output cannot be read: {error}") from error
    return Came(value, memoryview(packed), elements)


def as_dict(bodies: Sequence[tuple[str, bytes]]) -> bytes:
    """Packed outputs as one packed dict."""
    pieces = [msgpack.Packer().pack_map_header(len(bodies))]
    for name, body in bodies:
        pieces += (codec.pack(name), body)
    return b"".join(pieces)
