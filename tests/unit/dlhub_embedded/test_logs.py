from __future__ import annotations

import os
from pathlib import Path

from dlhub_embedded import logs


def test_a_log_is_private_and_appended_to(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for text in (b"one\n", b"two\n"):
        descriptor = logs.open_log(log)
        os.write(descriptor, text)
        os.close(descriptor)
    assert log.read_text() == "one\ntwo\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_large_log_is_moved_away_while_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    descriptor = logs.open_log(log)
    os.write(descriptor, b"x" * 100)
    assert logs.rotate(log, max_bytes=50)
    os.write(descriptor, b"new")
    os.close(descriptor)
    assert log.read_bytes() == b"new"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100


def test_a_small_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("x")
    assert not logs.rotate(log)


def test_an_excerpt_shows_the_first_error_and_the_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n" + "\n".join(["start", *["fine"] * 50, "ERROR disk full", *["noise"] * 50, "end"]))
    lines = logs.excerpt(log, start=4, lines=10).splitlines()
    assert lines[0] == "ERROR disk full"
    assert lines[-1] == "end"
    assert len(lines) == 11


def test_an_excerpt_of_a_short_log_is_all_of_it_since_the_start(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\nerror\nnew\n")
    assert logs.excerpt(log, start=4) == "error\nnew"


def test_an_excerpt_without_an_error_is_the_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(str(n) for n in range(100)))
    assert logs.excerpt(log, lines=3) == "97\n98\n99"


def test_an_empty_excerpt_says_so(tmp_path: Path) -> None:
    assert logs.excerpt(tmp_path / "none.log") == "(nothing in the log)"
