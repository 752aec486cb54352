"""SavedModels on a TensorFlow Serving server that runs already: put there, asked, and taken away.

The server is a double of the real one, in a process of its own; functions stand in for SavedModels.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elsewhere_stage import ARRAY, DOUBLE, described, executing, gone, write_functions, yard
from executor_stage import Stand

from dlhub_task_manager.executors.elsewhere import choice
from dlhub_task_manager.executors.elsewhere.choice import Yard, sweep_forever
from dlhub_task_manager.executors.tensorflow_serving import service
from dlhub_task_manager.site_file import TensorFlowServingTable
from proto_msgs.errors import Unavailable

SOURCE = """
import numpy as np

CALLS = []
FLOAT, ROWS, TEXT = ("DT_FLOAT", [-1]), ("DT_FLOAT", [-1, 2]), ("DT_STRING", [-1])

def rows(x):
    CALLS.append(len(x))
    if (x == 13).any():
        raise ValueError("13 brings bad luck, it\\'s said")
    return {"y": x.sum(axis=1), "calls": np.full(len(x), len(CALLS), "int64")}

def combine(z, x):
    return {"difference": z - x, "a_sum": z + x}

def shout(text):
    return {"loud": np.array([t.upper() for t in text], object), "raw_bytes": text}

SIGNATURES = {
    "serving_default": ({"x": ROWS}, {"y": FLOAT, "calls": ("DT_INT64", [-1])}, rows),
    "combine": ({"z": FLOAT, "x": FLOAT}, {"difference": FLOAT, "a_sum": FLOAT}, combine),
    "shout": ({"text": TEXT}, {"loud": TEXT, "raw_bytes": TEXT}, shout),
}
"""
FLOATS = ARRAY | {"shape": [None]}
ROWS = ARRAY | {"shape": [None, 2]}
TEXTS = {"type": "list", "item_type": "string"}
COUNTS = {"type": "ndarray", "dtype": "int64", "shape": [None]}


def _dict(**properties: Any) -> dict[str, Any]:
    return {"type": "dict", "properties": properties}


METHODS = {
    "run": {"input": ROWS, "output": _dict(y=FLOATS, calls=COUNTS), "vectorised": True},
    "combine": {"input": _dict(x=FLOATS, z=FLOATS), "output": _dict(a_sum=FLOATS, difference=FLOATS)},
    "shouted": {
        "input": TEXTS,
        "output": _dict(loud=TEXTS, raw_bytes=TEXTS),
        "method_details": {"signature": "shout"},
    },
}
THEIRS = '# by hand\nmodel_config_list {\n  config { name: "theirs" base_path: "%s" }\n}\n'


@dataclass
class Server:
    """A server that runs already, with a model of somebody else's."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "models.config"

    def table(self, **more: Any) -> TensorFlowServingTable:
        return TensorFlowServingTable(url=self.url, models=self.folder / "models", config=self.config, **more)

    def models(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "models").iterdir())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    theirs = folder / "models" / "theirs"
    theirs.parent.mkdir(parents=True)
    (write_functions(tmp_path / "source", SOURCE) / "model").rename(theirs)
    (theirs / "1").mkdir()
    (theirs / "functions.py").rename(theirs / "1" / "functions.py")
    (folder / "models.config").write_text(THEIRS % theirs)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, str(DOUBLE), f"--rest_api_port={port}"),
        f"--model_config_file={folder / 'models.config'}",
        "--model_config_file_poll_wait_seconds=0.05",
    ]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the double does not answer"
                time.sleep(0.02)
        yield Server(folder, f"http://127.0.0.1:{port}", process)
        process.kill()


@pytest.fixture
def site(tmp_path: Path, server: Server) -> Yard:
    return yard(tmp_path, tensorflow_serving=server.table())


@pytest.fixture
async def stand(tmp_path: Path, site: Yard) -> AsyncIterator[Stand]:
    write_functions(tmp_path, SOURCE)
    async with executing("tensorflow-serving", tmp_path, site, described(METHODS)) as stand:
        yield stand


def value(outcome: tuple[Any, ...]) -> Any:
    """An output with lists in place of arrays."""
    ok, output, *_ = outcome
    assert ok, output
    return {name: np.asarray(part.numpy() if hasattr(part, "numpy") else part).tolist()
            for name, part in output.items()}  # fmt: skip


async def test_runs_of_a_vectorised_method_are_one_predict_call(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    runs = {f"r{n}": np.full((n + 1, 2), n, "float32") for n in range(5)}
    outcomes = await stand.answer(replica_id, "run", **runs)
    assert value(outcomes["r2"]) == {"y": [4, 4, 4], "calls": [1, 1, 1]}
    assert {calls for outcome in outcomes.values() for calls in value(outcome)["calls"]} == {1}


async def test_the_culprit_of_a_joint_call_fails_alone_with_the_servers_words(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    runs = {f"r{n}": np.full((1, 2), n, "float32") for n in (11, 12, 13, 14)}
    outcomes = await stand.answer(replica_id, "run", **runs)
    assert [run_id for run_id, outcome in outcomes.items() if not outcome[0]] == ["r13"]
    why = outcomes["r13"][1]
    assert why["code"] == "servable_failed"
    assert "TensorFlow Serving answered 400: 13 brings bad luck, it\\'s said" in why["message"]


async def test_signatures_are_methods_and_all_goes_by_name(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    given = {"x": np.array([3], "float32"), "z": np.array([5], "float32")}
    combined = (await stand.answer(replica_id, "combine", a=given))["a"]
    assert value(combined) == {"a_sum": [8], "difference": [2]}
    shouted = (await stand.answer(replica_id, "shouted", b=["ä", "b"]))["b"]
    assert value(shouted) == {"loud": ["ä".encode().upper().decode(), "B"], "raw_bytes": ["ä", "b"]}


async def test_an_input_that_the_signature_does_not_take_is_named(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    flat = (await stand.answer(replica_id, "run", a=np.zeros(2, "float32")))["a"]
    assert (flat[0], flat[1]["code"]) == (False, "input_mismatch")
    assert "shape [2]; the model takes [any, 2]" in flat[1]["message"]


async def test_undeploying_leaves_nothing_behind(tmp_path: Path, server: Server, site: Yard) -> None:
    before = server.config.read_text()
    write_functions(tmp_path, SOURCE)
    async with executing("tensorflow-serving", tmp_path, site, described(METHODS)) as stand:
        await stand.replica()
        (name,) = [name for name in server.models() if name != "theirs"]
        assert (server.folder / "models" / name / "3" / "functions.py").exists()
        assert name in server.config.read_text()
    assert server.models() == ["theirs"]
    assert server.config.read_text() == before
    assert not list(server.folder.glob("*.lock"))


async def test_what_a_crash_has_left_is_removed_at_the_next_start(
    tmp_path: Path, server: Server, site: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = server.config.read_text()
    write_functions(tmp_path, SOURCE)
    async with executing("tensorflow-serving", tmp_path, site, described(METHODS)) as stand:
        await stand.replica()
        (name,) = [name for name in server.models() if name != "theirs"]
        home = tmp_path / "tm" / "tensorflow_serving" / site.marks.take("of-our-own-server")
        home.mkdir(parents=True)
        after_crash = yard(tmp_path, tensorflow_serving=server.table())
        monkeypatch.setattr(choice, "SWEEP_S", 0.05)
        await choice._sweep("tensorflow-serving", site)
        assert name in server.models()  # somebody looks after it
        sweeping = asyncio.ensure_future(sweep_forever(after_crash))
        await gone(lambda: [one for one in server.models() if one != "theirs"])
        await gone(lambda: home.exists())
        await gone(lambda: server.config.read_text() != before)
        sweeping.cancel()


async def test_a_server_that_does_not_read_its_configuration_is_named(tmp_path: Path, server: Server) -> None:
    elsewhere = tmp_path / "other.config"
    table = server.table(load_timeout_s=0.2).model_copy(update={"config": elsewhere})
    write_functions(tmp_path, SOURCE)
    site = yard(tmp_path, tensorflow_serving=table)
    async with executing("tensorflow-serving", tmp_path, site, described(METHODS)) as stand:
        replica_id = await stand.executor.launch(stand.listen)
        async with asyncio.timeout(10):
            while replica_id not in (words := await stand.executor.ended()):
                await asyncio.sleep(0.02)
        assert f"seems not to read {elsewhere}" in words[replica_id]
        assert "--model_config_file_poll_wait_seconds" in words[replica_id]


async def test_a_server_that_is_not_there_is_named(tmp_path: Path, server: Server, site: Yard) -> None:
    server.process.kill()
    server.process.wait()
    write_functions(tmp_path, SOURCE)
    async with executing("tensorflow-serving", tmp_path, site, described(METHODS)) as stand:
        with pytest.raises(Unavailable, match=rf"server at {server.url} does not answer"):
            await stand.executor.launch(stand.listen)


async def test_a_model_that_was_unloaded_by_others_is_missed_and_put_back(
    stand: Stand, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.TensorFlowServing, "look_s", 0.1)
    _, heard = await stand.replica()
    server.config.write_text("model_config_list {}\n")
    await heard.until(lambda: heard.gone)
    again, _ = await stand.replica()
    assert value((await stand.answer(again, "run", a=np.ones((1, 2), "float32")))["a"])["y"] == [2]


async def test_other_types_of_servable_are_refused_with_what_to_do(tmp_path: Path, site: Yard) -> None:
    write_functions(tmp_path, SOURCE)
    description = described(METHODS, "Keras Model")
    async with executing("tensorflow-serving", tmp_path, site, description) as stand:
        heard = stand.heard[await stand.executor.launch(stand.listen)]
        await heard.until(lambda: heard.why)
    assert "of type 'Keras Model'" in heard.why["message"]
    assert "'parsl'" in heard.why["message"]


async def test_a_signature_that_there_is_not_is_named_with_those_there_are(
    tmp_path: Path, site: Yard
) -> None:
    write_functions(tmp_path, SOURCE)
    methods = METHODS | {"sing": {"input": FLOATS, "output": FLOATS}}
    async with executing("tensorflow-serving", tmp_path, site, described(methods)) as stand:
        heard = stand.heard[await stand.executor.launch(stand.listen)]
        await heard.until(lambda: heard.why)
    assert "combine, serving_default, shout" in heard.why["message"]


async def test_a_site_without_the_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with executing("tensorflow-serving", tmp_path, yard(tmp_path), described()):
            pass
    (why,) = raised.value.exceptions
    assert isinstance(why, Unavailable)
    assert "no table [tensorflow_serving]" in str(why)
