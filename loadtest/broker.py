"""The hub's broker, asked how many queues and messages it has: in Erlang, as AMQP has no words for that."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from dlhub_embedded.control import status
from dlhub_embedded.home import Home
from dlhub_embedded.rabbitmq import RabbitNode
from loadtest.hub import BenchHub

LISTING = "[rabbit_amqqueue:info(Queue, [messages]) || Queue <- rabbit_amqqueue:list()].\n"


@dataclass(frozen=True, slots=True)
class Queues:
    """What the broker holds."""

    count: int
    messages: int


def queues(hub: BenchHub) -> Queues:
    """Queues and the messages in them, delivered ones included. Raises CalledProcessError."""
    node = _node(hub)
    done = subprocess.run(
        ["erl_call", "-address", f"localhost:{node.dist_port}", "-e"], input=LISTING, text=True,
        env=node.ctl_environment(), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return count(done.stdout)


def count(listing: str) -> Queues:
    """What `LISTING` gave, in numbers."""
    found = [int(text) for text in re.findall(r"\{messages,\s*(\d+)\}", listing)]
    return Queues(len(found), sum(found))


def _node(hub: BenchHub) -> RabbitNode:
    assert hub.home, "only of a hub that was started here"
    home = Home(hub.home)
    ports = next(part.ports for part in status(hub.home).parts if part.name == "rabbitmq")
    return RabbitNode(
        hub.home / "rabbitmq",
        port=ports["amqp"],
        dist_port=ports["distribution"],
        password=home.secret("broker_password"),
        cookie=home.secret("broker_cookie"),
    )
