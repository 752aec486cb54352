"""The pure parts of scenarios, and that every scenario can be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest import scenarios
from loadtest.__main__ import expand, read_arguments
from loadtest.broker import Queues, count
from loadtest.models import LIGHT, NOOP, WAITS, changed
from loadtest.peers import PEERS, SERVERS
from loadtest.processes import is_worker_of
from loadtest.replica_host import WAIT_S
from loadtest.scenarios.coldstart import replaced
from loadtest.scenarios.scaling import METHODS, gains_end, runs_for
from loadtest.scenarios.soak import Course, judged_part
from proto_msgs.description import Description


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_every_scenario_has_the_same_shape(name: str) -> None:
    found = scenarios.find(name)
    assert found.name == name
    assert found.title
    assert callable(found.measure)


def test_an_unknown_scenario_is_an_error() -> None:
    with pytest.raises(KeyError):
        scenarios.find("nonsense")


def test_names_on_the_command_line() -> None:
    assert expand(["soak", "latency"]) == ["latency", "soak"]
    assert set(scenarios.NAMES) - set(expand(["bench"])) == {"latency", "scaling_alone", "autoscale"}
    assert expand(["all"]) == list(scenarios.NAMES)
    assert expand(["redraw", "latency"]) == ["redraw"]


def test_options_on_the_command_line() -> None:
    options, names = read_arguments(["scaling", "--site", "lab", "--out", "x", "--most-replicas", "8"])
    assert names == ["scaling"]
    assert (options.site, options.out, options.most_replicas) == ("lab", Path("x"), 8)
    assert not options.short
    assert options.effort.rounds > read_arguments(["scaling", "--short"])[0].effort.rounds


def test_a_word_too_many_ends_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["nonsense"])
    assert "nonsense" in capsys.readouterr().err


def test_runs_that_wait_are_as_many_as_fit_the_time() -> None:
    assert runs_for(1, 0.0, 2.0) == 10_000
    assert runs_for(1, 0.1, 2.0) == 20
    assert runs_for(64, 0.1, 2.0) == 1280
    assert runs_for(512, 0.01, 2.0) == 10_000
    assert runs_for(64, 1.0, 2.0) == 256  # four for each


def test_gains_end_where_more_replicas_bring_nothing() -> None:
    assert gains_end({1: 100, 2: 200, 4: 390, 8: 400, 16: 380}) == 4
    assert gains_end({1: 100}) == 1
    assert gains_end({1: 100, 2: 150, 4: 300}) == 4


def test_a_published_description_is_valid_and_light() -> None:
    for folder in (WAITS.folder, NOOP.folder, *WAITS.folder.parent.iterdir()):
        text = (folder / "dlhub.json").read_text()
        description = Description.model_validate_json(text)
        own = changed(description.model_dump(mode="json"), "other", {"deterministic": True})
        again = Description.model_validate(own)
        assert again.dlhub.name == "other"
        assert again.servable.resources.cores == LIGHT["cores"]
        assert all(method.deterministic for method in again.servable.methods.values())


def test_hosted_replicas_know_the_methods_that_are_scaled() -> None:
    assert METHODS.items() <= WAIT_S.items()
    declared = Description.model_validate_json((WAITS.folder / "dlhub.json").read_text())
    assert declared.servable.methods.keys() == WAIT_S.keys()


def test_options_of_a_command_are_replaced() -> None:
    command = ["python", "run_worker.py", "--endpoint", "a", "--folder", "b"]
    assert replaced(command, {"--folder": "c"}) == [
        "python",
        "run_worker.py",
        "--endpoint",
        "a",
        "--folder",
        "c",
    ]


def test_workers_are_known_by_what_they_serve(tmp_path: Path) -> None:
    command = ["python", "/shim/run_worker.py", "--description", str(tmp_path / "x" / "dlhub.json")]
    assert is_worker_of(command, tmp_path)
    assert not is_worker_of(command, tmp_path / "other")
    assert not is_worker_of(["python", "-m", "dlhub_gateway"], tmp_path)


def test_the_last_two_thirds_are_judged() -> None:
    course = Course(at_s=[0.0, 10.0, 20.0, 30.0], resident_mb=[1.0, 2.0, 3.0, 4.0], files=[1, 1, 1, 1])
    assert judged_part(course) == ([10.0, 20.0, 30.0], [2.0, 3.0, 4.0])


def test_queues_are_counted() -> None:
    assert count("{ok, [[{messages,0}],[{messages,3}],\n [{messages,0}]]}") == Queues(3, 3)
    assert count("{ok, []}") == Queues(0, 0)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: str(peer.name))
def test_a_peer_s_command_is_complete(peer: object) -> None:
    assert peer in PEERS
    words = PEERS[PEERS.index(peer)].words(8080)  # type: ignore[arg-type]
    assert not any("{" in word for word in words)
    ours = [Path(word) for word in words if word.startswith(str(SERVERS))]
    assert all(path.exists() for path in ours)


def test_a_peer_gets_nothing_that_is_meant_for_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_TOKEN", "secret")
    variables = PEERS[1].all_variables(8080)
    assert "DLHUB_TOKEN" not in variables
    assert variables["MLSERVER_HTTP_PORT"] == "8080"
