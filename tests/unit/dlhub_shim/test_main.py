"""The command of a replica, for a single call: no ZeroMQ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgpack
import pytest
from shim_worker import write_servable

import dlhub_shim
from proto_msgs import codec

SOURCE = """
import os, sys

def run(x, by=2):
    print("running")
    return x * by

def boom(x):
    raise ValueError("boom")

def where(x):
    return [os.getcwd(), sys.argv[1:], sys.stdin.read()]
"""


@pytest.fixture
def shim():
    """Where it lies in the repository, so that its coverage is measured; integration tests run a copy."""
    return Path(dlhub_shim.__file__).parent


@pytest.fixture
def servable(tmp_path):
    return write_servable(tmp_path / "servable", SOURCE, {"run": {}, "boom": {}, "where": {}})


def call(shim, servable, payload, *options):
    folder = servable.parent / "replica"
    out = servable.parent / "outcome"
    command = [
        sys.executable,
        "-I",
        shim / "run_worker.py",
        "--once",
        "--servable",
        servable,
        "--folder",
        folder,
    ]
    command += ["--description", servable / "dlhub.json", "--out", out, *options]
    done = subprocess.run(command, input=payload, stdout=subprocess.PIPE, timeout=60)
    assert done.stdout == b""
    _, ok, body, run_s, stdout, stderr = msgpack.unpackb(out.read_bytes())
    assert run_s >= 0
    assert done.returncode == (0 if ok else 1)
    return codec.unpack(body), stdout, stderr


def test_one_payload_gives_one_outcome(shim, servable):
    payload = codec.pack({"inputs": 4, "parameters": {"by": 3}})
    assert call(shim, servable, payload) == (12, "running\n", "")


def test_without_a_payload_the_model_is_only_loaded(shim, servable):
    assert call(shim, servable, b"") == (None, "", "")


def test_a_method_can_be_named(shim, servable):
    failure, _, _ = call(shim, servable, codec.pack({"inputs": 4}), "--method", "boom")
    assert (failure["code"], failure["message"]) == ("servable_failed", "boom")


def test_the_model_runs_among_its_files_and_sees_nothing_of_ours(shim, servable):
    place, _, _ = call(shim, servable, codec.pack({"inputs": 0}), "--method", "where")
    assert place == [str(servable), [], ""]


def test_a_load_that_fails_is_an_outcome(shim, servable):
    (servable / "model.py").write_text("import no_such_package")
    failure, _, stderr = call(shim, servable, b"")
    assert failure["code"] == "load_failed"
    assert "needs the module 'no_such_package'" in failure["message"]
    assert "ModuleNotFoundError" in stderr


def test_a_description_that_is_no_json_is_an_outcome(shim, servable):
    (servable / "dlhub.json").write_text("{")
    failure, _, _ = call(shim, servable, b"")
    assert "the description dlhub.json cannot be read" in failure["message"]


def test_the_outcome_goes_to_descriptor_3_otherwise(shim, servable):
    command = f'exec "{sys.executable}" -I "{shim}/run_worker.py" --once --servable "{servable}"'
    command += f' --description "{servable}/dlhub.json" --folder "{servable.parent}/replica" 3>&1 >/dev/null'
    payload = codec.pack({"inputs": 4})
    done = subprocess.run(
        ["sh", "-c", command], input=payload, stdout=subprocess.PIPE, check=True, timeout=60
    )
    assert codec.unpack(msgpack.unpackb(done.stdout)[2]) == 8
