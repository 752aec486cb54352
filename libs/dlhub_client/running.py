"""Runs and maps, as the client offers them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlhub_client.connection import Call, Connection
from dlhub_client.errors import DeadlineExceeded, InputMismatch, Malformed, NotAHub
from dlhub_client.mapping import AsMsgpack, Bounds, Form, MapCall, OnError
from dlhub_client.models import Checked, OnProgress, Returns, TaskState
from dlhub_client.names import method_path
from dlhub_client.retry import RetryPolicy
from dlhub_client.run_requests import MARGIN_S, check_call, checked_of, run_body, run_call, task_id_of
from dlhub_client.tasks import Tasks, output_of
from dlhub_client.values.conversion import Conversion, Wish
from dlhub_client.values.kinds import is_plain

MAP_REQUEST_S = 600.0


class TaskHandle:
    """A run that was asked for asynchronously."""

    def __init__(
        self,
        tasks: Tasks,
        task_id: str,
        values: Conversion,
        wish: Wish | None = None,
        returns: Returns = None,
    ) -> None:
        """returns: in place of a wish, when it is only known from the task what was run."""
        self.task_id = task_id
        self._tasks = tasks
        self._values = values
        self._wish = wish
        self._returns = returns

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
            state = await self._tasks.finished(self.task_id, on_progress=on_progress)
            output, metadata = output_of(state)
            return await self._given(output, state.document), metadata

    async def _given(self, output: Any, document: Mapping[str, Any]) -> Any:
        wish = self._wish
        if self._returns is not None:
            name = f"{document.get('servable')}@{document.get('version')}"
            wish = await self._values.wish(self._returns, name, document.get("method", "run"))
        if "outcomes" in document:
            return await self._values.given_each(output, wish)
        return await self._values.given(output, wish)

    async def state(self) -> TaskState:
        """The task as it stands."""
        return await self._tasks.state(self.task_id)

    async def cancel(self) -> bool:
        """End the run at the hub; whether it is cancelled now."""
        return (await self._tasks.cancel(self.task_id)).status == "cancelled"


class Running:
    """Asking for runs, and getting what they give."""

    _connection: Connection
    _retry: RetryPolicy
    _tasks: Tasks
    _values: Conversion

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
        returns: Returns = None,
    ) -> Any:
        """Run a servable (`owner/name` or `owner/name@version`) and give its output.

        inputs: what the method declares; also pandas tables, PIL pictures, torch tensors, paths and open
        files, which become that.
        debug: give `(output, metadata)`: timings, site, captured stdout and stderr.
        asynchronous: give a TaskHandle at once.
        outputs: of an output that is a dict, only the entries with these names.
        fresh: computed now, even if the hub remembers the output (of a method declared deterministic).
        on_progress: told of the items that are done, where the hub runs a large input in pieces. The run is
        a task then, and a TaskHandle takes one itself.
        returns: give the output as "numpy", "pandas", "pil" or "torch" has it, or write it to this path.
        Raises ServableFailed with the model's traceback, InputMismatch, NotFound, ...
        """
        if asynchronous or on_progress is not None:
            handle = await self.run_async(
                name, inputs, parameters, timeout_s, method, outputs, fresh, returns
            )
            if asynchronous:
                return handle
            found = await handle.output_and_metadata(on_progress=on_progress)
            return found if debug else found[0]
        wish = await self._values.wish(returns, name, method)
        inputs = await self._values.sent(name, method, inputs)
        call = run_call(name, method, run_body(inputs, parameters, timeout_s, outputs, fresh))
        answer = await self._answer(name, call)
        if not isinstance(answer, dict) or "output" not in answer:
            raise NotAHub(f"{self._connection.url(call.path)}: the answer to a run has no output")
        metadata = answer.get("metadata") or {}
        self._values.saw(name, metadata)
        output = await self._values.given(answer["output"], wish)
        return (output, metadata) if debug else output

    async def _answer(self, name: str, call: Call) -> Any:
        try:
            return (await self._connection.send(call)).value
        except InputMismatch:
            self._values.forget(name)
            raise

    async def run_async(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        method: str = "run",
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
        returns: Returns = None,
    ) -> TaskHandle:
        """Hand a run to the hub, which keeps it through restarts; its handle waits and cancels."""
        headers = {"Prefer": "respond-async"}
        wish = await self._values.wish(returns, name, method)
        inputs = await self._values.sent(name, method, inputs)
        body = run_body(inputs, parameters, timeout_s, outputs, fresh)
        reply = await self._connection.send(run_call(name, method, body, headers))
        task_id = task_id_of(reply.value, reply.headers)
        return TaskHandle(self._tasks, task_id, self._values, wish)

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
        returns: Returns = None,
    ) -> dict[str, Any]:
        """Run with JSON both ways, in which arrays are lists and times text; the whole answer of the hub.

        Inputs that need converting, such as paths, are sent in MessagePack.
        returns: give the output so, or write it to this path, which then stands in its place.
        """
        wish = await self._values.wish(returns, name, method)
        headers = {"Prefer": "respond-async"} if asynchronous else None
        plain = is_plain(inputs)
        inputs = await self._values.sent(name, method, inputs)
        body = run_body(inputs, parameters, timeout_s, outputs, fresh)
        call = run_call(name, method, body, headers, sent_as_json=plain, answered_in_json=wish is None)
        answer = dict(await self._answer(name, call))
        if wish is not None and "output" in answer:
            answer["output"] = await self._values.given(answer["output"], wish)
        return answer

    async def check(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        method: str = "run",
        outputs: Sequence[str] | None = None,
        in_json: bool = False,
    ) -> Checked:
        """Whether a run would take these inputs, and what it would change in them. Nothing is run.

        in_json: plain inputs are in JSON's forms, arrays as lists and times as texts.
        Raises InputMismatch, NotFound, ...: what a run would raise.
        """
        plain = is_plain(inputs)
        sent = await self._values.sent(name, method, inputs)
        body = run_body(sent, parameters, None, outputs, False)
        return checked_of(
            await self._answer(name, check_call(name, method, body, sent_as_json=in_json and plain))
        )

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
        returns: Returns = None,
    ) -> list[Any]:
        """Run a servable on each of many inputs; the outputs in the same order.

        inputs: any iterable; of a pandas table, its rows.
        on_error: "raise" the first failure and stop, or "return" each in place of its output.
        timeout_s: for the whole map; none by default.
        outputs: of outputs that are dicts, only the entries with these names.
        fresh: computed now, even if the hub remembers outputs.
        returns: give each output as "numpy", "pandas", "pil" or "torch" has it.
        """
        _check_returns_of_map(returns)
        wish = await self._values.wish(returns, name, method)
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

        async def prepare(value: Any, where: str) -> Any:
            return await self._values.sent(name, method, value, where)

        mapping = MapCall(post, rest, how, bounds or Bounds(), self._retry, prepare)
        try:
            async with asyncio.timeout(timeout_s):
                found = await mapping.run(self._values.rows_of(inputs), on_error, on_progress)
                return await self._values.given_each(found, wish)
        except TimeoutError as error:
            raise DeadlineExceeded(f"The map over {name} was not done within {timeout_s:g} s.") from error


def _check_returns_of_map(returns: Returns) -> None:
    if isinstance(returns, os.PathLike) or (returns and Path(returns).suffix):
        raise Malformed(f"returns={returns!r}: a path is for one output; a map has many")
