"""Outcomes as answers: a model's output with its metadata, or its failure as an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlhub_gateway.http_errors import problem
from dlhub_gateway.negotiation import Form
from dlhub_runtime.blobs import BlobStore
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import BY_CODE, DLHubError, Internal, ServableFailed
from proto_msgs.runs import Outcome

_OF_A_FAILURE = ("type", "traceback")
_OF_A_RUN = ("run_id", "site", "stdout", "stderr")


def run_metadata(outcome: Outcome, site: str, version: int, total_ms: float) -> dict[str, Any]:
    """What a caller gets beside the output."""
    return {
        "run_id": outcome.run_id,
        "version": version,
        "site": site,
        **cache_metadata(outcome),
        "batch_size": outcome.batch_size,
        "timings_ms": {
            "queue": round(outcome.queue_ms, 3),
            "load": round(outcome.load_ms, 3),
            "run": round(outcome.run_ms, 3),
            "total": total_ms,
        },
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        **({"steps": outcome.steps} if outcome.steps else {}),
    }


def cache_metadata(outcome: Outcome) -> dict[str, Any]:
    """Whether the output was remembered, and by whom."""
    return {"cached": True, "cache_level": outcome.cached} if outcome.cached else {"cached": False}


async def packed_body(body: bytes, blob: BlobRef | None, transient: BlobStore) -> bytes:
    """The packed output or failure, from wherever it lies."""
    return body if blob is None else await transient.get(blob.sha256)


def failure_of(packed: bytes, metadata: Mapping[str, Any]) -> DLHubError:
    """A run's failure as an error; what the model printed stays with it."""
    try:
        failure = codec.unpack(packed)
        code, message = str(failure["code"]), str(failure["message"])
    except (codec.DecodeError, KeyError, TypeError) as error:
        return Internal(f"a site sent a failure that cannot be read: {error}")
    details = dict(failure.get("details") or {})
    details.update({name: failure[name] for name in _OF_A_FAILURE if failure.get(name)})
    details.update({name: metadata[name] for name in _OF_A_RUN if metadata.get(name)})
    kind = BY_CODE.get(code)
    if kind is None:
        return ServableFailed(f"{code}: {message}", details=details)
    return kind(message, details=details)


def item(form: Form, ok: bool, packed: bytes, metadata: Mapping[str, Any]) -> bytes:
    """One outcome of a map: `{"output": ...}` or `{"error": {...}}`."""
    if not ok:
        return error_item(form, failure_of(packed, metadata))
    try:
        return form.mapping({"output": form.value(packed)})
    except DLHubError as error:
        return error_item(form, error)


def error_item(form: Form, error: DLHubError) -> bytes:
    """An outcome of a map that is an error."""
    return form.mapping({"error": form.plain(problem(error))})


def packed_failure(error: DLHubError) -> bytes:
    """An error as the body of an outcome; `failure_of` reads it."""
    failure = {"code": error.code, "message": error.message, "details": error.details}
    return codec.pack(failure, "failure")
