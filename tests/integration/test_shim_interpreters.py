"""The worker as it really runs: on every CPython of this machine, with nothing but msgpack and pyzmq.

The interpreters are those that a build would find, from 3.8 on; the list is printed.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import msgpack
import pytest
from shim_worker import Manager, copy_shim, write_servable
from uv import find_uv_bin

from dlhub_build.interpreters import find_interpreters
from proto_msgs import codec, worker
from proto_msgs.arrays import RawArray

INTERPRETERS = find_interpreters()
INSTALL_TIMEOUT_S = 100
SOURCE = """
import ctypes, os, subprocess, sys, time

def run(x):
    return x

def fail(x):
    raise ValueError("no %s today" % x)

def leave(x):
    sys.exit(x)

def die(x):
    os._exit(x)

def sets(x):
    return {"found": [1, {x}]}

def talk(x):
    print("from Python", flush=True)
    print("a complaint", file=sys.stderr)
    subprocess.run(["echo", "from a child"])
    ctypes.CDLL(None).puts(b"from C")

def megabytes(x):
    for _ in range(x):
        print("x" * 1023)

def hang(x):
    while True:
        time.sleep(60)

def spin(x):
    while True:
        pass

def hold(seconds):
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # PyDLL: keeps Python's lock

def kind(x):
    return type(x).__name__

def inverses(numbers):
    print(len(numbers), flush=True)
    return [10 / number for number in numbers]
"""
FUNCTIONS = ("run", "fail", "leave", "die", "sets", "talk", "megabytes", "hang", "spin", "hold", "kind")


@pytest.fixture(scope="session")
def environments(tmp_path_factory, pytestconfig):
    """Python of an environment for an interpreter; each is made once, when it is first needed."""
    terminal = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    terminal.write_line(f"interpreters: {', '.join(map(str, INTERPRETERS))}")
    made: dict[Path, str] = {}

    def environment(interpreter: Path) -> str:
        if interpreter not in made:
            folder = tmp_path_factory.mktemp("environment") / "venv"
            _uv("venv", "--python", interpreter, folder)
            _uv("pip", "install", "--python", folder / "bin/python", "msgpack", "pyzmq")
            made[interpreter] = str(folder / "bin/python")
        return made[interpreter]

    return environment


def _uv(*arguments: object) -> None:
    done = subprocess.run(
        [find_uv_bin(), "--quiet", *map(str, arguments)],
        capture_output=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(params=INTERPRETERS, ids=str)
def python(request, environments):
    return environments(request.param.path)


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    return copy_shim(tmp_path_factory.mktemp("worker") / "shim")


@pytest.fixture
def servable(tmp_path):
    methods: dict = {name: {} for name in FUNCTIONS}
    methods["inverses"] = {"vectorised": True, "input": {"type": "float"}}
    return write_servable(tmp_path / "servable", SOURCE, methods)


@pytest.fixture
def manager(python, shim, servable, tmp_path):
    with Manager(python, shim, servable, tmp_path / "replica") as manager:
        manager.expect(worker.READY)
        yield manager


def test_it_introduces_itself(manager):
    info = manager.expect(worker.HELLO)[1]
    assert (info["replica_id"], info["pid"]) == ("r", manager.process.pid)
    assert info["python"].startswith("3.")


def test_a_batch_has_an_outcome_for_each_run(manager):
    manager.start("run", 1, "two", {"three": [3.0, None, True]}, b"four", 5j)
    outcomes = manager.outcomes()
    assert [outcome[:2] for _, outcome in sorted(outcomes.items())] == [
        (True, 1),
        (True, "two"),
        (True, {"three": [3.0, None, True]}),
        (True, b"four"),
        (True, 5j),
    ]


def test_runs_of_a_vectorised_method_share_a_call_but_for_a_culprit(manager):
    manager.start("inverses", 1.0, 2.0, 4.0)
    outcomes = manager.outcomes()
    assert [outcome[1] for _, outcome in sorted(outcomes.items())] == [10.0, 5.0, 2.5]
    assert {outcome[3] for outcome in outcomes.values()} == {"3\n"}
    manager.start("inverses", 1.0, 0.0)
    outcomes = manager.outcomes()
    assert outcomes["r0"][:2] == (True, 10.0)
    assert outcomes["r1"][1]["type"] == "ZeroDivisionError"


def test_an_array_is_nested_lists_where_there_is_no_numpy(manager):
    array = RawArray("<i4", (2, 2), bytes([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]))
    assert manager.run("run", array)[:2] == (True, [[1, 2], [3, 4]])


def test_a_model_that_raises_fails_its_run_alone(manager):
    ok, failure, *_ = manager.run("fail", "luck")
    assert not ok
    assert (failure["code"], failure["type"]) == (worker.SERVABLE_FAILED, "ValueError")
    assert failure["message"] == "no luck today"
    assert "model.py" in failure["traceback"]
    assert "dlhub_shim" not in failure["traceback"]
    assert manager.run("run", 1)[0]


def test_a_model_that_calls_exit_fails_its_run_alone(manager):
    ok, failure, *_ = manager.run("leave", 3)
    assert (ok, failure["message"]) == (False, "the model called sys.exit(3)")
    assert manager.run("run", 1)[0]


def test_an_output_that_cannot_travel_is_named_by_its_path(manager):
    ok, failure, *_ = manager.run("sets", 3)
    assert (ok, failure["code"]) == (False, worker.OUTPUT_UNENCODABLE)
    assert failure["message"].startswith("output['found'][1]: a value of type set cannot be encoded")


def test_prints_of_python_c_and_children_come_with_the_outcome(manager):
    _, _, _, stdout, stderr = manager.run("talk", None)
    assert sorted(stdout.splitlines()) == ["from C", "from Python", "from a child"]
    assert stderr == "a complaint\n"
    assert manager.run("run", 1)[3:] == ("", "")


def test_megabytes_of_prints_are_shortened_and_kept(manager):
    _, _, _, stdout, _ = manager.run("megabytes", 3 * 1024)
    assert "bytes left out" in stdout
    assert len(stdout) < 70_000
    assert len(manager.logged("stdout")) == 3 * 1024 * 1024


@pytest.mark.parametrize("method", ["hang", "spin"])
def test_a_run_past_its_deadline_is_interrupted(manager, method):
    ok, failure, run_s, *_ = manager.run(method, None, deadline=time.time() + 0.3)
    assert (ok, failure["code"]) == (False, worker.DEADLINE_EXCEEDED)
    assert run_s < 10
    assert manager.run("run", 1)[0]


def test_a_run_is_cancelled_and_its_neighbour_is_not(manager):
    manager.start("hang", None)
    manager.control(worker.cancel("r0"))
    ok, failure, *_ = manager.outcomes()["r0"]
    assert (ok, failure["code"]) == (False, worker.CANCELLED)
    manager.start("run", 0, 1)  # r0 stays cancelled
    outcomes = manager.outcomes()
    assert (outcomes["r0"][0], outcomes["r1"][0]) == (False, True)


def test_a_model_that_keeps_pythons_lock_only_delays_the_beats(manager):
    assert manager.run("hold", 1.5)[0]
    manager.forget()
    manager.expect(worker.BEAT)


def test_a_model_that_ends_the_process_ends_it(manager):
    manager.start("die", 7)
    assert manager.exit_status() == 7


def test_an_idle_worker_stops(manager):
    manager.control(worker.STOP_FRAME)
    assert manager.exit_status() == worker.EXIT_STOPPED


def test_a_busy_worker_finishes_its_batch_before_it_stops(manager):
    manager.start("hold", 0.3, 0.3)
    manager.expect(worker.DONE)  # of the first run: the second is under way
    manager.control(worker.STOP_FRAME)
    assert manager.outcomes()["r1"][0]
    assert manager.exit_status() == worker.EXIT_STOPPED


def test_every_type_of_servable_is_known_without_its_framework(python, shim):
    """The modules can be imported on every Python; frameworks are imported when a model needs them."""
    program = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1]); from dlhub_shim import loaders\n"
        "for module, name in loaders._KINDS.values():\n"
        "    assert getattr(importlib.import_module(f'dlhub_shim.kinds.{module}'), name)\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([python, "-I", "-c", program, str(shim)], check=True, timeout=60)


def test_a_single_call_needs_no_socket(python, shim, servable, tmp_path):
    command = [
        python,
        "-I",
        shim / "run_worker.py",
        "--once",
        "--servable",
        servable,
        "--out",
        tmp_path / "outcome",
    ]
    command += ["--description", servable / "dlhub.json", "--folder", tmp_path / "replica"]
    subprocess.run(command, input=codec.pack({"inputs": 5}), check=True, timeout=60)
    _, ok, body, *_ = msgpack.unpackb((tmp_path / "outcome").read_bytes())
    assert (ok, codec.unpack(body)) == (True, 5)


def test_a_model_that_cannot_be_loaded_is_a_typed_failure(python, shim, servable, tmp_path):
    (servable / "model.py").write_text("import no_such_package")
    with Manager(python, shim, servable, tmp_path / "replica") as manager:
        failure = manager.expect(worker.UNLOADABLE)[1]
        assert failure["code"] == worker.LOAD_FAILED
        assert "module 'model' needs the module 'no_such_package'" in failure["message"]
        assert "ModuleNotFoundError" in failure["traceback"]
        assert manager.exit_status() == worker.EXIT_UNLOADABLE
