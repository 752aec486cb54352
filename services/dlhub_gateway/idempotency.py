"""`Idempotency-Key`: the same POST twice is done once and answered twice.

The catalog holds the keys, so it does not matter which gateway gets the second request. A holder
renews its lease while it works; one that dies lets go of the key. Answers that a retry could
better (429, 503, 504) and faults give the key back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiohttp import web

from dlhub_bus import Bus
from dlhub_gateway.cache import Flights
from dlhub_gateway.catalog import ask
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import Conflict, DLHubError, Malformed, Unavailable
from proto_msgs.idempotency import BeginKey, EndKey, KeyState, StoredResponse

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LEASE_S = 30.0
RENEW_S = 10.0
WAIT_S = 60.0
"""How long to wait for somebody else who works on the same request."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
INLINE_BYTES = 256 * 1024
MAX_KEY = 255
KEPT_HEADERS = ("Content-Type", "Location", "Preference-Applied", "Retry-After")
GIVEN_BACK = frozenset((408, 429, 500, 502, 503, 504))

Work = Callable[[], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Key:
    """A key as one person sent it, with what they want done under it."""

    identity: str
    name: str
    fingerprint: str
    journalled: bool = True
    """False for an interactive run: the key may be lost when the database crashes, and costs little."""


def fingerprint(*parts: bytes) -> str:
    """A hash that differs when any part does."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def checked_key(name: str) -> str:
    """The key from the header. Raises Malformed."""
    if not name or len(name) > MAX_KEY or not name.isprintable():
        raise Malformed(f"{HEADER}: 1 to {MAX_KEY} printable characters were expected")
    return name


class Idempotency:
    """Does work once per key; an asynchronous context manager."""

    def __init__(self, bus: Bus, transient: BlobStore) -> None:
        self._bus = bus
        self._transient = transient
        self._flights: Flights[Key, StoredResponse] = Flights()
        self._here: dict[tuple[str, str], Key] = {}
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, tb)

    async def answer(self, key: Key, work: Work, *, secret: bool = False) -> web.Response:
        """The response of `work`, or the one that it had before under this key.

        `work` never raises DLHubError: errors are responses, too. With `secret`, the body is kept
        nowhere and `work` is done again: it must then give the same answer by itself.
        Raises Conflict when the key came with another request before.
        """
        running = self._here.setdefault((key.identity, key.name), key)
        if running != key:
            raise _other_request(key)
        led = False

        async def lead() -> StoredResponse:
            nonlocal led
            led = True
            try:
                return await self._once(key, work, secret)
            finally:
                self._here.pop((key.identity, key.name), None)

        stored = await self._flights.join(key, lead)
        response = await self._revive(stored)
        if not led:
            response.headers[REPLAYED] = "true"
        return response

    async def _once(self, key: Key, work: Work, secret: bool) -> StoredResponse:
        holder = uuid4().hex
        state = await self._begin(key, holder)
        if state.state == "done" and state.response is not None and not secret:
            return _replayed(state.response)
        if state.state == "done":
            return _replayed(await self._freeze(await work()))
        result: StoredResponse | None = None
        try:
            async with self._renewed(key, holder):
                response = await work()
            result = await self._freeze(response)
        finally:
            ending = self._end(key, holder, result, secret)
            if key.journalled:
                await ending
            else:
                # The answer need not wait: who asks again meanwhile waits a moment longer.
                self._group.create_task(ending)
        return result

    async def _begin(self, key: Key, holder: str) -> KeyState:
        """The key's state, once nobody else works on it."""
        deadline = time.monotonic() + WAIT_S
        pause_s = FIRST_PAUSE_S
        while True:
            state = await self._ask_begin(key, holder)
            if state.state != "running":
                return state
            if time.monotonic() + pause_s > deadline:
                raise Unavailable(
                    f"another request with this {HEADER} is still under way; try again", retry_after_s=5
                )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _ask_begin(self, key: Key, holder: str) -> KeyState:
        request = BeginKey(
            identity=key.identity,
            idempotency_key=key.name,
            fingerprint=key.fingerprint,
            holder=holder,
            lease_s=LEASE_S,
            journalled=key.journalled,
        )
        return await ask(self._bus, request)

    @asynccontextmanager
    async def _renewed(self, key: Key, holder: str) -> AsyncIterator[None]:
        """Keep the key while the work takes long."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEW_S)
                with contextlib.suppress(DLHubError):  # the lease outlives two failed renewals
                    await self._ask_begin(key, holder)

        async with asyncio.TaskGroup() as group:
            renewal = group.create_task(renew())
            try:
                yield
            finally:
                renewal.cancel()

    async def _end(self, key: Key, holder: str, result: StoredResponse | None, secret: bool) -> None:
        """Keep the response for the next time, or give the key back."""
        kept = result if result is not None and result.status not in GIVEN_BACK else None
        if kept is not None and secret:
            kept = StoredResponse(status=kept.status, headers={})
        request = EndKey(
            identity=key.identity,
            idempotency_key=key.name,
            holder=holder,
            response=kept,
            journalled=key.journalled,
        )
        try:
            await ask(self._bus, request)
        except DLHubError as error:
            # The work is done and its answer is good; only a repetition would be done again.
            logger.warning("Key not ended", extra={"action": "key_not_ended", "error": str(error)})

    async def _freeze(self, response: web.Response) -> StoredResponse:
        body = response.body
        content = bytes(body) if isinstance(body, (bytes, bytearray)) else b""
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        if len(content) <= INLINE_BYTES:
            return StoredResponse(status=response.status, headers=headers, body=content)
        blob = await self._transient.put(content)
        return StoredResponse(status=response.status, headers=headers, blob=blob)

    async def _revive(self, stored: StoredResponse) -> web.Response:
        body = stored.body if stored.blob is None else await self._transient.get(stored.blob.sha256)
        return web.Response(status=stored.status, headers=stored.headers, body=body)


def _replayed(stored: StoredResponse) -> StoredResponse:
    return stored.model_copy(update={"headers": {**stored.headers, REPLAYED: "true"}})


def _other_request(key: Key) -> Conflict:
    return Conflict(
        f"the {HEADER} {key.name!r} came with another request before; take a new key for this one"
    )
