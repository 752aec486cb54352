"""Storing what arrives on a queue: many messages with one write, acknowledged when it is journalled.

While one write is under way, messages gather; the next write takes all of them, up to a bound. So
the slower the disk, the larger the gatherings, and a lone message waits for nobody. What cannot be
read is dead-lettered; while the database is away everything waits; a message that the database
refuses is found by storing each alone, and dead-lettered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dlhub_bus import Delivery, Transport
from dlhub_catalog.cancellation import heed_cancellation
from dlhub_catalog.store.database import translated
from proto_msgs.errors import Malformed, Unavailable
from proto_msgs.topics import QueueSpec

logger = logging.getLogger(__name__)

T = TypeVar("T")

GATHERED_BYTES = 16 * 1024 * 1024
RETRY_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sink(Generic[T]):
    """Where the messages of a queue go."""

    queue: QueueSpec
    prefetch: int
    """Messages held at once, which bounds a gathering."""
    read: Callable[[Delivery], T]
    """Raises Malformed for what cannot be read."""
    store: Callable[[Sequence[T]], Awaitable[None]]
    """Must be safe to repeat: an acknowledgement may be lost."""


async def store_arrivals(transport: Transport, sink: Sink[T]) -> None:
    """Store what arrives in the sink's queue until cancelled; what is not stored then goes back."""
    arrived: asyncio.Queue[Delivery] = asyncio.Queue()  # bounded by the prefetch
    async with transport.consume(sink.queue, arrived.put_nowait, prefetch=sink.prefetch):
        while True:
            await _settle(await _gather(arrived), sink)
            heed_cancellation()


async def _gather(arrived: asyncio.Queue[Delivery]) -> list[Delivery]:
    """At least one delivery, and what else is there already."""
    gathered = [await arrived.get()]
    size_bytes = len(gathered[0].envelope.body)
    while size_bytes < GATHERED_BYTES and not arrived.empty():
        gathered.append(arrived.get_nowait())
        size_bytes += len(gathered[-1].envelope.body)
    return gathered


async def _settle(deliveries: Sequence[Delivery], sink: Sink[T]) -> None:
    readable: list[tuple[Delivery, T]] = []
    for delivery in deliveries:
        try:
            readable.append((delivery, sink.read(delivery)))
        except Malformed as error:
            await _give_up(delivery, sink, error)
    if readable:
        await _store_all(readable, sink)


async def _store_all(messages: Sequence[tuple[Delivery, T]], sink: Sink[T]) -> None:
    try:
        await _store_patiently([message for _, message in messages], sink)
    except Exception as error:  # a boundary: whatever is wrong with one message must not stop the others
        if len(messages) == 1:
            await _give_up(messages[0][0], sink, error)
            return
        for message in messages:
            await _store_all([message], sink)
        return
    for delivery, _ in messages:
        await delivery.ack()


async def _store_patiently(messages: Sequence[T], sink: Sink[T]) -> None:
    """Store, again and again while the database is away."""
    while True:
        try:
            with translated():
                return await sink.store(messages)
        except Unavailable as error:
            logger.warning(
                "Not stored yet",
                extra={"action": "store_waits", "queue": sink.queue.name, "error": str(error)},
            )
            heed_cancellation()
            await asyncio.sleep(RETRY_S)


async def _give_up(delivery: Delivery, sink: Sink[T], error: Exception) -> None:
    logger.error(
        "Message not stored",
        extra={
            "action": "message_refused",
            "queue": sink.queue.name,
            "key": delivery.key,
            "error": str(error),
        },
        exc_info=None if isinstance(error, Malformed) else error,
    )
    await delivery.dead_letter()
