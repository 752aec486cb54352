from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_cli.conftest import Run
from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway

from dlhub_cli.logs import _Reader, added
from dlhub_client import DLHubClient
from dlhub_embedded import background, supervisor
from dlhub_embedded.errors import MissingPrerequisite
from dlhub_embedded.events import Event, EventKind
from dlhub_embedded.home import Home
from dlhub_embedded.identity import identify
from dlhub_embedded.settings import Settings
from dlhub_embedded.state import PartRecord, Phase, State
from proto_msgs.errors import NotFound


def running_home(path: Path, url: str = "http://127.0.0.1:1", token: str = TOKEN) -> Home:
    """The folder of a hub whose supervisor is this very process."""
    home = Home(path)
    home.make()
    home.token_file.write_text(token)
    me = identify(os.getpid())
    assert me
    part = PartRecord(name="gateway", kind="service", phase=Phase.READY, identity=me, ports={"http": 1})
    home.write_state(
        State(supervisor=me, phase=Phase.READY, url=url, started_at_s=time.time(), parts=(part,))
    )
    return home


class Started:
    """What `up` and `detach` were called with."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.settings: Settings | None = None

    def detach(self, path: Path, settings: Settings, on_event: Any) -> None:
        self.path, self.settings = path, settings
        on_event(Event(kind=EventKind.STARTING, part="mongod"))
        on_event(Event(kind=EventKind.READY, message="http://127.0.0.1:8420"))

    async def up(self, path: Path, settings: Settings, on_event: Any) -> None:
        Home(path).make()
        self.detach(path, settings, on_event)


def test_up_prints_address_token_curl_and_how_to_stop(
    dlhub: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = Started()
    monkeypatch.setattr(supervisor, "up", started.up)
    result = dlhub("up", "--home", str(tmp_path / "h"), "--port", "8421")
    assert result.exit_code == 0
    token = Home(tmp_path / "h").admin_token()
    assert "http://127.0.0.1:8420" in result.stdout
    assert f"DLHUB_TOKEN={token}" in result.stdout
    assert "curl " in result.stdout
    assert "Ctrl-C" in result.stdout
    assert "Starting mongod" in result.stderr
    assert started.settings
    assert started.settings.gateway_port == 8421


def test_up_detached_prints_json(dlhub: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = running_home(tmp_path / "home")
    monkeypatch.setattr(background, "detach", Started().detach)
    result = dlhub("up", "--detach", "--json")
    assert json.loads(result.stdout) == {
        "url": "http://127.0.0.1:8420",
        "token": home.admin_token(),
        "home": str(tmp_path / "home"),
    }
    assert result.stderr == ""


def test_what_is_missing_is_one_error(dlhub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def detach(*_: Any) -> None:
        raise MissingPrerequisite("RabbitMQ is not installed. Install it: apt-get install rabbitmq-server")

    monkeypatch.setattr(background, "detach", detach)
    result = dlhub("up", "--detach")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: RabbitMQ is not installed")


def test_status_tells_parts_and_fails_unless_ready(dlhub: Run, tmp_path: Path) -> None:
    stopped = dlhub("status", "--json")
    assert (stopped.exit_code, json.loads(stopped.stdout)["phase"]) == (1, "stopped")
    running_home(tmp_path / "home")
    ready = dlhub("status")
    assert ready.exit_code == 0
    assert ready.stdout.startswith("ready at http://127.0.0.1:1")
    assert "gateway\tready" in ready.stdout


def test_down_says_when_there_was_nothing(dlhub: Run) -> None:
    assert "No hub was running" in dlhub("down").stderr
    assert json.loads(dlhub("down", "--json").stdout)["stopped"] is False


def test_the_administrators_token_needs_no_running_hub(dlhub: Run, tmp_path: Path) -> None:
    assert dlhub("token").exit_code == 1
    running_home(tmp_path / "other", token="dlh_admin")
    assert dlhub("token", "--home", str(tmp_path / "other")).stdout == "dlh_admin\n"


def test_a_token_for_another_user_is_made_by_the_hub(
    dlhub: Run, gateway: FakeGateway, tmp_path: Path
) -> None:
    assert "not running" in dlhub("token", "--user", "bob").stderr
    running_home(tmp_path / "home", gateway.url)
    assert dlhub("token", "--user", "bob", "--label", "ci").stdout == "dlh_new\n"
    assert gateway.posts("/tokens")[0].value == {"user": "bob", "label": "ci"}
    assert dlhub("token", "--user", "ada").stdout == f"{TOKEN}\n"


def test_a_hub_that_runs_here_needs_no_address(
    dlhub: Run, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DLHUB_URL")
    monkeypatch.delenv("DLHUB_TOKEN")
    running_home(tmp_path / "home", gateway.url)
    assert dlhub("whoami").exit_code == 0


def test_logs_of_services_are_printed(dlhub: Run, tmp_path: Path) -> None:
    home = running_home(tmp_path / "home")
    home.log("gateway").write_text("one\ntwo\n")
    home.log("catalog").write_text("three\n")
    assert dlhub("logs", "gateway").stdout == "one\ntwo\n"
    assert dlhub("logs").stdout == "catalog: three\ngateway: one\ngateway: two\n"
    assert json.loads(dlhub("logs", "catalog", "--json").stdout) == {"service": "catalog", "text": "three"}
    unknown = dlhub("logs", "kitchen")
    assert unknown.exit_code == 2
    assert "catalog, gateway" in unknown.stderr.replace("\n", " ")


def test_logs_of_replicas_are_printed(dlhub: Run, gateway: FakeGateway) -> None:
    replica = {"replica_id": "0123456789", "version": 1, "state": "ready", "stdout": "hi\n", "stderr": "oh\n"}
    silent = [{"site": "far", "detail": "no answer"}]
    gateway.documents["/servables/ada/m/logs"] = {"replicas": [replica], "unanswered": silent}
    result = dlhub("logs", "ada/m")
    assert result.stdout == "01234567 stdout: hi\n01234567 stderr: oh\n"
    assert "far did not answer" in result.stderr
    assert json.loads(dlhub("logs", "ada/m", "--json").stdout)["replicas"] == [replica]


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [("", "a\n", "a\n"), ("a\n", "a\nb\n", "b\n"), ("x\na\n", "a\nb\n", "a\nb\n"), ("a", "a", "")],
)
def test_only_what_is_new_is_shown(before: str, now: str, new: str) -> None:
    assert added(before, now) == new


def test_a_growing_log_gives_each_whole_line_once(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\ntw")
    reader = _Reader(path)
    assert list(reader.lines()) == ["one"]
    path.write_text("one\ntwo\nthree\n")
    assert list(reader.lines()) == ["two", "three"]
    path.write_text("new\n")
    assert list(reader.lines()) == ["new"]


def test_following_replicas_shows_only_what_is_new(
    dlhub: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = {"replica_id": "0123456789", "version": 1, "state": "ready", "stdout": "hi\n", "stderr": ""}
    answers = [{"replicas": []}, {"replicas": [replica]}, {"replicas": [{**replica, "stdout": "hi\nho\n"}]}]
    monkeypatch.setattr("dlhub_cli.logs._LOOK_AGAIN_S", 0)

    def logs(_: Any, __: str) -> Any:
        if not answers:
            raise NotFound("the servable was removed")
        return answers.pop(0)

    monkeypatch.setattr(DLHubClient, "logs", logs)
    result = dlhub("logs", "ada/m", "--follow", "--json")
    texts = [json.loads(line)["text"] for line in result.stdout.splitlines()]
    assert (texts, result.exit_code) == (["hi", "ho"], 1)


def test_the_command_itself_runs_quickly_and_quietly(gateway: FakeGateway) -> None:
    command = [sys.executable, "-W", "error", "-c", "from dlhub_cli.main import main; main()"]
    run = [*command, "run", "ada/double", "--input", "-"]
    ended = subprocess.run(run, input="21", capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "42\n", "")
    heavy = "import sys, dlhub_cli.main; print([m for m in ('aiohttp', 'numpy', 'rich') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_help_and_version(dlhub: Run) -> None:
    assert "publish" in dlhub("--help").stdout
    assert dlhub("--version").stdout.startswith("dlhub ")


def test_a_fault_of_our_own_is_one_line_unless_a_traceback_is_wanted(
    dlhub: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(background, "detach", broken)
    result = dlhub("up", "--detach")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "fault of the command" in result.stderr
    assert isinstance(dlhub("--traceback", "up", "--detach").exception, KeyError)
