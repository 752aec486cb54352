"""The hub that is measured: one of the load test's own in a temporary home, or one that runs already."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dlhub_client import DLHubClient
from dlhub_embedded.background import detach
from dlhub_embedded.control import down, status
from dlhub_embedded.home import Home, write_private
from dlhub_embedded.rabbitmq_files import USER
from dlhub_embedded.settings import SERVICES, Settings
from dlhub_task_manager.site_file import Limits
from loadtest.models import Model
from loadtest.rawhttp import Target, json_target, msgpack_target

MEGABYTE = 1024 * 1024
MOST_REPLICAS = 1024
PROCESSES = 64
"""Replicas that are processes of their own; those beyond share processes (see `packed_site`)."""
PATIENCE_S = 300.0
PACKED_SITE = (sys.executable, "-P", "-m", "loadtest.packed_site")


@dataclass
class BenchHub:
    """A hub that answers."""

    url: str
    token: str
    client: DLHubClient
    site: str | None = None
    """Where servables are deployed; None: any site that takes defaults."""
    home: Path | None = None
    """None: it was not started here, and its processes cannot be looked at."""
    ready_s: float = 0.0
    """From nothing to answering."""
    _published: dict[str, str] = field(default_factory=dict)

    def publish(self, model: Model) -> str:
        """Publish a model once; its name, `owner/name`."""
        if model.name not in self._published:
            with tempfile.TemporaryDirectory() as folder:
                self._published[model.name] = self.client.publish_servable(model.write(Path(folder))).name
        return self._published[model.name]

    def publish_described(self, name: str, description: Any) -> str:
        """Publish what the client's `describe` made; its name."""
        if name not in self._published:
            self._published[name] = self.client.publish_servable(description).name
        return self._published[name]

    def deploy(self, name: str, low: int, high: int, executor: str = "parsl", **policy: Any) -> None:
        """Say how a servable is to be served; replicas follow."""
        wish = {"site": self.site, "min_replicas": low, "max_replicas": high, "executor": executor, **policy}
        self.client.put_deployments(name, [wish])

    def scale(self, name: str, replicas: int, executor: str = "parsl") -> None:
        """Serve with exactly so many replicas; returns when they are ready. Raises TimeoutError."""
        self.deploy(name, replicas, max(1, replicas), executor, idle_s=0.0)
        self.wait_for(name, replicas)

    def wait_for(self, name: str, replicas: int, patience_s: float = PATIENCE_S) -> None:
        """Return when exactly so many replicas are ready. Raises TimeoutError."""
        deadline = time.monotonic() + patience_s
        while (found := self.replicas(name)) != (replicas, 0):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{replicas} replicas of {name} were wanted; there are {found}")
            time.sleep(0.1)

    def replicas(self, name: str) -> tuple[int, int]:
        """How many are ready, and how many are starting."""
        served = [s for site in self.client.sites() for s in site["served"] if s["servable"] == name]
        return sum(s["ready"] for s in served), sum(s["starting"] for s in served)

    def target(self, name: str, what: str = "run") -> Target:
        """Where runs (or maps) of the servable are POSTed, in JSON; `what` may be `methods/NAME/run`."""
        return json_target(f"{self.url}/api/v1/servables/{name}/{what}", self.token)

    def packed_target(self, name: str, what: str = "run") -> Target:
        """The same in MessagePack."""
        return msgpack_target(f"{self.url}/api/v1/servables/{name}/{what}", self.token)

    def pids(self) -> dict[str, int]:
        """The hub's processes by name; none of a hub that was not started here."""
        parts = status(self.home).parts if self.home else ()
        return {part.name: part.pid for part in parts if part.pid}

    def services_mb(self) -> float:
        """Resident memory of the four services together."""
        parts = status(self.home).parts if self.home else ()
        return sum(part.resident_bytes for part in parts if part.name in SERVICES) / MEGABYTE

    def amqp_url(self) -> str:
        """Of the hub's own broker, for what is compared with it."""
        assert self.home, "only of a hub that was started here"
        ports = next(part.ports for part in status(self.home).parts if part.name == "rabbitmq")
        password = Home(self.home).secret("broker_password")
        return f"amqp://{USER}:{quote(password, safe='')}@127.0.0.1:{ports['amqp']}/"


@contextmanager
def running_hub(
    variables: Mapping[str, str] | None = None,
    site: str | None = None,
    *,
    packed: bool = False,
    most_replicas: int = MOST_REPLICAS,
) -> Iterator[BenchHub]:
    """Start a hub; stop it and remove its home at the end.

    variables: further DLHUB_* settings. packed: replicas beyond the first 64 share processes.
    most_replicas: of all servables together.
    """
    home = Path(tempfile.mkdtemp(prefix="dlhub-bench-"))
    try:
        Home(home).make()
        write_private(Home(home).site_file, site_file(most_replicas))
        settings = Settings.from_environment({**os.environ, **(variables or {})})
        if packed:
            services = {**settings.services, "task_manager": PACKED_SITE}
            settings = settings.model_copy(update={"services": services})
        began = time.perf_counter()
        hub = detach(home, settings)
        ready_s = time.perf_counter() - began
        assert hub.url, "a hub that is ready has an address"
        token = Path(hub.token_file).read_text().strip()
        with DLHubClient(url=hub.url, token=token) as client:
            yield BenchHub(hub.url, token, client, site, home, ready_s)
    finally:
        down(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def existing_hub(url: str | None, site: str | None) -> Iterator[BenchHub]:
    """A hub that runs already, found as every client finds one; what is published stays there."""
    with DLHubClient(url=url) as client:
        address = client.address
        assert address.token, "log in first: DLHUB_TOKEN or `dlhub login`"
        yield BenchHub(address.url, address.token, client, site)


def site_file(most_replicas: int) -> str:
    """A site that bounds the number of replicas, not what they need."""
    limits = {"max_replicas": most_replicas, "max_replicas_per_version": most_replicas}
    if "cores" in Limits.model_fields:
        limits["cores"] = MOST_REPLICAS
    lines = ['name = "local"', "accepts_defaults = true", 'environments = ["venv"]', "[limits]"]
    return "\n".join([*lines, *(f"{name} = {value}" for name, value in limits.items())]) + "\n"
