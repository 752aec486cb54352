from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Display

from dlhub_cli import output, progress
from dlhub_client.models import Progress

STEPS = [
    Progress(stage="pack"),
    Progress(stage="upload", done=500_000, total=1_000_000),
    Progress(stage="build", step="lock", text="[numpy] 2.4"),
    Progress(stage="map", done=5, total=10),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_stage_has_a_line() -> None:
    display = Display(console=Console(file=io.StringIO()))
    board = progress.Board(display)
    for step in STEPS:
        board.show(step)
    assert [task.description for task in display.tasks] == [
        "Packing",
        "Uploading",
        "Build: lock  [numpy] 2.4",
        "Running",
    ]
    assert progress._count(Progress(stage="upload", done=1000, total=2000)) == "1.0 of 2.0 kB"
    assert [task.fields["count"] for task in display.tasks] == ["", "0.5 of 1.0 MB", "", "5 of 10"]


def test_items_of_a_task_are_counted() -> None:
    display = Display(console=Console(file=io.StringIO()))
    progress.Board(display).show(Progress(stage="run", done=1200, total=4000))
    (task,) = display.tasks
    assert (task.description, task.fields["count"]) == ("Running", "1,200 of 4,000")


def test_nothing_is_drawn_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress.shown(quiet=False) as on_progress:
        assert on_progress is None


def test_a_terminal_sees_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.shown(quiet=False) as on_progress:
        assert on_progress
        on_progress(STEPS[2])
    assert "Build: lock  [numpy] 2.4" in terminal.getvalue()


def test_a_terminal_gets_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    output.print_rows(("Name", "N"), [("ada/[x]", 1)], empty="none")
    assert "Name" in terminal.getvalue()
    assert "ada/[x]" in terminal.getvalue()


def test_an_empty_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    said = Terminal()
    monkeypatch.setattr("sys.stderr", said)
    output.print_rows(("Name",), [], empty="There are none.")
    assert said.getvalue() == "There are none.\n"
