"""A service's process: how it starts, stops and fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio
from dlhub_runtime.process import instance_name, run
from dlhub_runtime.settings import ServiceSettings
from proto_msgs.errors import Unavailable

class Settings(ServiceSettings):
    program: str

async def serve(settings):
    match settings.program:
        case "wait":
            print("waiting", flush=True)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                print("closed", flush=True)
        case "end":
            print(instance_name("test") != instance_name("test"))
        case "unavailable":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(Unavailable("no broker")))
        case "bug":
            await fail(ZeroDivisionError("a bug"))

async def fail(error):
    raise error

run("test", serve, Settings)
"""


def start(program: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DLHUB_PROGRAM": program}
    if not program:
        del environment["DLHUB_PROGRAM"]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_service_that_ends_by_itself_ends_the_process_well() -> None:
    assert finish(start("end"))[:2] == (0, "True\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_service_and_lets_it_close(number: signal.Signals) -> None:
    process = start("wait")
    assert process.stdout
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    status, out, err = finish(process)
    assert (status, out) == (0, "closed\n")
    assert "action=service_stop" in err


def test_settings_that_are_wrong_have_a_status_of_their_own() -> None:
    status, _, err = finish(start(""))
    assert status == 78
    assert "DLHUB_PROGRAM" in err
    assert "Traceback" not in err


def test_an_error_that_is_expected_is_one_line() -> None:
    status, _, err = finish(start("unavailable"))
    assert status == 1
    assert "error=no broker" in err
    assert "Traceback" not in err


def test_an_error_that_is_not_expected_has_its_traceback() -> None:
    status, _, err = finish(start("bug"))
    assert status == 1
    assert "Traceback" in err
    assert "ZeroDivisionError: a bug" in err
