"""The files that configure a private RabbitMQ node, as text; no input or output here."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

USER = "dlhub"
#: How many processes, atoms and ports the Erlang machine reserves tables for; its defaults are for clusters.
VM_LIMITS = {
    "RABBITMQ_MAX_NUMBER_OF_PROCESSES": "131072",
    "RABBITMQ_MAX_NUMBER_OF_ATOMS": "1048576",
    "ERL_MAX_PORTS": "8192",
}
MAX_SCHEDULERS = 4
DEFAULT_TICK_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the node may use, and how long it waits for others."""

    consumer_timeout_s: float = 24 * 3600
    """A delivery not acked for so long is taken back: must be above the longest run that is allowed."""
    heartbeat_s: int = 30
    """A connection silent for twice this is closed."""
    memory_bytes: int = 1024**3
    """Above it publishers wait until messages are taken out."""
    disk_free_bytes: int = 256 * 1024**2
    """With less disk space left publishers wait."""
    write_ahead_log_bytes: int = 64 * 1024**2
    """Of all quorum queues together; it is kept in memory too (default of RabbitMQ: 512 MiB)."""


def configuration(folder: Path, port: int, limits: Limits, management_port: int | None) -> str:
    """rabbitmq.conf"""
    lines = [
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        f"load_definitions = {folder / 'definitions.json'}",
        "loopback_users.guest = true",
        f"consumer_timeout = {round(limits.consumer_timeout_s * 1000)}",
        f"heartbeat = {limits.heartbeat_s}",
        f"vm_memory_high_watermark.absolute = {limits.memory_bytes}",
        f"disk_free_limit.absolute = {limits.disk_free_bytes}",
        f"raft.wal_max_size_bytes = {limits.write_ahead_log_bytes}",
        "log.file = false",
        "log.console = true",
        "log.console.use_colors = off",
        "log.connection.level = error",  # two lines for each connection otherwise
    ]
    if management_port:
        lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {management_port}"]
    return "\n".join(lines) + "\n"


def advanced(limits: Limits) -> str:
    """advanced.config: what rabbitmq.conf has no key for.

    Channels look for overdue deliveries only at each tick, once a minute: a shorter consumer timeout
    needs shorter ticks.
    """
    tick_s = min(DEFAULT_TICK_S, limits.consumer_timeout_s / 5)
    return f"[{{rabbit, [{{channel_tick_interval, {round(tick_s * 1000)}}}]}}].\n"


def definitions(password: str) -> str:
    """The one user and virtual host; since there are definitions, RabbitMQ makes no `guest`."""
    user = {
        "name": USER,
        "password_hash": hash_password(password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"],
        "limits": {},
    }
    permission = {"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return json.dumps({"users": [user], "vhosts": [{"name": "/"}], "permissions": [permission]}, indent=2)


def hash_password(password: str, salt: bytes | None = None) -> str:
    """RabbitMQ's form: base64 of a 4-byte salt and SHA-256 over salt and password."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def plugins(management_port: int | None) -> str:
    """enabled_plugins"""
    return "[rabbitmq_management].\n" if management_port else "[].\n"


def vm_arguments(node: str, dist_port: int) -> str:
    """Arguments of the Erlang machine: a named node without epmd, few schedulers, none spinning when idle."""
    schedulers = min(os.cpu_count() or 1, MAX_SCHEDULERS)
    return (
        f"-sname {node} -start_epmd false -erl_epmd_port {dist_port} "
        "-kernel inet_dist_use_interface {127,0,0,1} "
        f"+S {schedulers}:{schedulers} +sbwt none +sbwtdcpu none +sbwtdio none"
    )
