"""Other servers that a user might pick, each in its own environment, with the same no-op and one worker.

Environments are made by uv in the cache folder (`~/.cache/dlhub-loadtest/peers`), once. What cannot be
installed or started is a row of the table that says why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uv

from loadtest.forest import cache_folder
from loadtest.ports import free_port
from loadtest.wrk import DISTINCT, HELLO, Bodies

SERVERS = Path(__file__).with_name("servers")
INSTALL_S = 1200.0
_V2 = '{"inputs": [{"name": "inputs", "shape": [1], "datatype": "BYTES", "data": ["input {n}"]}]}'


class Unusable(RuntimeError):
    """A peer that could not be installed or started; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A server with a no-op."""

    name: str
    label: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    """`{bin}` is the environment's folder of programs, `{servers}` ours, `{port}` the port to listen at."""
    path: str = "/run"
    body: str = DISTINCT
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path = SERVERS
    """Where it runs."""
    configuration: str = ""
    http: bool = True

    @property
    def environment(self) -> Path:
        return cache_folder() / "peers" / self.name

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def bodies(self) -> Bodies:
        return Bodies(self.body, HELLO)

    def words(self, port: int) -> list[str]:
        """The command, with its places filled in."""
        places = {"bin": str(self.environment / "bin"), "servers": str(SERVERS), "port": str(port)}
        return [word.format_map(places) for word in self.command]

    def all_variables(self, port: int) -> dict[str, str]:
        """This process's environment without what is meant for the hub, and what the peer needs."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("DLHUB_")}
        path = f"{self.environment / 'bin'}:{own['PATH']}"
        given = {
            key: value.format(port=port, other_port=free_port()) for key, value in self.variables.items()
        }
        return {**own, "PATH": path, "PYTHONPATH": str(self.folder), **given}


PEERS = (
    Peer(
        name="litserve",
        label="LitServe",
        requirements=("litserve", "uvloop", "httptools"),
        command=("{bin}/python", "{servers}/litserve_server.py", "{port}"),
        path="/predict",
        configuration="workers_per_device=1, num_api_servers=1, uvloop, access log off",
    ),
    Peer(
        name="mlserver",
        label="MLServer, one parallel worker",
        requirements=("mlserver", "uvloop<0.22"),  # its workers do not start under newer ones
        command=("{bin}/mlserver", "start", "."),
        path="/v2/models/noop/infer",
        body=_V2,
        variables={
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{other_port}",
            "MLSERVER_METRICS_ENDPOINT": "",
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_PARALLEL_WORKERS": "1",
            "MLSERVER_DEBUG": "false",
        },
        folder=SERVERS / "mlserver",
        configuration="parallel_workers=1, debug off (no access log), uvloop",
    ),
    Peer(
        name="bentoml",
        label="BentoML",
        requirements=("bentoml",),
        command=("{bin}/bentoml", "serve", "bentoml_server:NoOp", "--host", "127.0.0.1", "--port", "{port}"),
        variables={"BENTOML_DO_NOT_TRACK": "True"},
        configuration="workers=1, access log and metrics off",
    ),
    Peer(
        name="ray",
        label="Ray Serve",
        requirements=("ray[serve]",),
        command=("{bin}/python", "{servers}/ray_server.py", "{port}"),
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"},
        configuration="one replica, max_ongoing_requests=256, access log off, dashboard off",
    ),
    Peer(
        name="celery",
        label="Celery on RabbitMQ, no HTTP",
        requirements=("celery",),
        command=(
            *("{bin}/celery", "-A", "celery_app", "worker", "--pool", "prefork", "--concurrency", "1"),
            *("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        configuration="prefork, concurrency=1, prefetch 128, rpc:// results, the hub's own broker",
        http=False,
    ),
)


def install(peer: Peer) -> str:
    """Make the peer's environment, once; its version. Raises Unusable."""
    done = peer.environment / ".installed"
    if not done.exists():
        program = uv.find_uv_bin()
        _run([program, "venv", "--quiet", "--clear", "--python", sys.executable, str(peer.environment)])
        _run([program, "pip", "install", "--quiet", "--python", str(peer.python), *peer.requirements])
        done.write_text("\n".join(peer.requirements))
    package = peer.requirements[0].partition("[")[0]
    script = f"import importlib.metadata as m; print(m.version({package!r}))"
    return _run([str(peer.python), "-c", script]).strip()


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(str(error)) from error
    if done.returncode:
        raise Unusable(f"{Path(command[0]).name} {command[1]}: {done.stderr.strip()[-300:]}")
    return done.stdout
