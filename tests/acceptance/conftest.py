"""The whole hub, started as a user would start it, and a servable that makes trouble."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import real_servers

from dlhub_client import DLHubClient
from dlhub_embedded.background import detach
from dlhub_embedded.control import down, status
from dlhub_embedded.settings import Settings

SERVABLES = Path(__file__).parent / "servables"
EXAMPLES = Path(__file__).parents[2] / "examples"
METHODS = (
    "noop", "echo", "pid", "raises", "prints", "unencodable", "exits", "hangs", "hangs_hard",
    "holds_the_lock", "dies", "dies_if", "environment", "sleeps", "notes",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    real_servers.register(config)


@dataclass
class RunningHub:
    """A hub of the tests' own."""

    home: Path
    url: str
    token: str

    def client(self, token: str | None = None) -> DLHubClient:
        return DLHubClient(url=self.url, token=token or self.token)

    def pid(self, part: str) -> int:
        """Process of a service or a server."""
        pid = next(p.pid for p in status(self.home).parts if p.name == part)
        assert pid is not None, f"{part} does not run"
        return pid

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """End a part by force and wait until the supervisor has put another in its place."""
        before = self.pid(part)
        os.kill(before, number)
        until(lambda: self._replaced(part, before), f"a new {part}")

    def _replaced(self, part: str, before: int) -> bool:
        found = next(p for p in status(self.home).parts if p.name == part)
        return found.pid not in (None, before) and found.phase == "ready"

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The `dlhub` command, with this hub's address and token."""
        environment = {**os.environ, "DLHUB_URL": self.url, "DLHUB_TOKEN": self.token}
        command = [str(Path(sys.executable).parent / "dlhub"), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done


def until(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """Wait for something that only looking can tell; returns what `condition` gave."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {timeout_s:g} s")


def start_hub(home: Path, **given: Any) -> RunningHub:
    """Start a hub; whoever calls it stops it with `down`."""
    hub = detach(home, Settings.from_environment(os.environ, **given))
    assert hub.url
    return RunningHub(home, hub.url, Path(hub.token_file).read_text().strip())


def write_servable(folder: Path, name: str, *, source: str | None = None, **changes: Any) -> Path:
    """A folder with the trouble servable under another name; `changes` go into the `dlhub` block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(source or (SERVABLES / "trouble" / "app.py").read_text())
    any_value = {"type": "python object", "python_type": "object"}
    names = ("run",) if source else ("run", *METHODS)
    methods = {
        method: {
            "input": any_value,
            "output": any_value,
            "method_details": {
                "module": "app",
                "method_name": "noop" if method == "run" and not source else method,
            },
        }
        for method in names
    }
    description = {
        "datacite": {"titles": [{"title": f"Trouble: {name}"}], "creators": [{"name": "Tester, Ada"}]},
        "dlhub": {"name": name, "visible_to": ["public"], **changes},
        "servable": {"type": "Python static method", "methods": methods},
    }
    (folder / "dlhub.json").write_text(json.dumps(description))
    return folder


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for all tests that leave it as they found it."""
    home = tmp_path_factory.mktemp("hub")
    hub = start_hub(home)
    yield hub
    down(home)


@pytest.fixture(scope="session")
def client(hub: RunningHub) -> Iterator[DLHubClient]:
    with hub.client() as client:
        yield client


@pytest.fixture(scope="session")
def trouble(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of the servable that makes trouble."""
    folder = write_servable(
        tmp_path_factory.mktemp("trouble"), "trouble", dependencies={"python": {"numpy": None}}
    )
    return client.publish_servable(folder).name
