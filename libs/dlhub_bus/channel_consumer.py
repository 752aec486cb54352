"""What consumers on either connection to RabbitMQ have in common: a channel, and a limit that may change."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from typing import Generic, TypeVar

from dlhub_bus.rabbit_wire import LOST
from dlhub_bus.transport import Consumer, OnDelivery
from proto_msgs.topics import QueueSpec

logger = logging.getLogger(__name__)

C = TypeVar("C")


class ChannelConsumer(Consumer, Generic[C]):
    """A consumer on a channel of its own."""

    def __init__(self, spec: QueueSpec, on_delivery: OnDelivery, prefetch: int) -> None:
        self.spec = spec
        self.opened = asyncio.Event()
        self._on_delivery = on_delivery
        self._prefetch = prefetch
        self._channel: C | None = None
        self._tag: str | None = None
        self._lock = asyncio.Lock()
        self._no_ack = spec.kind == "exclusive"

    async def _use(self, channel: C) -> None:
        """Consume on a channel that was just opened."""
        async with self._lock:
            self._channel, self._tag = channel, None
            await self._apply_prefetch()
        self.opened.set()

    async def set_prefetch(self, prefetch: int) -> None:
        async with self._lock:
            if prefetch == self._prefetch:
                return
            self._prefetch = prefetch
            try:
                await self._apply_prefetch()
            except LOST as error:
                # The channel is gone; when it is opened again it takes the new value.
                logger.debug("Prefetch later", extra={"action": "prefetch_later", "error": repr(error)})

    async def _apply_prefetch(self) -> None:
        """A new limit holds for new consumers only, so the old one is cancelled first."""
        channel = self._channel
        if channel is None:
            return
        if self._tag is not None:
            tag, self._tag = self._tag, None
            await self._cancel(channel, tag)
        if self._prefetch:
            self._tag = await self._begin(channel)

    @abstractmethod
    async def _begin(self, channel: C) -> str:
        """Get messages, at most `_prefetch` unsettled ones; returns the consumer's tag."""

    @abstractmethod
    async def _cancel(self, channel: C, tag: str) -> None:
        """Get no more messages for this tag."""
