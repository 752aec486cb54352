"""Requests with replies, and events, over any transport.

A request is repeated after a lost connection until its deadline, and may be delivered twice: so
every handler is idempotent. The reply is handed to the broker, then the request is acknowledged.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from dlhub_bus.transport import Delivery, Envelope, Transport, Unroutable
from proto_msgs.errors import DeadlineExceeded, DLHubError, Failure, Internal, Malformed, Unavailable
from proto_msgs.messages import Event, Message, Request
from proto_msgs.topics import Exchange, QueueSpec, events_queue, reply_key, reply_queue

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Message)
Listener = Callable[[Any], None]
"""A function for one kind of event; must not block."""
Handler = Callable[[Any], Awaitable[Message]]
"""A function for one kind of request: the request in, the reply out, or a DLHubError raised."""
FAILURE = "Failure"
RESULTS = "ResultBatch"
RETRY_S = 0.2


class Bus:
    """One process's way to the others; an asynchronous context manager over an open transport."""

    def __init__(self, transport: Transport, *, origin: str) -> None:
        self.transport = transport
        self.origin = origin
        """Service or site that this process speaks for; the second word of its replies' keys."""
        self.on_results: Callable[[bytes], None] | None = None
        """Called with the body of each batch of results that arrives for this process."""
        self._waiting: dict[str, asyncio.Future[Delivery]] = {}
        self._numbers = itertools.count()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.transport.on_lost(self._fail_waiting)
        consume = self.transport.consume(reply_queue(self.transport.instance), self._receive, prefetch=10_000)
        await self._stack.enter_async_context(consume)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def call(self, request: Request[R], *, timeout_s: float = 10.0) -> R:
        """The reply to `request`.

        Raises the DLHubError that the handler raised, Unavailable when nobody listens, and
        DeadlineExceeded when there is no reply in time.
        """
        deadline = time.time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                delivery = await self._ask_until_answered(request, deadline)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"no reply to {request.routing_key} within {timeout_s:g} s", retry_after_s=1
            ) from error
        if delivery.envelope.kind == FAILURE:
            raise _Failed.unpack(delivery.envelope.body).failure.error()
        return request.read_reply(delivery.envelope.body)

    async def emit(self, event: Event) -> None:
        """Tell whoever listens. Raises Unavailable when there is no connection."""
        envelope = Envelope(kind=type(event).__name__, body=event.pack())
        await self.transport.publish(Exchange.EVENTS, event.routing_key, envelope)

    @asynccontextmanager
    async def listen(
        self, listeners: Mapping[type[Event], Listener], *, name: str = "main"
    ) -> AsyncIterator[None]:
        """Call a listener for each event of its kind, until the context ends.

        Events that happen while the connection is lost are missed: see `Transport.on_restored`.
        """
        by_kind = {kind.__name__: (kind, listener) for kind, listener in listeners.items()}
        patterns = [kind.pattern() for kind in listeners]

        def receive(delivery: Delivery) -> None:
            if found := by_kind.get(delivery.envelope.kind):
                kind, listener = found
                try:
                    listener(kind.unpack(delivery.envelope.body))
                except Malformed:
                    logger.warning("Bad event", extra={"action": "bad_event", "key": delivery.key})

        queue = events_queue(f"{self.transport.instance}.{name}", *patterns)
        async with self.transport.consume(queue, receive, prefetch=1000):
            yield

    async def serve(
        self, queue: QueueSpec, handlers: Mapping[type[Request[Any]], Handler], *, concurrency: int = 64
    ) -> None:
        """Answer the requests in `queue` until cancelled; at most `concurrency` at a time."""
        by_kind = {kind.__name__: (kind, handler) for kind, handler in handlers.items()}
        async with asyncio.TaskGroup() as group:

            def receive(delivery: Delivery) -> None:
                group.create_task(self._answer(delivery, by_kind))

            async with self.transport.consume(queue, receive, prefetch=concurrency):
                await asyncio.get_running_loop().create_future()  # until cancelled

    async def _ask_until_answered(self, request: Request[Any], deadline: float) -> Delivery:
        while True:
            try:
                await self.transport.wait_connected()
                return await self._ask(request, deadline)
            except Unroutable:
                raise
            except Unavailable:
                # The connection was lost before the reply came: ask again, handlers are idempotent.
                await asyncio.sleep(RETRY_S)

    async def _ask(self, request: Request[Any], deadline: float) -> Delivery:
        number = f"{next(self._numbers)}"
        reply: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            envelope = Envelope(
                kind=type(request).__name__,
                body=request.pack(),
                correlation_id=number,
                reply_to=self.transport.instance,
                deadline=deadline,
            )
            await self.transport.publish(Exchange.RPC, request.routing_key, envelope)
            # Not by the caller's timeout alone: a cancellation can be lost in libraries (see rabbit.py).
            await asyncio.wait([reply], timeout=max(0.0, deadline - time.time()))
            if not reply.done():
                raise TimeoutError
            return reply.result()
        finally:
            del self._waiting[number]

    def _receive(self, delivery: Delivery) -> None:
        """A reply or a batch of results has arrived."""
        if delivery.envelope.kind == RESULTS:
            if self.on_results:
                self.on_results(delivery.envelope.body)
            return
        waiting = self._waiting.get(delivery.envelope.correlation_id)
        if waiting and not waiting.done():
            waiting.set_result(delivery)

    def _fail_waiting(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("the connection to the message broker was lost"))

    async def _answer(
        self, delivery: Delivery, by_kind: Mapping[str, tuple[type[Request[Any]], Handler]]
    ) -> None:
        envelope = delivery.envelope
        if envelope.deadline is not None and envelope.deadline < time.time():
            await delivery.ack()
            return
        try:
            reply = await _handle(envelope, by_kind)
            await self._reply(envelope, reply)
        except Unavailable as error:
            # Nobody to answer: the asker is gone, or the broker; then it asks again.
            logger.debug("Reply lost", extra={"action": "reply_lost", "error": str(error)})
        await delivery.ack()

    async def _reply(self, envelope: Envelope, reply: Message) -> None:
        kind = FAILURE if isinstance(reply, _Failed) else type(reply).__name__
        await self.transport.publish(
            Exchange.RESULTS,
            reply_key(self.origin, envelope.reply_to),
            Envelope(kind=kind, body=reply.pack(), correlation_id=envelope.correlation_id),
        )


class _Failed(Message):
    """The reply when a handler raised."""

    failure: Failure


async def _handle(envelope: Envelope, by_kind: Mapping[str, tuple[type[Request[Any]], Handler]]) -> Message:
    """The handler's reply, or its error as one; an error that is not ours is logged and kept inside."""
    try:
        if envelope.kind not in by_kind:
            raise Malformed(f"this service does not know the request {envelope.kind!r}")
        kind, handler = by_kind[envelope.kind]
        return await handler(kind.unpack(envelope.body))
    except DLHubError as error:
        return _Failed(failure=Failure.of(error))
    except Exception:
        logger.exception("Request failed", extra={"action": "request_failed", "kind": envelope.kind})
        fault = Internal(f"{envelope.kind} failed inside the hub; the log of the service says why")
        return _Failed(failure=Failure.of(fault))
