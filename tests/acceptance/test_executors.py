"""A deployment chooses the executor; another choice restarts the version's replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from acceptance.conftest import RunningHub, until, write_servable
from dlhub_client import DLHubClient
from proto_msgs.errors import Malformed

SOURCE = '''
import os
from pathlib import Path

def run(x):
    """The command of the process that started this one."""
    return Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode().replace("\\0", " ")
'''
STARTED_BY = {"parsl": "blocks/", "htex": "multiprocessing", "ipp": "ipyparallel.engine"}


@pytest.fixture
def servable(client: DLHubClient, tmp_path: Path) -> str:
    return str(client.publish_servable(write_servable(tmp_path, "chosen", source=SOURCE)).name)


def commands_of(hub: RunningHub, word: str) -> list[str]:
    """Commands of this hub's processes that have `word` in them."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if word in command and str(hub.home) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(command)
    return found


def test_a_deployment_chooses_its_executor(hub: RunningHub, client: DLHubClient, servable: str) -> None:
    for kind in ("parsl", "htex", "ipp", "parsl"):
        client.put_deployments(servable, [{"executor": kind}])
        until(lambda: STARTED_BY[kind] in client.run(servable, 1), f"a replica of {kind}", 90)  # noqa: B023
    until(lambda: not commands_of(hub, "ipyparallel"), "the end of IPyParallel's processes")
    until(lambda: not commands_of(hub, "process_worker_pool"), "the end of HTEX' processes")


@pytest.mark.parametrize("given", ["magic", "", None])
def test_unknown_executors_are_refused_with_those_that_there_are(
    client: DLHubClient, servable: str, given: Any
) -> None:
    with pytest.raises(Malformed, match="'parsl', 'htex', 'ipp', 'tensorflow-serving' or 'sagemaker'"):
        client.put_deployments(servable, [{"executor": given}])
