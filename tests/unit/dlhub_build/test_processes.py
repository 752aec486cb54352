from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dlhub_build.processes import Command, Finished, run
from proto_msgs.errors import TooLarge

# Starts a child, and a grandchild in a session of its own; both would sleep for ever.
FAMILY = """
import os, subprocess, sys, time
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
group = subprocess.Popen(sleeper)
stray = subprocess.Popen(sleeper, start_new_session=True)
print(os.getpid(), group.pid, stray.pid, flush=True)
if sys.argv[1] == "stay":
    time.sleep(600)
"""


def command(code: str, *arguments: str, timeout_s: float = 60.0, **options: Any) -> Command:
    argv = [sys.executable, "-I", "-c", code, *arguments]
    return Command(argv, env={"GREETING": "hello"}, cwd=Path("/"), timeout_s=timeout_s, **options)


async def lines_of(code: str, *arguments: str, **options: Any) -> tuple[Finished, list[str]]:
    lines: list[str] = []
    return await run(command(code, *arguments, **options), lines.append), lines


def gone(pid: int) -> bool:
    """Whether a process is over; one that nobody waited for yet is."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_both_outputs_arrive_line_by_line() -> None:
    finished, lines = await lines_of("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (finished.returncode, sorted(lines)) == (3, ["err", "out"])
    assert sorted(finished.tail.splitlines()) == ["err", "out"]


async def test_nothing_is_inherited_but_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_SECRET", "s3cret")
    _, lines = await lines_of("import os; print(sorted(os.environ))")
    assert "GREETING" in lines[0]
    assert "DLHUB" not in lines[0]


async def test_a_line_without_end_and_broken_utf8_arrive() -> None:
    _, lines = await lines_of("import os; os.write(1, b'progress 1\\rprogress 2\\nlast \\xff')")
    assert lines == ["progress 1", "progress 2", "last \ufffd"]


async def test_an_endless_line_comes_in_pieces() -> None:
    _, lines = await lines_of("print('x' * 100_000)")
    assert sum(map(len, lines)) == 100_000
    assert max(map(len, lines)) <= 2000


async def test_standard_output_can_be_left_out() -> None:
    _, lines = await lines_of("import sys; print('a'); print('b', file=sys.stderr)", stdout_wanted=False)
    assert lines == ["b"]


async def test_a_file_can_be_the_input(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("given")
    _, lines = await lines_of("print(input())", stdin=tmp_path / "in")
    assert lines == ["given"]


async def test_the_largest_file_is_bounded(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'wb').write(bytes(10**6))"
    finished, _ = await lines_of(code, str(tmp_path / "big"), max_file_bytes=100_000)
    assert finished.returncode != 0
    assert (tmp_path / "big").stat().st_size <= 100_000


async def test_a_timeout_ends_the_whole_family() -> None:
    lines: list[str] = []
    with pytest.raises(TimeoutError):
        await run(command(FAMILY, "stay", timeout_s=1.0), lines.append)
    assert [gone(pid) for pid in map(int, lines[0].split())] == [True, True, True]


async def test_a_cancellation_ends_the_whole_family() -> None:
    pids: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(run(command(FAMILY, "stay"), pids.put_nowait))
        family = [int(pid) for pid in (await pids.get()).split()]
        task.cancel()
    assert [gone(pid) for pid in family] == [True, True, True]


async def test_children_left_behind_by_a_success_are_ended() -> None:
    finished, lines = await lines_of(FAMILY, "leave")
    assert finished.returncode == 0
    assert [gone(pid) for pid in map(int, lines[0].split())] == [True, True, True]


async def test_a_stopped_process_is_ended_too() -> None:
    pids: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(run(command(FAMILY, "stay"), pids.put_nowait))
        family = [int(pid) for pid in (await pids.get()).split()]
        os.kill(family[0], signal.SIGSTOP)
        task.cancel()
    assert gone(family[0])


async def test_what_cannot_be_started_raises() -> None:
    with pytest.raises(FileNotFoundError):
        await run(Command(["/nonexistent"], env={}, cwd=Path("/"), timeout_s=5), print)


async def test_a_watched_folder_may_not_grow_too_much(tmp_path: Path) -> None:
    (tmp_path / "before").write_bytes(bytes(10_000))
    code = "import sys, time; open(sys.argv[1], 'wb').write(bytes(5000)); time.sleep(600)"
    with pytest.raises(TooLarge, match="4,000 bytes"):
        await lines_of(code, str(tmp_path / "new"), watched=(tmp_path,), max_growth_bytes=4000)
