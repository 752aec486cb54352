"""What only a real broker does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from real_servers import private_rabbitmq

from dlhub_bus import Delivery, Envelope, RabbitTransport
from dlhub_embedded.rabbitmq_files import Limits
from proto_msgs.errors import Unavailable
from proto_msgs.topics import Exchange, Lane, run_key, runs_queue


@pytest.mark.needs("private-rabbitmq-server")
async def test_a_broker_that_takes_deliveries_back_too_early_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with private_rabbitmq(tmp_path, limits=Limits(consumer_timeout_s=1)) as node:
        deliveries: asyncio.Queue[Delivery] = asyncio.Queue()
        queue = runs_queue("v", Lane.INTERACTIVE)
        async with (
            asyncio.timeout(60),
            RabbitTransport(node.url, "test") as transport,
            transport.consume(queue, deliveries.put_nowait, prefetch=1),
        ):
            await transport.publish(
                Exchange.RUNS, run_key("v", Lane.INTERACTIVE), Envelope(kind="RunBatch", body=b"x")
            )
            assert not (await deliveries.get()).redelivered
            again = await deliveries.get()
            assert again.redelivered
            await again.ack()
    assert "set consumer_timeout" in caplog.text


async def test_a_broker_that_is_not_there_is_named_with_the_variable_to_set() -> None:
    with pytest.raises(Unavailable, match="DLHUB_AMQP_URL"):
        async with RabbitTransport("amqp://127.0.0.1:1/", "test", connect_timeout_s=0.5):
            pass


async def test_a_password_is_not_part_of_an_error(amqp_url: str) -> None:
    parts = urlsplit(amqp_url)
    wrong = amqp_url.replace(str(parts.password), "swordfish")
    with pytest.raises(Unavailable) as raised:
        async with RabbitTransport(wrong, "test", connect_timeout_s=0.5):
            pass
    assert "swordfish" not in str(raised.value)
