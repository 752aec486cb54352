"""The hub's broker, asked by its own tool how many queues and messages it has."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from dlhub_embedded.control import status
from dlhub_embedded.home import Home
from dlhub_embedded.rabbitmq import RabbitNode
from loadtest.hub import BenchHub


@dataclass(frozen=True, slots=True)
class Queues:
    """What the broker holds."""

    count: int
    messages: int


def queues(hub: BenchHub) -> Queues:
    """Queues and the messages in them, delivered ones included. Raises CalledProcessError."""
    command = ["rabbitmqctl", "--quiet", "list_queues", "--no-table-headers", "messages"]
    done = subprocess.run(
        command, env=_node(hub).ctl_environment(), capture_output=True, text=True, check=True, timeout=60
    )
    return count(done.stdout)


def count(listing: str) -> Queues:
    """One number per line: the messages of a queue."""
    found = [int(line) for line in listing.split()]
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
