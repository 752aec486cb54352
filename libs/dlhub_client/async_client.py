"""The client, for code that has an event loop. Everything else is a face of this class."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from dlhub_client.address import resolve
from dlhub_client.catalogue import Catalogue
from dlhub_client.connection import DEFAULT_TIMEOUT_S, JSON, Call, Connection, encoded, packed
from dlhub_client.errors import MSGPACK, DeadlineExceeded, Malformed, NotAHub
from dlhub_client.mapping import AsMsgpack, Bounds, Form, MapCall, OnError
from dlhub_client.models import OnProgress, TaskState
from dlhub_client.names import method_path
from dlhub_client.publishing import Publishing
from dlhub_client.retry import RetryPolicy
from dlhub_client.tasks import Tasks, output_of

PATIENCE_S = 900.0
"""How long a run without a `timeout_s` is waited for: the hub's own deadline comes first."""
MARGIN_S = 30.0
"""On top of a deadline that the hub was given: it should be the hub that says so."""
MAP_REQUEST_S = 600.0


class TaskHandle:
    """A run that was asked for asynchronously."""

    def __init__(self, tasks: Tasks, task_id: str) -> None:
        self.task_id = task_id
        self._tasks = tasks

    async def result(self, timeout_s: float | None = None, on_progress: OnProgress | None = None) -> Any:
        """The output, as soon as there is one. Raises what the run failed with, or TimeoutError.

        on_progress: told of the items that are done, of a map or of an input that the hub runs in pieces.
        """
        return (await self.output_and_metadata(timeout_s, on_progress))[0]

    async def output_and_metadata(
        self, timeout_s: float | None = None, on_progress: OnProgress | None = None
    ) -> tuple[Any, Mapping[str, Any]]:
        """The output, and what the hub tells about the run."""
        async with asyncio.timeout(timeout_s):
            return output_of(await self._tasks.finished(self.task_id, on_progress=on_progress))

    async def state(self) -> TaskState:
        """The task as it stands."""
        return await self._tasks.state(self.task_id)

    async def cancel(self) -> bool:
        """End the run at the hub; whether it is cancelled now."""
        return (await self._tasks.cancel(self.task_id)).status == "cancelled"


class AsyncDLHubClient(Catalogue, Publishing):
    """A hub. Use it with `async with`, or `close` it.

    url, token: by default `DLHUB_URL` and `DLHUB_TOKEN`, then what `dlhub login` stored.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        max_connections: int = 128,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self.address = resolve(url, token)
        self._connection = Connection(self.address, self._retry, max_connections)
        self._tasks = Tasks(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._connection.close()

    # --- running ---

    async def run(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        asynchronous: bool = False,
        debug: bool = False,
        timeout_s: float | None = None,
        method: str = "run",
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Run a servable (`owner/name` or `owner/name@version`) and give its output.

        debug: give `(output, metadata)`: timings, site, captured stdout and stderr.
        asynchronous: give a TaskHandle at once.
        outputs: of an output that is a dict, only the entries with these names.
        fresh: computed now, even if the hub remembers the output (of a method declared deterministic).
        on_progress: told of the items that are done, where the hub runs a large input in pieces. The run is
        a task then, and a TaskHandle takes one itself.
        Raises ServableFailed with the model's traceback, InputMismatch, NotFound, ...
        """
        if asynchronous or on_progress is not None:
            handle = await self.run_async(name, inputs, parameters, timeout_s, method, outputs, fresh)
            if asynchronous:
                return handle
            found = await handle.output_and_metadata(on_progress=on_progress)
            return found if debug else found[0]
        call = _run_call(name, method, _run_body(inputs, parameters, timeout_s, outputs, fresh))
        answer = (await self._connection.send(call)).value
        if not isinstance(answer, dict) or "output" not in answer:
            raise NotAHub(f"{self._connection.url(call.path)}: the answer to a run has no output")
        return (answer["output"], answer.get("metadata") or {}) if debug else answer["output"]

    async def run_async(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        method: str = "run",
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
    ) -> TaskHandle:
        """Hand a run to the hub, which keeps it through restarts; its handle waits and cancels."""
        headers = {"Prefer": "respond-async"}
        body = _run_body(inputs, parameters, timeout_s, outputs, fresh)
        call = _run_call(name, method, body, headers)
        reply = await self._connection.send(call)
        return TaskHandle(self._tasks, _task_id(reply.value, reply.headers))

    async def run_json(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        asynchronous: bool = False,
        timeout_s: float | None = None,
        method: str = "run",
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """Run with JSON both ways, in which arrays are lists and times text; the whole answer of the hub."""
        headers = {"Prefer": "respond-async"} if asynchronous else None
        body = _run_body(inputs, parameters, timeout_s, outputs, fresh)
        call = _run_call(name, method, body, headers, as_json=True)
        return dict((await self._connection.send(call)).value)

    async def run_serial(self, names: Sequence[str], inputs: Any) -> Any:
        """Run servables one after another, each on the output of the one before; the last output."""
        if isinstance(names, str):
            raise Malformed(
                f"A list of servables is needed; {names!r} came. For one servable there is run()."
            )
        for name in names:
            inputs = await self.run(name, inputs)
        return inputs

    async def map(
        self,
        name: str,
        inputs: Iterable[Any],
        parameters: Mapping[str, Any] | None = None,
        method: str = "run",
        on_error: OnError = "raise",
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
        bounds: Bounds | None = None,
        form: Form | None = None,
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
    ) -> list[Any]:
        """Run a servable on each of many inputs; the outputs in the same order.

        on_error: "raise" the first failure and stop, or "return" each in place of its output.
        timeout_s: for the whole map; none by default.
        outputs: of outputs that are dicts, only the entries with these names.
        fresh: computed now, even if the hub remembers outputs.
        """
        how = form or AsMsgpack()
        rest: dict[str, Any] = {
            "parameters": dict(parameters or {}),
            "timeout_s": min(timeout_s or MAP_REQUEST_S, MAP_REQUEST_S),
        }
        if outputs is not None:
            rest["outputs"] = list(outputs)
        if fresh:
            rest["fresh"] = True
        path = method_path(name, method, "map")

        async def post(make_body: Any, headers: Mapping[str, str]) -> Any:
            call = Call(
                method="POST",
                path=path,
                make_body=make_body,
                headers=headers,
                accept=how.content_type,
                timeout_s=MAP_REQUEST_S + MARGIN_S,
            )
            return (await self._connection.send(call)).value

        mapping = MapCall(post, rest, how, bounds or Bounds(), self._retry)
        try:
            async with asyncio.timeout(timeout_s):
                return await mapping.run(inputs, on_error, on_progress)
        except TimeoutError as error:
            raise DeadlineExceeded(f"The map over {name} was not done within {timeout_s:g} s.") from error

    # --- tasks ---

    async def get_task_status(self, task_id: str, wait_s: int = 0) -> dict[str, Any]:
        """The task as the hub has it, or as it is when it ends within `wait_s` (at most 60)."""
        return dict((await self._tasks.state(task_id, wait_s)).document)

    async def wait_json(self, task_id: str, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """The task once it has ended, with its output in JSON's forms. Raises what it failed with."""
        state = await self._tasks.finished(task_id, JSON, on_progress)
        output_of(state)
        return dict(state.document)

    async def get_result(
        self,
        task_id: str,
        verbose: bool = False,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Wait for a task and give its output; verbose: `(output, metadata)`. Raises what it failed with."""
        output, metadata = await TaskHandle(self._tasks, task_id).output_and_metadata(timeout_s, on_progress)
        return (output, metadata) if verbose else output

    async def list_tasks(self, status: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The caller's tasks, newest first."""
        return await self._items("/tasks", {"status": status, "limit": limit})

    async def cancel(self, task_id: str) -> bool:
        """End a task that has not ended; whether it is cancelled now."""
        return await TaskHandle(self._tasks, task_id).cancel()


def _run_body(
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


def _run_call(
    name: str,
    method: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    as_json: bool = False,
) -> Call:
    make_body, kind = encoded(json.dumps(body).encode(), JSON) if as_json else packed(body)
    timeout_s = body.get("timeout_s")
    patience_s = PATIENCE_S if timeout_s is None else timeout_s + MARGIN_S
    return Call(
        method="POST",
        path=method_path(name, method, "run"),
        make_body=make_body,
        headers={**kind, **(headers or {})},
        accept=JSON if as_json else MSGPACK,
        timeout_s=patience_s,
        # Keeping a key costs the hub more than a quick run; one whose connection was cut may run twice.
        once=bool(headers) or (timeout_s or 0.0) > DEFAULT_TIMEOUT_S,
    )


def _task_id(value: Any, headers: Mapping[str, str]) -> str:
    found = value.get("id") or value.get("task_id") if isinstance(value, dict) else None
    found = found or headers.get("Location", "").rstrip("/").rpartition("/")[2]
    if not found:
        raise NotAHub("the answer to an asynchronous run names no task")
    return str(found)
