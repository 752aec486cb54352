"""What goes over the wire to RabbitMQ: exchanges and queues with their arguments, properties of messages."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import aio_pika
import aiormq
from aiormq.channel import Channel
from pamqp.commands import Basic

from dlhub_bus.transport import Envelope
from proto_msgs.topics import LONGEST_RUN_S, Exchange, QueueSpec

LOST = (aiormq.exceptions.AMQPError, ConnectionError, OSError, TimeoutError)
"""What a lost connection, a refused channel or a silent broker raises."""
DEADLINE_HEADER = "deadline_ms"  # a whole number: AMQP clients send floats in 32 bits


async def open_channel(connection: aio_pika.abc.AbstractConnection, *, confirms: bool) -> Channel:
    transport = connection.transport
    if transport is None:
        raise ConnectionError("the connection is closed")
    async with asyncio.timeout(10):
        channel = await transport.connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    return cast(Channel, channel)


async def declare_exchanges(connection: aio_pika.abc.AbstractConnection) -> None:
    channel = await open_channel(connection, confirms=False)
    for exchange in Exchange:
        await channel.exchange_declare(exchange.value, exchange_type="topic", durable=True, timeout=10)
    await channel.close()


async def declare_queue(channel: Channel, spec: QueueSpec) -> None:
    await channel.queue_declare(
        spec.name,
        durable=spec.kind != "exclusive",
        exclusive=spec.kind == "exclusive",
        auto_delete=False,
        arguments=queue_arguments(spec),
        timeout=10,
    )
    for binding in spec.bindings:
        await channel.queue_bind(spec.name, binding.exchange.value, binding.key, timeout=10)


def queue_arguments(spec: QueueSpec) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "x-max-length": spec.max_messages,
        "x-max-length-bytes": spec.max_bytes,
        "x-overflow": "reject-publish",
        # Known from RabbitMQ 3.12 on; older brokers ignore it and need it in their configuration.
        "x-consumer-timeout": LONGEST_RUN_S * 1000,
    }
    if spec.kind == "quorum":
        # We count attempts ourselves, per run; the broker's own limit is a last resort.
        arguments |= {"x-queue-type": "quorum", "x-delivery-limit": 1000}
    if spec.expires_s is not None:
        arguments["x-expires"] = spec.expires_s * 1000
    if spec.dead_letters:
        arguments |= {
            "x-dead-letter-exchange": Exchange.DEAD.value,
            "x-dead-letter-strategy": "at-least-once",
        }
    return arguments


def properties(envelope: Envelope) -> Basic.Properties:
    expiration = None
    if envelope.deadline is not None:
        expiration = str(max(1, int((envelope.deadline - time.time()) * 1000)))
    return Basic.Properties(
        message_type=envelope.kind,
        correlation_id=envelope.correlation_id or None,
        reply_to=envelope.reply_to or None,
        delivery_mode=2 if envelope.persistent else 1,
        expiration=expiration,
        headers=None if envelope.deadline is None else {DEADLINE_HEADER: round(envelope.deadline * 1000)},
    )
