from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from unit.dlhub_cli.conftest import Run
from unit.dlhub_client.fake_gateway import Build, FakeGateway


@pytest.fixture
def folder(tmp_path: Path, dlhub: Run) -> Path:
    folder = tmp_path / "model"
    assert dlhub("init", str(folder), "--author", "Lovelace, Ada").exit_code == 0
    (folder / "app.py").write_text("def predict(x):\n    return x\n")
    return folder


@pytest.mark.parametrize("kind", ["static_method", "class_method", "sklearn"])
def test_init_writes_a_description_that_is_valid(dlhub: Run, tmp_path: Path, kind: str) -> None:
    result = dlhub("init", str(tmp_path / "m"), "--type", kind, "--title", "T", "--json")
    assert json.loads(result.stdout) == {"path": str(tmp_path / "m" / "dlhub.json")}
    shown = dlhub("describe", str(tmp_path / "m"), "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["datacite"]["titles"] == [{"title": "T"}]
    assert "_comment" not in shown.stdout


def test_init_asks_when_told_to(dlhub: Run, tmp_path: Path) -> None:
    dlhub("init", str(tmp_path), "--interactive", stdin="mine\nMy title\nLovelace, Ada\n")
    document = json.loads((tmp_path / "dlhub.json").read_text())
    assert document["dlhub"]["name"] == "mine"
    assert document["datacite"]["creators"] == [{"name": "Lovelace, Ada"}]


def test_init_replaces_nothing_unless_forced(dlhub: Run, folder: Path) -> None:
    assert dlhub("init", str(folder)).exit_code == 2
    assert dlhub("init", str(folder), "--force").exit_code == 0


def test_init_knows_its_types(dlhub: Run, tmp_path: Path) -> None:
    assert "static_method" in dlhub("init", str(tmp_path / "m"), "--type", "magic").stderr


def test_publish_prints_the_exact_name(dlhub: Run, gateway: FakeGateway, folder: Path) -> None:
    result = dlhub("publish", "--local", str(folder))
    assert (result.exit_code, result.stdout) == (0, "ada/model@1\n")
    assert "dlhub run ada/model" in result.stderr


def test_publish_prints_json(dlhub: Run, gateway: FakeGateway, folder: Path) -> None:
    answer = json.loads(dlhub("publish", "--local", str(folder), "--json").stdout)
    assert (answer["servable"], answer["version"], answer["created"]) == ("ada/model", 1, True)


def test_publish_need_not_wait(dlhub: Run, gateway: FakeGateway, folder: Path) -> None:
    gateway.build = Build(status="building", endless=True)
    result = dlhub("publish", "--local", str(folder), "--no-wait")
    assert "dlhub logs --build b1 -f" in result.stderr


def test_publishing_the_same_again_says_so(dlhub: Run, gateway: FakeGateway, folder: Path) -> None:
    gateway.known_already = True
    assert "before" in dlhub("publish", "--local", str(folder)).stderr


def test_a_failed_build_is_explained(dlhub: Run, gateway: FakeGateway, folder: Path) -> None:
    failure = {"code": "build_failed", "message": "no such package: nunpy", "details": {"step": "lock"}}
    gateway.build = Build(status="failed", failure=failure)
    result = dlhub("publish", "--local", str(folder))
    assert result.exit_code == 1
    assert "step 'lock': no such package: nunpy" in result.stderr


def test_the_log_of_a_build_is_printed(dlhub: Run, gateway: FakeGateway) -> None:
    expected = "[extract] 2 files\n[lock] numpy\n"
    assert dlhub("logs", "--build", "b1", "-f").stdout == expected
    assert dlhub("builds", "logs", "b1", "-f").stdout == expected
    first = dlhub("logs", "--build", "b1", "--json").stdout.splitlines()[0]
    assert json.loads(first) == {"seq": 0, "at": 0.0, "step": "extract", "text": "2 files"}


def test_builds_are_listed_shown_and_cancelled(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.items["/builds"] = [{"build_id": "b1", "servable": "ada/x", "version": 1, "status": "building"}]
    assert dlhub("builds").stdout.startswith("b1\tada/x\t1\tbuilding")
    assert "succeeded" in dlhub("builds", "show", "b1").stdout
    assert dlhub("builds", "cancel", "b1").exit_code == 0
    assert gateway.seen[-1].method == "DELETE"


# --- init from a model's file ---


def _estimator(folder: Path) -> Path:
    path = folder / "iris.pkl"
    rows = [[0.0, 1.0], [1.0, 0.0], [0.9, 0.1], [0.1, 0.9]]
    path.write_bytes(pickle.dumps(LogisticRegression().fit(rows, [0, 1, 1, 0])))
    return path


def test_init_describes_a_models_file(dlhub: Run, tmp_path: Path) -> None:
    path = _estimator(tmp_path)
    done = dlhub("init", str(path), "--title", "Iris", "--author", "Fisher, Ronald")
    assert done.exit_code == 0, done.stderr
    assert "Scikit-learn estimator (pickle)" in done.stderr
    document = json.loads((tmp_path / "dlhub.json").read_text())
    assert document["dlhub"]["files"] == {"model": "iris.pkl"}
    assert document["servable"]["methods"]["run"]["input"]["shape"] == [None, 2]
    assert document["datacite"]["creators"][0]["familyName"] == "Fisher"
    assert "ndarray[any, 2] of float" in dlhub("describe", str(tmp_path)).stdout
    assert dlhub("init", str(path)).exit_code == 2  # it is there already
    assert json.loads(dlhub("init", str(path), "--force", "--json").stdout) == {
        "path": str(tmp_path / "dlhub.json")
    }


def test_init_says_that_nobody_is_named(dlhub: Run, tmp_path: Path) -> None:
    assert '--author "Family, Given"' in dlhub("init", str(_estimator(tmp_path))).stderr


def test_init_describes_the_function_of_a_module(dlhub: Run, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("def twice(x: float) -> float:\n    return 2 * x\n\n\ndef _inner() -> None: ...\n")
    assert dlhub("init", str(path)).exit_code == 0
    method = json.loads((tmp_path / "dlhub.json").read_text())["servable"]["methods"]["run"]
    assert (method["input"]["type"], method["method_details"]["method_name"]) == ("float", "twice")
    path.write_text("def one(x): ...\ndef two(x): ...\n")
    assert "has the functions one, two" in dlhub("init", str(path), "--force").stderr
    assert dlhub("init", str(path), "--force", "--function", "two").exit_code == 0


def test_init_takes_declarations_that_the_file_does_not_hold(dlhub: Run, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("def twice(x):\n    return 2 * x\n")
    declared = {"type": "integer", "minimum": 1}
    assert dlhub("init", str(path), "--inputs", json.dumps(declared)).exit_code == 0
    method = json.loads((tmp_path / "dlhub.json").read_text())["servable"]["methods"]["run"]
    assert declared.items() <= method["input"].items()


def test_init_refuses_a_file_that_is_no_model(dlhub: Run, tmp_path: Path) -> None:
    path = tmp_path / "notes.bin"
    path.write_bytes(b"nothing of the kind")
    refused = dlhub("init", str(path))
    assert refused.exit_code == 1
    assert "SavedModel" in refused.stderr
    assert not (tmp_path / "dlhub.json").exists()


def test_init_never_runs_what_is_in_a_file(dlhub: Run, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (marker,))

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Trap()))
    dlhub("init", str(path), "--inputs", '{"type": "float"}', "--outputs", '{"type": "float"}')
    assert not marker.exists()
