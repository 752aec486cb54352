"""What a machine, or the container around us, has to offer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlhub_task_manager.machine import accelerators, machine_cores, machine_memory_mb, site_room
from dlhub_task_manager.site_file import Limits


def test_without_a_container_it_is_the_machine(tmp_path: Path) -> None:
    assert machine_cores(tmp_path) == len(os.sched_getaffinity(0))
    assert machine_memory_mb(tmp_path) > 100


def test_a_containers_share_counts(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("64000000\n")
    assert machine_cores(tmp_path) == 0.5
    assert machine_memory_mb(tmp_path) == 64


def test_a_container_without_limits_is_no_bound(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_cores(tmp_path) == len(os.sched_getaffinity(0))
    assert machine_memory_mb(tmp_path) > 100


def test_the_site_file_has_the_last_word(tmp_path: Path) -> None:
    room = site_room(Limits(max_replicas=9, cores=100, memory_mb=5000, accelerators=2), tmp_path)
    assert (room.replicas, room.cores, room.memory_mb, room.accelerators) == (9, 100, 5000, 2)
    assert site_room(Limits(), tmp_path).cores == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("given", "count", "names"),
    [
        ("", 0, []),
        ("", 2, ["0", "1"]),
        ("2,3", 2, ["2", "3"]),
        ("2,3", 1, ["2"]),
        ("GPU-8f,GPU-1a", 2, ["GPU-8f", "GPU-1a"]),
    ],
)
def test_accelerators_are_those_that_we_may_see(
    given: str, count: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert accelerators(Limits(accelerators=count)) == names
