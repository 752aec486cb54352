"""A hub whose builder finds CPU builds, and the frameworks' environments in its folders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.conftest import RunningHub

from dlhub_client import DLHubClient
from dlhub_embedded.background import detach
from dlhub_embedded.control import down
from dlhub_embedded.services import SITE_FILE
from dlhub_embedded.settings import Settings
from models.describing import described
from models.workshop import FIND_LINKS, Workshop, find_links

PER_TEST_S = 600
"""Fetching and installing a framework counts as part of the first test that needs it."""


NOTES = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash.get(NOTES, []):
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(PER_TEST_S))


def model_server(home: Path) -> Path:
    """The program that this hub starts for the executor `tensorflow-serving`; a test puts it there."""
    return home / "tensorflow_model_server"


def model_server_table(home: Path) -> str:
    return f'\n[tensorflow_serving]\nbinary = "{model_server(home)}"\n'


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    home = tmp_path_factory.mktemp("hub")
    (home / "site.toml").write_text(SITE_FILE.format(replicas=8, per_version=2) + model_server_table(home))
    found = detach(home, Settings.from_environment({**os.environ, FIND_LINKS: find_links()}))
    assert found.url
    yield RunningHub(home, found.url, Path(found.token_file).read_text().strip())
    down(home)


@pytest.fixture(scope="session")
def client(hub: RunningHub) -> Iterator[DLHubClient]:
    with hub.client() as client:
        yield client


@pytest.fixture(scope="session")
def notes(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the end of the report."""
    return pytestconfig.stash.setdefault(NOTES, [])


@pytest.fixture(scope="session")
def workshop(
    hub: RunningHub, tmp_path_factory: pytest.TempPathFactory, notes: list[str]
) -> Iterator[Workshop]:
    workshop = Workshop(hub.home, tmp_path_factory.mktemp("workshop"))
    yield workshop
    notes.extend(f"environment of {name}: {seconds:.0f} s" for name, seconds in workshop.seconds.items())


@pytest.fixture(scope="session")
def publish(client: DLHubClient) -> Callable[..., str]:
    """Publishes a folder under the description that `described` makes of the other arguments; its name."""

    def publish(folder: Path, name: str, framework: str, servable: dict[str, Any], **files: Any) -> str:
        description = described(name, framework, servable, **files)
        (folder / "dlhub.json").write_text(json.dumps(description))
        return client.publish_servable(folder).name

    return publish
