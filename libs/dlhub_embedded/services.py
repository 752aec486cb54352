"""The four services as child processes: their commands, and the environment each one gets.

Each gets what it needs and no more: only the catalog knows the database, only the services that store
content know the store. A DLHUB_<SERVICE>_* variable of the caller goes to that service alone, any other
one to all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from dlhub_embedded.home import Home, write_private
from dlhub_embedded.process import Command
from dlhub_embedded.server import Part
from dlhub_embedded.settings import GATEWAY, SERVICES, Settings

USES_BLOBS = (GATEWAY, "builder", "task_manager")
USES_ENVIRONMENTS = ("builder", "task_manager")
SITE_FILE = """\
# The site of the task manager that `dlhub up` starts. Written once; edit it and start the hub again.

# How the site is called in deployments and in `dlhub sites ls`.
name = "local"

# Whether servables without a deployment of their own are served here.
accepts_defaults = true

# The kinds of environment this machine can run: "venv" needs nothing else to be installed.
environments = ["venv"]

[provider]
# Parsl's provider: "local" starts workers as processes of this machine.
kind = "local"

[limits]
# Replicas of all servables together, and of one version unless its deployment says otherwise.
max_replicas = {replicas}
max_replicas_per_version = {per_version}
# What replicas may claim together: a core each, unless the servable's dlhub.json says otherwise in
# servable.resources. More than this machine has, because replicas idle most of the time. Of memory, replicas
# that say how much they need may claim what the machine has (memory_mb sets another limit).
cores = {replicas}
accelerators = 0

[liveness]
# Seconds of silence after which a replica counts as lost: one that is loaded, one that loads.
heartbeat_s = 15
loading_heartbeat_s = 60
# Seconds that a model gets to return once its run was cancelled or its deadline passed.
grace_s = 2

# TensorFlow Serving and Amazon SageMaker as executors have tables of their own: docs/serving_elsewhere.md.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where the parts find one another."""

    amqp_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    blob_url: str
    gateway_port: int
    metrics_ports: Mapping[str, int] = field(default_factory=dict)
    """Where the services without an HTTP server of their own answer `/metrics`."""


class Service(Part):
    """One of the hub's services; the gateway alone tells when all of them work together."""

    kind = "service"

    def __init__(self, name: str, command: Command, ports: Mapping[str, int], settings: Settings) -> None:
        super().__init__(
            name,
            command.log,
            ready_timeout_s=settings.ready_timeout_s,
            stop_timeout_s=settings.stop_timeout_s,
        )
        self._command = command
        self._ports = dict(ports)

    @property
    def ports(self) -> dict[str, int]:
        """The gateway's HTTP port; the others answer for their figures alone, if at all."""
        return self._ports

    def command(self) -> Command:
        """The command, as it was prepared."""
        return self._command

    async def until_ready(self) -> None:
        """A service counts as started once it runs."""


def services(home: Home, settings: Settings, addresses: Addresses) -> list[Service]:
    """All services, ready to be started."""
    write_site_file(home)
    return [
        Service(
            name,
            Command(
                argv=argv,
                env=environment(name, home, settings, addresses),
                cwd=home.path,
                log=home.log(name),
            ),
            _ports(name, addresses),
            settings,
        )
        for name, argv in settings.services.items()
    ]


def environment(name: str, home: Home, settings: Settings, addresses: Addresses) -> dict[str, str]:
    """The whole environment of one service."""
    environment = {**settings.inherited, **_passed_on(name, settings), "DLHUB_AMQP_URL": addresses.amqp_url}
    environment.setdefault("DLHUB_LOG_FORMAT", "text")
    if name in USES_BLOBS:
        environment |= {**settings.object_store, "DLHUB_BLOB_URL": addresses.blob_url}
    if name in USES_ENVIRONMENTS:
        environment["DLHUB_ENVIRONMENTS_DIR"] = str(home.path / "environments")
    if port := addresses.metrics_ports.get(name):
        environment["DLHUB_METRICS_PORT"] = str(port)
    return environment | _own(name, home, settings, addresses)


def metrics_ports(home: Home, settings: Settings) -> dict[str, int]:
    """A port for the figures of each service but the gateway; none with DLHUB_METRICS_PORT=0."""
    if settings.passed_on.get("DLHUB_METRICS_PORT") == "0":
        return {}
    return {name: home.port(f"{name}_metrics") for name in settings.services if name != GATEWAY}


def _ports(name: str, addresses: Addresses) -> dict[str, int]:
    if name == GATEWAY:
        return {"http": addresses.gateway_port}
    port = addresses.metrics_ports.get(name)
    return {"metrics": port} if port else {}


def write_site_file(home: Home) -> None:
    """The task manager's site file, unless there is one."""
    if not home.site_file.exists():
        cores = os.cpu_count() or 1
        write_private(home.site_file, SITE_FILE.format(replicas=max(8, 2 * cores), per_version=max(2, cores)))


def _own(name: str, home: Home, settings: Settings, addresses: Addresses) -> dict[str, str]:
    """What this service alone needs to know."""
    if name == "catalog":
        return {
            "DLHUB_MONGO_URL": addresses.mongo_url,
            "DLHUB_ADMIN_USER": settings.admin_user,
            "DLHUB_ADMIN_TOKEN_SHA256": hashlib.sha256(home.admin_token().encode()).hexdigest(),
        }
    if name == GATEWAY:
        return {
            "DLHUB_GATEWAY_HOST": settings.gateway_host,
            "DLHUB_GATEWAY_PORT": str(addresses.gateway_port),
            "DLHUB_GATEWAY_PROCESSES": str(settings.gateway_processes),
        }
    if name == "task_manager":
        return {
            "DLHUB_SITE_FILE": str(home.site_file),
            "DLHUB_TASK_MANAGER_DIR": str(home.path / "task_manager"),
        }
    return {}


def _passed_on(name: str, settings: Settings) -> dict[str, str]:
    others = tuple(f"DLHUB_{service.upper()}_" for service in SERVICES if service != name)
    return {key: value for key, value in settings.passed_on.items() if not key.startswith(others)}
