"""What a model prints is kept, and given back with the run that printed it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dlhub_shim import capture

SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
from dlhub_shim.capture import Capture

answer = os.dup(1)
print("before")
capture = Capture(Path(sys.argv[1]))
capture.begin()
exec(sys.argv[2])
os.write(answer, json.dumps(capture.take()).encode())
"""


def taken(tmp_path, code):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), code], stdout=subprocess.PIPE, check=True, timeout=60
    )
    return json.loads(done.stdout.partition(b"[")[2].join([b"[", b""]))


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("pass", ["", ""]),
        ("print('hello')", ["hello\n", ""]),
        ("sys.stderr.write('oh')", ["", "oh"]),
        ("os.write(1, b'raw')", ["raw", ""]),
        ("subprocess.run(['sh', '-c', 'echo child; echo complaint >&2'])", ["child\n", "complaint\n"]),
        ("import ctypes; ctypes.CDLL(None).printf(b'from C')", ["from C", ""]),
        ("print('\\ud800')", ["\\ud800\n", ""]),
        ("os.write(1, b'\\xff')", ["\ufffd", ""]),
        ("print('first'); capture.take(); print('second')", ["second\n", ""]),
        ("print('between'); capture.begin(); print('run')", ["run\n", ""]),
        ("sys.stdout.close(); capture.take(); print('again')", ["again\n", ""]),
        ("sys.stdout = None; capture.take(); print('again')", ["again\n", ""]),
    ],
)
def test_prints_of_any_kind_are_caught(tmp_path, code, printed):
    assert taken(tmp_path, code) == printed


def test_everything_stays_in_the_logs(tmp_path):
    taken(tmp_path, "print('one'); capture.take(); print('two'); print('three', file=sys.stderr)")
    assert (tmp_path / "stdout.log").read_text() == "one\ntwo\n"
    assert (tmp_path / "stderr.log").read_text() == "three\n"


@pytest.fixture
def stream(tmp_path):
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield capture._Stream(descriptor, tmp_path / "out.log"), descriptor
    os.close(descriptor)


def test_of_long_output_the_middle_is_left_out(stream):
    stream, descriptor = stream
    os.write(descriptor, b"a" * 100_000 + b"z" * 100_000)
    text = stream.take()
    left_out = 200_000 - capture.MAX_TEXT_BYTES
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert f"\n... [{left_out} bytes left out] ...\n" in text
    assert len(text) < capture.MAX_TEXT_BYTES + 100


def test_a_long_file_is_moved_aside_between_runs(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "MAX_FILE_BYTES", 10)
    stream, descriptor = stream
    for text in (b"more than ten", b"next"):
        os.write(descriptor, text)
        assert stream.take() == text.decode()
    assert (tmp_path / "out.log.1").read_text() == "more than ten"
    assert (tmp_path / "out.log").read_text() == "next"


def test_a_library_without_the_usual_name_is_no_reason_to_fail(monkeypatch):
    def missing(_name):
        raise OSError("no such library")

    monkeypatch.setattr(capture.ctypes, "PyDLL", missing)
    assert capture._flush_of_c_library()() is None
