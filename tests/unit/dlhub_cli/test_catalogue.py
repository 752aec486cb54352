from __future__ import annotations

import json

from unit.dlhub_cli.conftest import Run
from unit.dlhub_client.fake_gateway import FakeGateway

RUN = {
    "input": {"type": "ndarray", "shape": [None, 4], "item_type": {"type": "float"}},
    "output": {"type": "list", "item_type": {"type": "string"}, "description": "names"},
    "parameters": {"top": 3},
    "method_details": {"module": "m"},
}
RECORD = {
    "name": "ada/iris",
    "version": 2,
    "description": {
        "datacite": {"titles": [{"title": "Iris"}], "creators": [{"name": "Fisher, Ronald"}]},
        "dlhub": {"name": "iris"},
        "servable": {"type": "Scikit-learn estimator", "methods": {"run": RUN}},
    },
}


def test_search_and_ls_print_columns(dlhub: Run, gateway: FakeGateway) -> None:
    item = {"name": "ada/iris", "version": 2, "title": "Iris", "type": "T", "status": "ready"}
    gateway.items["/servables"] = [item]
    assert dlhub("search", "iris", "flower", "--owner", "ada").stdout == "ada/iris\t2\tIris\tT\tready\n"
    assert gateway.seen[-1].query["q"] == "iris flower"
    assert json.loads(dlhub("ls", "--json").stdout) == [item]


def test_describe_shows_what_a_servable_is(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.describe["ada/iris"] = RECORD
    text = dlhub("describe", "ada/iris").stdout
    assert "Fisher, Ronald" in text
    assert "input      ndarray[any, 4] of float\n" in text
    assert "output     list of string: names\n" in text
    assert json.loads(dlhub("describe", "ada/iris", "--json").stdout) == RECORD


def test_methods_are_shown(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.describe["ada/iris"] = RECORD
    assert dlhub("methods", "ada/iris").stdout.startswith("run\tndarray")
    assert "method_details" not in dlhub("methods", "ada/iris", "run", "--json").stdout
    assert dlhub("methods", "ada/iris", "train").exit_code == 1


def test_deployments_are_shown_added_and_removed(dlhub: Run, gateway: FakeGateway) -> None:
    path = "/servables/ada/iris/deployments"
    gateway.documents[path] = {"deployments": [{"site": "here", "min_replicas": 1}]}
    assert dlhub("deploy", "ada/iris").stdout.startswith("here\t\t1")
    answer = json.loads(dlhub("deploy", "ada/iris", "--min", "2", "--json").stdout)
    assert answer == [{"site": "here", "min_replicas": 1}, {"min_replicas": 2}]
    assert json.loads(dlhub("deploy", "ada/iris", "--default", "--json").stdout) == []


def test_deploy_names_an_executor_that_there_is(dlhub: Run, gateway: FakeGateway) -> None:
    path = "/servables/ada/iris/deployments"
    gateway.documents[path] = {"deployments": []}
    answer = json.loads(dlhub("deploy", "ada/iris", "--executor", "htex", "--json").stdout)
    assert answer == [{"executor": "htex"}]
    refused = dlhub("deploy", "ada/iris", "--executor", "magic")
    assert refused.exit_code == 2
    assert "'parsl', 'htex', 'ipp'" in refused.output


def test_scale_changes_what_is_named(dlhub: Run, gateway: FakeGateway) -> None:
    path = "/servables/ada/iris/deployments"
    gateway.documents[path] = {"deployments": [{"site": "here", "min_replicas": 1, "idle_s": 5}]}
    answer = json.loads(dlhub("scale", "ada/iris", "--min", "0", "--max", "4", "--json").stdout)
    assert answer == [{"site": "here", "min_replicas": 0, "idle_s": 5, "max_replicas": 4}]
    assert dlhub("scale", "ada/iris").exit_code == 2


def test_sites_and_dead_letters(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.items["/sites"] = [{"site": "here", "environment_kinds": ["venv"], "replicas": 2}]
    gateway.items["/dead-letters"] = [{"letter_id": "r1", "reason": "worker lost"}]
    assert dlhub("sites", "ls").stdout == "here\tvenv\t\t2\t\n"
    assert dlhub("dead-letters", "ls").stdout == "r1\t\t\t\tworker lost\n"
    assert dlhub("dead-letters", "requeue", "r1").exit_code == 0
    assert len(gateway.posts("/dead-letters/r1/requeue")) == 1
