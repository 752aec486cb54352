"""The seam between DLHub and a message broker.

What every transport promises, and the contract suite in `tests/integration/test_transport.py` checks:

- `publish` returns when the broker has taken the message; a full queue raises `Overloaded`, a key
  that no queue is bound to raises `Unroutable`, a lost connection or a timeout `Unavailable`
  (then nobody knows whether the message arrived: everything sent must be safe to send twice).
- Deliveries are acknowledged one by one; what was not acknowledged when the connection or the
  process ends is delivered again, marked as `redelivered`.
- Consumers, and the queues that they read, come back by themselves after a lost connection.
- Exclusive queues are acknowledged on delivery: their messages are worthless to anybody else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from proto_msgs.errors import Unavailable
from proto_msgs.topics import Exchange, QueueSpec


class Unroutable(Unavailable):
    """No queue is bound to the message's key: nobody serves it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A message with what the broker needs to know of it."""

    kind: str  #: name of the message's type
    body: bytes
    correlation_id: str = ""  #: joins a reply to its request
    reply_to: str = ""  #: instance that waits for the reply
    deadline: float | None = None  #: Unix time, seconds; after it nobody waits
    persistent: bool = False  #: on disk before it is confirmed


class Delivery(ABC):
    """A message as it was delivered.

    Settling one whose connection was lost meanwhile does nothing: the broker delivers it again.
    """

    __slots__ = ("delivery_count", "envelope", "key", "redelivered")

    def __init__(self, envelope: Envelope, key: str, redelivered: bool, delivery_count: int) -> None:
        self.envelope = envelope
        self.key = key
        self.redelivered = redelivered
        self.delivery_count = delivery_count
        """How often it was delivered before and not settled; known for quorum queues only."""

    @abstractmethod
    async def ack(self) -> None:
        """It has been dealt with."""

    @abstractmethod
    async def requeue(self) -> None:
        """Somebody else, or this process later, shall have it."""

    @abstractmethod
    async def dead_letter(self) -> None:
        """Nobody can deal with it; the queue's dead-letter exchange gets it, if there is one."""


OnDelivery = Callable[[Delivery], None]
"""Called in the event loop for each delivery; must not block and must not raise."""


class Consumer(ABC):
    """An open subscription to a queue."""

    @abstractmethod
    async def set_prefetch(self, prefetch: int) -> None:
        """Hold at most so many unsettled deliveries; 0 stops new ones, those held stay valid."""


class Transport(ABC):
    """A connection to a broker; an asynchronous context manager."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        """Unique name of this process on the bus."""
        self._lost_listeners: list[Callable[[], None]] = []
        self._restored_listeners: list[Callable[[], None]] = []

    def on_lost(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the connection is lost: replies under way will not come."""
        self._lost_listeners.append(listener)

    def on_restored(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the connection is back: events in between were missed."""
        self._restored_listeners.append(listener)

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether messages can be published right now."""

    @abstractmethod
    async def wait_connected(self) -> None:
        """Return when there is a connection."""

    @abstractmethod
    async def declare(self, spec: QueueSpec) -> None:
        """Make sure that the queue and its bindings exist."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Delete a queue and what is in it; nothing happens when there is none."""

    @abstractmethod
    async def depth(self, name: str) -> int | None:
        """Messages that wait in a queue; None when there is no such queue."""

    @abstractmethod
    async def publish(
        self, exchange: Exchange, key: str, envelope: Envelope, *, timeout_s: float = 10.0
    ) -> None:
        """Hand a message to the broker, and return when it is confirmed."""

    @abstractmethod
    def consume(
        self, spec: QueueSpec, on_delivery: OnDelivery, *, prefetch: int
    ) -> AbstractAsyncContextManager[Consumer]:
        """Declare a queue and get its messages until the context ends; what is unsettled then goes back."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...
