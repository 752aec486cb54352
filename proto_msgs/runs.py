"""Runs and their outcomes: the messages of the run path, in a compact form.

A batch is a msgpack array, because it is packed and unpacked for every few runs and validated
nowhere else than at the gateway's door. New fields go to the end of an array; a reader takes what
it knows and fills in defaults for what an older writer left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from proto_msgs.blobs import BlobRef
from proto_msgs.errors import Malformed
from proto_msgs.topics import Lane

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One invocation. Safe to redeliver: `run_id` is the idempotency key."""

    run_id: str  #: chosen by the gateway; a task's id, or `<task id>:<index>` for an item of a map
    payload: bytes  #: encoded inputs and parameters, opaque to all but the shim; empty with a `blob`
    deadline: float  #: Unix time, seconds; after it nobody waits for the answer
    blob: BlobRef | None = None  #: where the payload lies when it is large
    attempts: int = 0  #: how many workers were lost with this run in them
    items: int = 1  #: how many independent items the inputs hold along the method's `map_axis`
    fresh: bool = False  #: the caller wants it computed, not remembered


@dataclass(frozen=True, kw_only=True, slots=True)
class RunBatch:
    """Runs of one version and method that travel together; each keeps its own outcome."""

    version_id: str  #: UUID of the immutable version, already resolved
    method: str
    lane: Lane
    reply_to: str  #: instance of the gateway that waits; empty for tasks
    answer_key: bytes  #: unguessable; a result without it is refused
    runs: tuple[Run, ...]
    sent_at: float = 0.0  #: Unix time, seconds; when the sender handed it to the broker


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one run."""

    run_id: str
    ok: bool
    body: bytes  #: encoded output, or encoded failure (code, message, type, traceback); empty with a `blob`
    blob: BlobRef | None = None  #: where the output lies when it is large
    queue_ms: float = 0.0  #: from the gateway's or broker's hands to a replica's, without loading
    load_ms: float = 0.0  #: how long this run waited for a replica to start and load the model
    run_ms: float = 0.0  #: inside the model's method
    batch_size: int = 1  #: how many runs the replica got together
    stdout: str = ""
    stderr: str = ""
    cached: str = ""  #: level of the inference cache that had it: "site" or "gateway"; empty when computed
    steps: tuple[dict[str, Any], ...] = ()  #: of a pipeline: what a caller learns of each of its steps


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultBatch:
    """Outcomes that travel together, from one site."""

    site: str
    version_id: str
    answer_key: bytes
    outcomes: tuple[Outcome, ...]


def pack_runs(batch: RunBatch) -> bytes:
    """The bytes of a batch of runs."""
    runs = [
        (run.run_id, run.payload, run.deadline, _pack_blob(run.blob), run.attempts, run.items, run.fresh)
        for run in batch.runs
    ]
    head = (FORMAT, batch.version_id, batch.method, batch.lane.value, batch.reply_to, batch.answer_key)
    return bytes(msgpack.packb((*head, runs, batch.sent_at)))


def unpack_runs(body: bytes) -> RunBatch:
    """Read `pack_runs`' bytes. Raises Malformed."""
    try:
        fields = _array(body, 7)
        _, version_id, method, lane, reply_to, answer_key, runs = fields[:7]
        return RunBatch(
            version_id=version_id,
            method=method,
            lane=Lane(lane),
            reply_to=reply_to,
            answer_key=answer_key,
            runs=tuple(map(_unpack_run, runs)),
            sent_at=fields[7] if len(fields) > 7 else 0.0,
        )
    except (ValueError, TypeError, IndexError) as error:
        raise Malformed(f"this is not a batch of runs: {error}") from error


def pack_results(batch: ResultBatch) -> bytes:
    """The bytes of a batch of outcomes."""
    outcomes = [
        (
            o.run_id, o.ok, o.body, _pack_blob(o.blob),
            o.queue_ms, o.load_ms, o.run_ms, o.batch_size, o.stdout, o.stderr, o.cached, o.steps,
        )
        for o in batch.outcomes
    ]  # fmt: skip
    return bytes(msgpack.packb((FORMAT, batch.site, batch.version_id, batch.answer_key, outcomes)))


def unpack_results(body: bytes) -> ResultBatch:
    """Read `pack_results`' bytes. Raises Malformed."""
    try:
        _, site, version_id, answer_key, outcomes = _array(body, 5)[:5]
        return ResultBatch(
            site=site,
            version_id=version_id,
            answer_key=answer_key,
            outcomes=tuple(map(_unpack_outcome, outcomes)),
        )
    except (ValueError, TypeError, IndexError) as error:
        raise Malformed(f"this is not a batch of results: {error}") from error


def _array(body: bytes, fields: int) -> Sequence[Any]:
    """The array in `body`, which must have at least so many `fields`."""
    array = msgpack.unpackb(body)
    if not isinstance(array, list) or len(array) < fields:
        raise ValueError(f"expected an array of at least {fields} elements")
    return array


def _pack_blob(blob: BlobRef | None) -> tuple[str, int] | None:
    return (blob.sha256, blob.size_bytes) if blob else None


def _unpack_blob(pair: Sequence[Any] | None) -> BlobRef | None:
    return BlobRef(sha256=pair[0], size_bytes=pair[1]) if pair else None


def _unpack_run(fields: Sequence[Any]) -> Run:
    run_id, payload, deadline, blob, attempts = fields[:5]
    items, fresh = fields[5:7] if len(fields) > 6 else (1, False)
    return Run(
        run_id=run_id,
        payload=payload,
        deadline=deadline,
        blob=_unpack_blob(blob),
        attempts=attempts,
        items=items,
        fresh=fresh,
    )


def _unpack_outcome(fields: Sequence[Any]) -> Outcome:
    run_id, ok, body, blob, queue_ms, load_ms, run_ms, batch_size, stdout, stderr = fields[:10]
    return Outcome(
        run_id=run_id,
        ok=ok,
        body=body,
        blob=_unpack_blob(blob),
        queue_ms=queue_ms,
        load_ms=load_ms,
        run_ms=run_ms,
        batch_size=batch_size,
        stdout=stdout,
        stderr=stderr,
        cached=fields[10] if len(fields) > 10 else "",
        steps=tuple(fields[11]) if len(fields) > 11 else (),
    )
