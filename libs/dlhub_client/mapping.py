"""Many inputs through one method: requests of a bounded size, several in flight, outcomes in order.

Each item is encoded once; a request's body is put together from the encoded items. The number of items per
request follows the speed of the model: it starts small and grows while requests stay short, so a slow model
does not run into the deadline of its request and a quick one is not slowed down by many requests.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Literal

import msgpack

from dlhub_client.connection import JSON, Body, encoded
from dlhub_client.errors import MSGPACK, DLHubError, InputMismatch, NotAHub, error_of
from dlhub_client.models import OnProgress, Progress
from dlhub_client.retry import RetryPolicy
from proto_msgs import codec

OnError = Literal["raise", "return"]
Prepare = Callable[[Any, str], Awaitable[Any]]
"""From an input and its path to the value that is sent."""
Post = Callable[[Callable[[], Body], Mapping[str, str]], Awaitable[Any]]
"""Sends a body with its headers as one logical request and gives the decoded answer."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How large a request of a map may be, and how many travel at once."""

    first_items: int = 8
    most_items: int = 1000
    most_bytes: int = 4 * 1024 * 1024  #: of encoded inputs; a single larger item travels alone
    in_flight: int = 4
    wanted_s: float = 1.0  #: requests grow until they take this long


@dataclass
class Pace:
    """How many items the next request should carry."""

    bounds: Bounds
    items: int = field(init=False)

    def __post_init__(self) -> None:
        self.items = self.bounds.first_items

    def learn(self, items: int, duration_s: float) -> None:
        """A request with so many items took so long; at most double at a time."""
        fitting = int(items * self.bounds.wanted_s / max(duration_s, 1e-3))
        self.items = max(1, min(fitting, self.items * 2, self.bounds.most_items))


class Form(ABC):
    """How inputs are written: each by itself, then put together to a body."""

    content_type: str

    @abstractmethod
    def item(self, value: Any, path: str) -> bytes:
        """One input. Raises EncodeError naming the path."""

    @abstractmethod
    def body(self, items: Sequence[bytes], rest: Mapping[str, Any]) -> bytes:
        """`{"inputs": [...], **rest}`, without encoding the items again."""


class AsMsgpack(Form):
    """Arrays, times and bytes as they are."""

    content_type = MSGPACK

    def item(self, value: Any, path: str) -> bytes:
        return codec.pack(value, path)

    def body(self, items: Sequence[bytes], rest: Mapping[str, Any]) -> bytes:
        packer = msgpack.Packer()
        parts = [packer.pack_map_header(1 + len(rest)), packer.pack("inputs")]
        parts.append(packer.pack_array_header(len(items)))
        parts.extend(items)
        for name, value in rest.items():
            parts += [packer.pack(name), codec.pack(value, name)]
        return b"".join(parts)


class AsJson(Form):
    """The JSON forms: arrays as lists, times as text."""

    content_type = JSON

    def item(self, value: Any, path: str) -> bytes:
        return json.dumps(value, allow_nan=False).encode()

    def body(self, items: Sequence[bytes], rest: Mapping[str, Any]) -> bytes:
        members = [b'"inputs":[%s]' % b",".join(items)]
        members += [f"{json.dumps(name)}:{json.dumps(value)}".encode() for name, value in rest.items()]
        return b"{%s}" % b",".join(members)


@dataclass(frozen=True)
class Chunk:
    """Items that travel in one request."""

    indices: Sequence[int]
    items: Sequence[bytes]  #: encoded

    def only(self, positions: Iterable[int]) -> Chunk:
        """The items at these positions."""
        chosen = list(positions)
        return Chunk([self.indices[i] for i in chosen], [self.items[i] for i in chosen])


async def as_it_is(value: Any, path: str) -> Any:
    """The `Prepare` that changes nothing."""
    return value


async def chunks(
    inputs: Iterable[Any], pace: Pace, form: Form, prepare: Prepare = as_it_is
) -> AsyncIterator[Chunk]:
    """Cut `inputs` into chunks as large as the pace says at that moment. Raises EncodeError."""
    indices: list[int] = []
    items: list[bytes] = []
    size_bytes = 0
    for index, value in enumerate(inputs):
        path = f"inputs[{index}]"
        item = form.item(value if prepare is as_it_is else await prepare(value, path), path)
        full = len(items) >= pace.items or size_bytes + len(item) > pace.bounds.most_bytes
        if items and full:
            yield Chunk(indices, items)
            indices, items, size_bytes = [], [], 0
        indices.append(index)
        items.append(item)
        size_bytes += len(item)
    if items:
        yield Chunk(indices, items)


@dataclass(frozen=True)
class Output:
    """What a model gave for one input."""

    value: Any


Outcome = Output | DLHubError
NOT_TRIED = DLHubError("not tried")


class MapCall:
    """One map: sends the chunks, keeps the outcomes in order."""

    def __init__(
        self,
        post: Post,
        rest: Mapping[str, Any],
        form: Form,
        bounds: Bounds,
        retry: RetryPolicy,
        prepare: Prepare = as_it_is,
    ) -> None:
        self._post = post
        self._prepare = prepare
        self._form = form
        self._rest = rest
        self._bounds = bounds
        self._retry = retry
        self._outcomes: dict[int, Any] = {}

    async def run(
        self, inputs: Iterable[Any], on_error: OnError, on_progress: OnProgress | None
    ) -> list[Any]:
        """An output or (on_error "return") a DLHubError for each input, in order."""
        pace = Pace(self._bounds)
        slots = asyncio.Semaphore(self._bounds.in_flight)
        total = len(inputs) if isinstance(inputs, Sized) else None
        try:
            async with asyncio.TaskGroup() as group:
                remaining = chunks(inputs, pace, self._form, self._prepare)
                while True:
                    await slots.acquire()  # before the next chunk is cut: its size uses what was learnt
                    chunk = await anext(remaining, None)
                    if chunk is None:
                        break
                    work = self._finish(chunk, pace, on_error, on_progress, total)
                    group.create_task(work).add_done_callback(lambda _: slots.release())
        except BaseExceptionGroup as group_of_errors:
            raise _first(group_of_errors) from None
        return [self._outcomes[index] for index in range(len(self._outcomes))]

    async def _finish(
        self, chunk: Chunk, pace: Pace, on_error: OnError, on_progress: OnProgress | None, total: int | None
    ) -> None:
        """Bring every item of a chunk to its outcome; what the hub had no room for is sent again."""
        tries = 0
        while chunk.items:
            tries += 1
            outcomes = await self._outcomes_of(chunk, pace)
            again, delay_s = self._settle(chunk, outcomes, tries)
            if on_error == "raise":
                self._raise_first(chunk)
            if on_progress is not None:
                on_progress(Progress(stage="map", done=len(self._outcomes), total=total))
            chunk = chunk.only(again)
            if chunk.items:
                await asyncio.sleep(delay_s)

    async def _outcomes_of(self, chunk: Chunk, pace: Pace) -> Sequence[Outcome]:
        started = time.perf_counter()
        try:
            body = self._form.body(chunk.items, self._rest)
            answer = await self._post(*encoded(body, self._form.content_type))
        except InputMismatch as error:
            return _blamed(chunk, error)
        pace.learn(len(chunk.items), time.perf_counter() - started)
        outcomes = answer.get("outcomes") if isinstance(answer, dict) else None
        if not isinstance(outcomes, list) or len(outcomes) != len(chunk.items):
            raise NotAHub(f"a map of {len(chunk.items)} inputs was not answered with as many outcomes")
        return [error_of(one["error"]) if one.get("error") else Output(one.get("output")) for one in outcomes]

    def _settle(self, chunk: Chunk, outcomes: Sequence[Outcome], tries: int) -> tuple[list[int], float]:
        """Keep what is final; positions to send again, and after how long."""
        again: list[int] = []
        longest_s = 0.0
        for position, outcome in enumerate(outcomes):
            if isinstance(outcome, Output):
                self._outcomes[chunk.indices[position]] = outcome.value
                continue
            delay_s = 0.0 if outcome is NOT_TRIED else self._retry.delay_s(outcome, tries)
            if delay_s is None:
                self._outcomes[chunk.indices[position]] = outcome
            else:
                again.append(position)
                longest_s = max(longest_s, delay_s)
        return again, longest_s

    def _raise_first(self, chunk: Chunk) -> None:
        for index in chunk.indices:
            outcome = self._outcomes.get(index)
            if isinstance(outcome, DLHubError):
                if not outcome.message.startswith("inputs["):
                    outcome.message = f"inputs[{index}]: {outcome.message}"
                outcome.details["index"] = index
                raise outcome


def _blamed(chunk: Chunk, error: InputMismatch) -> Sequence[Outcome]:
    """The hub checks all inputs before it runs any: one is to blame, the others were not tried."""
    found = re.match(r"inputs\[(\d+)\]", error.message)
    if found is None or int(found[1]) >= len(chunk.items):
        raise error
    position = int(found[1])
    error.message = f"inputs[{chunk.indices[position]}]{error.message[found.end() :]}"
    return [error if other == position else NOT_TRIED for other in range(len(chunk.items))]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Any one of a group; the others were consequences, or failures of the same kind."""
    leaf: BaseException = group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
