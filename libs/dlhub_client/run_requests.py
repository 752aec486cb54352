"""The requests of runs, and what their answers hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlhub_client.connection import DEFAULT_TIMEOUT_S, JSON, Call, encoded, packed
from dlhub_client.errors import MSGPACK, NotAHub
from dlhub_client.models import Checked
from dlhub_client.names import method_path

PATIENCE_S = 900.0
"""How long a run without a `timeout_s` is waited for: the hub's own deadline comes first."""
MARGIN_S = 30.0
"""On top of a deadline that the hub was given: it should be the hub that says so."""


def run_body(
    inputs: Any,
    parameters: Mapping[str, Any] | None,
    timeout_s: float | None,
    outputs: Sequence[str] | None,
    fresh: bool,
) -> dict[str, Any]:
    """Only what was asked for: a hub that is older does not know every field."""
    body: dict[str, Any] = {"inputs": inputs}
    if parameters:
        body["parameters"] = dict(parameters)
    if outputs is not None:
        body["outputs"] = list(outputs)
    if timeout_s is not None:
        body["timeout_s"] = timeout_s
    if fresh:
        body["fresh"] = True
    return body


def run_call(
    name: str,
    method: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    *,
    sent_as_json: bool = False,
    answered_in_json: bool = False,
) -> Call:
    """The request of a run."""
    make_body, kind = encoded(json.dumps(body).encode(), JSON) if sent_as_json else packed(body)
    timeout_s = body.get("timeout_s")
    patience_s = PATIENCE_S if timeout_s is None else timeout_s + MARGIN_S
    return Call(
        method="POST",
        path=method_path(name, method, "run"),
        make_body=make_body,
        headers={**kind, **(headers or {})},
        accept=JSON if answered_in_json else MSGPACK,
        timeout_s=patience_s,
        # Keeping a key costs the hub more than a quick run; one whose connection was cut may run twice.
        once=bool(headers) or (timeout_s or 0.0) > DEFAULT_TIMEOUT_S,
    )


def check_call(name: str, method: str, body: Mapping[str, Any], *, sent_as_json: bool) -> Call:
    """The request that asks what a run would say to its inputs."""
    make_body, kind = encoded(json.dumps(body).encode(), JSON) if sent_as_json else packed(body)
    path = method_path(name, method, "check")
    return Call(method="POST", path=path, make_body=make_body, headers=kind, once=False)


def checked_of(value: Any) -> Checked:
    """What the answer to it says. Raises NotAHub."""
    from dlhub_types.coercions import Coercion  # here, as NumPy takes long to load

    try:
        changes = tuple(Coercion(**one) for one in value["coercions"])
        return Checked(version=value["version"], method=value["method"], coercions=changes)
    except (KeyError, TypeError) as error:
        raise NotAHub("the answer to a check does not say what a run would change") from error


def task_id_of(value: Any, headers: Mapping[str, str]) -> str:
    """The id in the answer to an asynchronous run. Raises NotAHub."""
    found = value.get("id") or value.get("task_id") if isinstance(value, dict) else None
    found = found or headers.get("Location", "").rstrip("/").rpartition("/")[2]
    if not found:
        raise NotAHub("the answer to an asynchronous run names no task")
    return str(found)
