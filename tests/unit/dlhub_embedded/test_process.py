from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from dlhub_embedded.identity import Identity, is_alive, session_of
from dlhub_embedded.process import ChildProcess, Command

SLEEP = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); {SLEEP}"
PARENT = f"""
import subprocess, sys
subprocess.Popen([sys.executable, '-c', {SLEEP!r}])
print('up', flush=True)
{SLEEP}
"""


def command(folder: Path, code: str, **env: str) -> Command:
    return Command(
        argv=(sys.executable, "-c", code),
        env={"PATH": os.environ["PATH"], **env},
        cwd=folder,
        log=folder / "child.log",
    )


async def written(log: Path, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in log.read_text():
            await asyncio.sleep(0.01)


async def test_output_goes_to_the_log(tmp_path: Path) -> None:
    child = await ChildProcess.start(command(tmp_path, "import sys; print('a'); print('b', file=sys.stderr)"))
    assert await child.wait() == 0
    assert sorted((tmp_path / "child.log").read_text().split()) == ["a", "b"]


async def test_the_environment_is_what_was_given(tmp_path: Path) -> None:
    child = await ChildProcess.start(command(tmp_path, "import os; print(os.environ)", WORD="given"))
    await child.wait()
    text = (tmp_path / "child.log").read_text()
    assert "given" in text
    assert "HOME" not in text


async def test_what_a_child_creates_is_private(tmp_path: Path) -> None:
    child = await ChildProcess.start(command(tmp_path, "open('made', 'w').close()"))
    await child.wait()
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


async def test_a_stubborn_child_is_killed_at_the_deadline(tmp_path: Path) -> None:
    child = await ChildProcess.start(command(tmp_path, STUBBORN))
    await written(tmp_path / "child.log", "up")
    assert await child.stop(0.05) == -9


async def test_stopping_ends_the_grandchildren(tmp_path: Path) -> None:
    child = await ChildProcess.start(command(tmp_path, PARENT))
    await written(tmp_path / "child.log", "up")
    assert len(session_of(child.identity)) == 2
    await child.stop(5)
    async with asyncio.timeout(5):
        while session_of(child.identity):
            await asyncio.sleep(0.01)


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    wrong = Command(argv=("/nonexistent/program",), env={}, cwd=tmp_path, log=tmp_path / "child.log")
    with pytest.raises(FileNotFoundError):
        await ChildProcess.start(wrong)


STARTER = """
import asyncio, sys
from pathlib import Path
from dlhub_embedded.process import ChildProcess, Command

async def main():
    folder = Path(sys.argv[1])
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    child = await ChildProcess.start(Command(argv=argv, env={}, cwd=folder, log=folder / "log"))
    print(child.identity.model_dump_json(), flush=True)
    await child.wait()

asyncio.run(main())
"""


@pytest.mark.needs("setpriv")
async def test_a_child_does_not_outlive_its_killed_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = Identity.model_validate_json(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while is_alive(child):
            await asyncio.sleep(0.01)
