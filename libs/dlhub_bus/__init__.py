"""The bus: the only way from one service to another, and the only importer of aio_pika.

`transport` is the seam: queues, confirmed publishing and consumers that survive reconnection, over
RabbitMQ (`rabbit`) or in memory (`memory`); both pass one contract suite. On top of it, `bus` has
requests with replies, and events; `coalescing` publishes runs in batches.
"""

from dlhub_bus.bus import Bus, Handler, Listener
from dlhub_bus.coalescing import RunPublisher
from dlhub_bus.memory import MemoryBroker, MemoryTransport
from dlhub_bus.rabbit import RabbitTransport
from dlhub_bus.transport import Consumer, Delivery, Envelope, Transport, Unroutable

__all__ = [
    "Bus",
    "Consumer",
    "Delivery",
    "Envelope",
    "Handler",
    "Listener",
    "MemoryBroker",
    "MemoryTransport",
    "RabbitTransport",
    "RunPublisher",
    "Transport",
    "Unroutable",
]
