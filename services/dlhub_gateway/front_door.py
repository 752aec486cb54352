"""A connection to the gateway: plain runs take the fast lane, everything else is aiohttp's.

Both speak on the same connection, one request at a time. Bytes are given to aiohttp from where a
request begins to where it ends; where the end cannot be told from the head alone (chunked bodies,
pipelined requests), aiohttp keeps the connection for good.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from dlhub_gateway.fast_lane import Begun, FastLane
from dlhub_gateway.heads import MAX_BODY_BYTES, MAX_HEAD_BYTES
from dlhub_gateway.hub import Hub
from dlhub_gateway.runs import Pending

BEGINNING = b"POST /api/v1/servables/"
END_OF_HEAD = b"\r\n\r\n"
MAX_WAITING_BYTES = 256 * 1024
"""Of requests that were sent before the one under way was answered."""
FOR_GOOD = -1

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*(?=\r\n|$)", re.IGNORECASE)
_UNCOUNTED = re.compile(rb"\r\n(?:transfer-encoding|upgrade)[ \t]*:", re.IGNORECASE)


class FrontDoor(RequestHandler):
    """aiohttp's protocol of one connection, with the fast lane in front of its parser."""

    __slots__ = ("_closing", "_ended", "_hub", "_lane", "_owed", "_run", "_waiting")

    def __init__(self, server: web.Server, lane: FastLane, hub: Hub, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._lane = lane
        self._hub = hub
        self._owed = 0
        """Bytes that aiohttp still has to get of the request that it was given the beginning of."""
        self._run: Begun = False
        """The run under way on the fast lane."""
        self._waiting = b""
        """What came before its time, or not yet in full."""
        self._closing = False
        """No more requests are wanted once the run under way was answered."""
        self._ended: asyncio.Future[None] | None = None
        """Somebody waits for the run under way to end."""

    def data_received(self, data: bytes) -> None:
        if not data:
            super().data_received(data)  # from aiohttp itself: its parser is to go on after a pause
        elif self._owed:
            self._give(data)
        elif self._run or self._waiting:
            self._waiting += data
            if self._run:
                self._hold_back()
            else:
                self._take()
        else:
            self._waiting = data
            self._take()

    def _take(self) -> None:
        """Deal with the request that `_waiting` begins with."""
        data = self._waiting
        if self._run or not data:
            return
        end = data.find(END_OF_HEAD, 0, MAX_HEAD_BYTES) if data.startswith(BEGINNING) else -1
        head = self._lane.head(data[:end]) if end > 0 and self._idle else None
        if head is None or head.body_bytes > MAX_BODY_BYTES:
            self._waiting = b""
            self._give(data)
            return
        stop = end + len(END_OF_HEAD) + head.body_bytes
        if len(data) < stop:
            return  # the rest of the body is on its way
        self._waiting = data[stop:]
        self._run = True
        begun = self._lane.begin(head, data[end + len(END_OF_HEAD) : stop], self._reply)
        if begun is False:
            self._run, self._waiting = False, b""
            self._give(data)
        elif self._run is True and begun is not True:
            self._run = begun

    @property
    def _idle(self) -> bool:
        """Whether aiohttp has answered all it was given."""
        return self._waiter is not None and not self._messages and not self._close and not self._force_close

    def _give(self, data: bytes) -> None:
        """Let aiohttp have bytes, and count what it has yet to get of the request."""
        if self._owed >= 0:
            owed = self._owed - len(data) if self._owed else _missing(data)
            self._owed = owed if owed >= 0 else FOR_GOOD
        super().data_received(data)

    def _hold_back(self) -> None:
        if len(self._waiting) > MAX_WAITING_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def _reply(self, answer: bytes) -> None:
        """Send the answer of the run under way, and go on with what came meanwhile."""
        self._run = False
        if self.transport is not None:
            self.transport.write(answer)
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._tell_ended()
        if self._closing:
            super().close()
        elif self._waiting:
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()
            self._take()

    def _process_keepalive(self) -> None:
        if self._run:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()

    def connection_lost(self, error: BaseException | None) -> None:
        if isinstance(self._run, Pending):
            self._hub.runs.forget((self._run,))
        elif isinstance(self._run, asyncio.Task):
            self._run.cancel()
        self._run, self._waiting = False, b""
        self._tell_ended()
        super().connection_lost(error)

    def _tell_ended(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def close(self) -> None:
        """Take no more requests; the run under way is answered first."""
        if self._run:
            self._closing = True
        else:
            super().close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Let the run under way end, then what aiohttp does."""
        if self._run:
            self._ended = self._loop.create_future()
            await asyncio.wait([self._ended], timeout=timeout)
        await super().shutdown(timeout)


def _missing(data: bytes) -> int:
    """Bytes that a request still lacks when it begins with `data`; negative when that is not known."""
    end = data.find(END_OF_HEAD)
    if end < 0 or _UNCOUNTED.search(data, 0, end):
        return FOR_GOOD
    lengths = _LENGTH.findall(data, 0, end)
    if len(lengths) > 1:
        return FOR_GOOD
    return end + len(END_OF_HEAD) + (int(lengths[0]) if lengths else 0) - len(data)
