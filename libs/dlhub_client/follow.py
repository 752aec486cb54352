"""Following a build to its end by its log, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from dlhub_client.connection import Call, Connection
from dlhub_client.errors import BuildFailed, Cancelled, ConnectionFailed, DeadlineExceeded, NotAHub, error_of
from dlhub_client.models import FINAL_BUILD, LogLine, OnProgress, Progress
from dlhub_client.names import build_path
from dlhub_client.sse import Event, EventParser

SILENCE_S = 60.0
"""The hub sends at least a comment this often; a longer silence is a dead connection."""
PAUSE_S = 2.0
"""Where only what is there is wanted: no line for so long means that there are no more."""
_LAST_LINES = 15
_LOST_IN_A_ROW = 8


class BuildFollower:
    """Reads a build's log from wherever it stopped, until the build has ended."""

    def __init__(self, connection: Connection, build_id: str) -> None:
        self._connection = connection
        self._build_id = build_id
        self._next_seq = 0
        self._parser = EventParser()
        self._reached = False
        self.ended = False

    async def lines(self) -> AsyncIterator[LogLine]:
        """The lines of the log, each once, until the build has ended."""
        lost = 0
        while not self.ended:
            before = self._next_seq
            try:
                async for line in self._one_connection(SILENCE_S):
                    yield line
                if await self._has_ended():
                    return
            except ConnectionFailed:
                lost = 1 if self._next_seq > before else lost + 1
                if lost >= _LOST_IN_A_ROW:
                    raise
            await asyncio.sleep(min(5.0, 0.25 * 2**lost))

    async def lines_so_far(self) -> AsyncIterator[LogLine]:
        """The lines that the hub has now: those that come without a pause."""
        try:
            async for line in self._one_connection(PAUSE_S):
                yield line
        except ConnectionFailed:
            if not self._reached:
                raise

    async def _one_connection(self, silence_s: float) -> AsyncIterator[LogLine]:
        headers = {"Last-Event-ID": self._parser.last_id} if self._parser.last_id else {}
        call = Call(
            method="GET",
            path=f"{build_path(self._build_id)}/log",
            headers=headers,
            accept="text/event-stream",
        )
        async with self._connection.stream(call, silence_s) as chunks:
            self._reached = True
            async for chunk in chunks:
                for event in self._parser.feed(chunk):
                    line = self._read(event)
                    if line is not None:
                        yield line
                    if self.ended:
                        return

    def _read(self, event: Event) -> LogLine | None:
        """The line in an event; takes note when it says that the build has ended."""
        try:
            data: Any = json.loads(event.data)
        except ValueError as error:
            raise NotAHub(f"The log of build {self._build_id} holds what is not JSON: {error}") from error
        if not isinstance(data, dict):
            return None
        self.ended = data.get("status") in FINAL_BUILD
        seq = data.get("seq")
        if "text" not in data or (isinstance(seq, int) and seq < self._next_seq):
            return None  # not a line, or one that came before the connection was lost
        self._next_seq = seq + 1 if isinstance(seq, int) else self._next_seq + 1
        return LogLine(
            seq=self._next_seq - 1, step=data.get("step", ""), text=str(data["text"]), at=data.get("at")
        )

    async def _has_ended(self) -> bool:
        record = await get_build(self._connection, self._build_id)
        self.ended = record["status"] in FINAL_BUILD
        return self.ended


async def get_build(connection: Connection, build_id: str) -> dict[str, Any]:
    """A build as it stands."""
    reply = await connection.send(Call(method="GET", path=build_path(build_id)))
    return dict(reply.value)


async def until_built(
    connection: Connection, build_id: str, timeout_s: float, on_progress: OnProgress | None
) -> None:
    """Wait until a build has succeeded. Raises BuildFailed with the step and the last lines, or Cancelled."""
    last: deque[LogLine] = deque(maxlen=_LAST_LINES)
    try:
        async with asyncio.timeout(timeout_s):
            async for line in BuildFollower(connection, build_id).lines():
                last.append(line)
                if on_progress is not None:
                    on_progress(Progress(stage="build", step=line.step, text=line.text))
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"Build {build_id} has not ended within {timeout_s:g} s; it goes on. Follow it with "
            f"`dlhub logs --build {build_id} -f`, or end it with `dlhub builds cancel {build_id}`."
        ) from error
    _raise_unless_succeeded(await get_build(connection, build_id), last)


def _raise_unless_succeeded(record: Mapping[str, Any], last: deque[LogLine]) -> None:
    build_id, step = record.get("build_id") or record.get("id"), record.get("step") or "unknown"
    if record["status"] == "succeeded":
        return
    if record["status"] == "cancelled":
        raise Cancelled(f"Build {build_id} was cancelled in the step {step!r}.")
    failure = error_of(record.get("failure") or record.get("error") or {"message": "no reason was given"})
    step = failure.details.get("step") or step
    shown = "\n".join(f"  {line.text}" for line in last)
    ending = f"\n\nLast lines of its log:\n{shown}" if shown else ""
    raise BuildFailed(
        f"The build failed in the step {step!r}: {failure.message}{ending}\n\nThe whole log: "
        f"`dlhub logs --build {build_id}`",
        details={**failure.details, "step": step, "build_id": build_id, "lines": [x.text for x in last]},
    )
