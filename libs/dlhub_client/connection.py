"""One HTTP session with a hub: encoding, deadlines, errors and trying again.

A call is one logical request. A POST that must be done once keeps its `Idempotency-Key` through all tries, so
one whose answer was lost on the way is answered again instead of done again. Connections are kept and shared.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from dlhub_client.address import TOKEN_VARIABLE, Address
from dlhub_client.errors import (
    MSGPACK,
    ConnectionFailed,
    DeadlineExceeded,
    DLHubError,
    NotAHub,
    Unauthenticated,
    error_of_response,
)
from dlhub_client.retry import RetryPolicy
from proto_msgs import codec

BASE = "/api/v1"
JSON = "application/json"
CONNECT_TIMEOUT_S = 10.0
DEFAULT_TIMEOUT_S = 60.0

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Body = bytes | io.BytesIO | io.BufferedReader | aiohttp.MultipartWriter
_LARGE_BYTES = 1 << 20  #: aiohttp writes larger bodies in pieces only when they come as a file


@dataclass(frozen=True, kw_only=True)
class Call:
    """A logical request; `make_body` is asked for a fresh body at every try."""

    method: Method
    path: str  #: below /api/v1
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    make_body: Callable[[], Body] | None = None
    accept: str = MSGPACK
    timeout_s: float = DEFAULT_TIMEOUT_S  #: for all tries together
    once: bool = True  #: a POST has an `Idempotency-Key`, so that it is done once however often it is sent


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    value: Any


def packed(value: Any) -> tuple[Callable[[], Body], Mapping[str, str]]:
    """Body and headers that carry `value` as msgpack. Raises EncodeError naming the path."""
    return encoded(codec.pack(value, "request"), MSGPACK)


def encoded(data: bytes, content_type: str) -> tuple[Callable[[], Body], Mapping[str, str]]:
    """Body and headers that carry `data` as it is."""
    headers = {"Content-Type": content_type}
    return (lambda: io.BytesIO(data) if len(data) > _LARGE_BYTES else data), headers


class Connection:
    """A session that opens with its first call; `close` ends it."""

    def __init__(self, address: Address, retry: RetryPolicy, max_connections: int) -> None:
        self.address = address
        self._retry = retry
        self._max_connections = max_connections
        self._opened: aiohttp.ClientSession | None = None

    def url(self, path: str) -> str:
        """The whole address of a path below /api/v1."""
        return f"{self.address.url}{BASE}{path}"

    async def close(self) -> None:
        """End the session and its connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def send(self, call: Call) -> Reply:
        """The answer to a call. Raises DLHubError, with what the hub said or why nothing came."""
        headers = dict(call.headers)
        if call.method == "POST" and call.once:
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
        try:
            async with asyncio.timeout(call.timeout_s) as deadline:
                return await self._until_answered(call, headers, deadline)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{call.method} {self.url(call.path)} was not answered within {call.timeout_s:g} s; "
                "give a longer timeout_s, or look at the hub with `dlhub status`."
            ) from error

    async def _until_answered(
        self, call: Call, headers: Mapping[str, str], deadline: asyncio.Timeout
    ) -> Reply:
        tries = 0
        while True:
            tries += 1
            try:
                return await self._try(call, headers)
            except DLHubError as error:
                delay_s = self._retry.delay_s(error, tries)
                until = deadline.when()
                if delay_s is None or (until and asyncio.get_running_loop().time() + delay_s >= until):
                    raise
            await asyncio.sleep(delay_s)

    async def _try(self, call: Call, headers: Mapping[str, str]) -> Reply:
        async with self._response(call, headers) as response:
            body = await response.read()
        kind = response.content_type or ""
        if response.status >= 300:
            raise self._error(response, kind, body)
        return Reply(
            status=response.status, headers=response.headers, value=self._decode(response, kind, body)
        )

    @asynccontextmanager
    async def _response(
        self, call: Call, headers: Mapping[str, str], sock_read_s: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One try: the answer's head has come, its body is still to be read. Raises ConnectionFailed."""
        url = self.url(call.path)
        body = call.make_body() if call.make_body else None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=sock_read_s)
        try:
            async with self._session().request(
                call.method,
                url,
                params=dict(call.params),
                data=body,
                headers={"Accept": f"{call.accept}, application/problem+json", **headers},
                timeout=timeout,
            ) as response:
                yield response
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            raise _connection_error(url, error) from error
        except aiohttp.ClientError as error:
            raise NotAHub(f"{url} gave an answer that is not HTTP as expected: {error}") from error

    @asynccontextmanager
    async def stream(self, call: Call, sock_read_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of one answer as it comes, without trying again; silence ends it after `sock_read_s`."""
        async with self._response(call, call.headers, sock_read_s) as response:
            if response.status >= 300:
                raise self._error(response, response.content_type or "", await response.read())
            yield response.content.iter_any()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            token = self.address.token
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=30),
                headers={"Authorization": f"Bearer {token}"} if token else {},
                raise_for_status=False,
            )
        return self._opened

    def _error(self, response: aiohttp.ClientResponse, kind: str, body: bytes) -> DLHubError:
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        error = error_of_response(response.status, kind, body, str(response.url), retry_after_s)
        if isinstance(error, Unauthenticated) and self.address.token is None:
            error.message += f" (no token was sent: pass token=..., set {TOKEN_VARIABLE}, or `dlhub login`)"
        return error

    def _decode(self, response: aiohttp.ClientResponse, kind: str, body: bytes) -> Any:
        if not body:
            return None
        try:
            if kind == MSGPACK:
                return codec.unpack(body, own_arrays=True)  # people write into their results
            if kind == JSON or kind.endswith("+json"):
                return json.loads(body)
        except ValueError as error:  # DecodeError is one
            raise NotAHub(f"{response.url} answered with {kind} that cannot be read: {error}") from error
        raise NotAHub(
            f"{response.url} answered with {kind or 'no content type'}, not as a hub does. Check the "
            "address: it is that of `dlhub up`, without /api/v1."
        )


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After as a number; the form with a date counts as one second, as clocks differ."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return 1.0


def _connection_error(url: str, error: Exception) -> DLHubError:
    if isinstance(
        error, (ssl.SSLError, aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError)
    ):
        return NotAHub(f"{url}: no trusted connection can be made: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailed(
            f"No hub answers at {url} ({error.os_error.strerror or error.os_error}). Is it running "
            "(`dlhub status`, `dlhub up`), and is this its address (DLHUB_URL)?"
        )
    reason = str(error) or type(error).__name__
    return ConnectionFailed(f"The connection to {url} was lost before the answer was complete: {reason}")
