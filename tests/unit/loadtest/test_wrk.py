"""What wrk's script prints, read."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.wrk import Bodies, read_summary

GOOD = '@{"requests": 200, "seconds": 2.0, "wrong": 0, "p50_ms": 1.5, "p95_ms": 2.5, "p99_ms": 3.5}'


def test_a_summary() -> None:
    load = read_summary(f"Running 2s test\n!\n{GOOD}\n")
    assert load.per_s == 100.0
    assert (load.p50_ms, load.p95_ms, load.p99_ms) == (1.5, 2.5, 3.5)


def test_wrong_answers_are_an_error_with_a_sample() -> None:
    text = "!429 {'detail': 'full'}\n" + GOOD.replace('"wrong": 0', '"wrong": 3')
    with pytest.raises(RuntimeError, match="3 of 200 answers were wrong, such as: 429"):
        read_summary(text)


def test_no_summary_is_an_error_with_what_was_said() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        read_summary("", 1, "unable to connect")


def test_one_body_of_each_kind(tmp_path: Path) -> None:
    assert Bodies('{"inputs": "{n}"}').first == b'{"inputs": "000000000000"}'
    file = tmp_path / "bodies"
    file.write_bytes(b'{"inputs": 1}\n{"inputs": 2}\n')
    assert Bodies(f"@{file}").first == b'{"inputs": 1}'
