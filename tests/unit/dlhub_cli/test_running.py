from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.dlhub_cli.conftest import Run
from unit.dlhub_client.fake_gateway import FakeGateway

from dlhub_types import picture_files
from proto_msgs.errors import ServableFailed


def fail(inputs: Any, _: Any) -> Any:
    if inputs == 2:
        raise ServableFailed("ValueError: two", details={"traceback": "File model.py, line 1"})
    return inputs


def test_run_prints_the_output_as_json(dlhub: Run, gateway: FakeGateway) -> None:
    result = dlhub("run", "ada/double", "--input", '"ab"')
    assert (result.exit_code, result.stdout, result.stderr) == (0, '"abab"\n', "")


def test_run_sends_json_so_that_json_forms_hold(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.models["ada/double:twice"] = lambda inputs, parameters: parameters["by"]
    dlhub(
        "run", "ada/double", "--input", "[1]", "--parameters", '{"by": "NaN"}', "--method", "twice",
        "--timeout", "5", "--output", "mean", "--output", "deviation",
    )  # fmt: skip
    (seen,) = gateway.posts("/servables/ada/double/methods/twice/run")
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.value == {
        "inputs": [1],
        "parameters": {"by": "NaN"},
        "timeout_s": 5.0,
        "outputs": ["mean", "deviation"],
    }


def test_a_fresh_run_or_map_is_asked_for(dlhub: Run, gateway: FakeGateway) -> None:
    dlhub("run", "ada/double", "--input", "1", "--fresh")
    dlhub("map", "ada/double", "--input", "[1]", "--fresh")
    assert gateway.posts("/servables/ada/double/run")[0].value == {"inputs": 1, "fresh": True}
    assert gateway.posts("/servables/ada/double/map")[0].value["fresh"] is True


def test_a_check_says_what_a_run_would_change(dlhub: Run, gateway: FakeGateway) -> None:
    result = dlhub("check", "ada/double", "--input", '["NaN"]')
    assert (result.exit_code, result.stdout) == (0, "")
    assert "ada/double (version 3, method run) takes it as it is." in result.stderr
    (seen,) = gateway.posts("/servables/ada/double/check")
    assert seen.headers["Content-Type"] == "application/json"
    change = {"path": "inputs[0]", "came": "int", "became": "float", "times": 1, "loses_digits": False}
    gateway.coercions = [change]
    result = dlhub("check", "ada/double", "--input", "[1]", "--method", "twice")
    assert result.stdout == "inputs[0]: int became float\n"
    assert "method twice) takes it with the changes above." in result.stderr
    shown = json.loads(dlhub("check", "ada/double", "--input", "[1]", "--json").stdout)
    assert shown == {"version": 3, "method": "run", "coercions": [change]}


def test_a_check_that_a_run_would_not_pass_fails(dlhub: Run, gateway: FakeGateway) -> None:
    result = dlhub("check", "ada/double", "--input", '"bad"')
    assert result.exit_code == 1
    assert "declared as float, but the str 'bad' came" in result.stderr


def test_input_comes_from_a_file_or_a_pipe(dlhub: Run, gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("[1, 2]")
    assert dlhub("run", "ada/double", "--input", f"@{tmp_path / 'in.json'}").stdout == "[1, 2, 1, 2]\n"
    assert dlhub("run", "ada/double", "--input", "-", stdin="21").stdout == "42\n"


def test_debug_prints_the_metadata_too(dlhub: Run, gateway: FakeGateway) -> None:
    answer = json.loads(dlhub("run", "ada/double", "--input", "1", "--debug").stdout)
    assert answer == {"output": 2, "metadata": {"run_id": "r", "site": "here"}}


def test_async_prints_a_task_that_can_be_waited_for(dlhub: Run, gateway: FakeGateway) -> None:
    started = dlhub("run", "ada/double", "--input", "4", "--async")
    assert started.stdout == "t1\n"
    gateway.finish.set()
    assert dlhub("tasks", "wait", "t1").stdout == "8\n"


def test_a_failing_model_ends_with_its_traceback_and_status_1(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.models["ada/bad"] = fail
    result = dlhub("run", "ada/bad", "--input", "2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ValueError: two\n")
    assert "File model.py, line 1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "ada/double", "--input", "{"),
        ("run", "ada/double", "--input", "NaN"),
        ("run", "ada/double", "--input", "@nowhere.json"),
        ("run", "ada/double", "--input", "1", "--parameters", "[1]"),
        ("run", "ada/double"),
        ("map", "ada/double", "--input", "[1]\n{"),
        ("map", "ada/double", "--input", "[1]", "--on-error", "ignore"),
        ("nonsense",),
    ],
)
def test_wrong_usage_ends_with_status_2(dlhub: Run, arguments: tuple[str, ...]) -> None:
    result = dlhub(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr


def test_map_prints_a_line_per_input(dlhub: Run, gateway: FakeGateway) -> None:
    assert dlhub("map", "ada/double", "--input", "-", stdin="1\n\n2\n3\n").stdout == "2\n4\n6\n"
    assert dlhub("map", "ada/double", "--input", "[1, 2]", "--json").stdout == "[2, 4]\n"


def test_map_stops_at_a_failure_or_returns_it(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.models["ada/bad"] = fail
    stopped = dlhub("map", "ada/bad", "--input", "[1, 2, 3]")
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    assert "inputs[1]" in stopped.stderr
    returned = dlhub("map", "ada/bad", "--input", "[1, 2, 3]", "--on-error", "return")
    lines = returned.stdout.splitlines()
    assert (returned.exit_code, lines[0], lines[2]) == (1, "1", "3")
    assert json.loads(lines[1])["error"]["code"] == "servable_failed"


def test_tasks_are_shown_and_cancelled(dlhub: Run, gateway: FakeGateway) -> None:
    dlhub("run", "ada/double", "--input", "4", "--async")
    assert "queued" in dlhub("tasks", "show", "t1").stdout
    assert dlhub("tasks", "cancel", "t1").exit_code == 0
    assert "was cancelled" in dlhub("tasks", "wait", "t1").stderr


def test_a_task_that_has_ended_is_not_cancelled(dlhub: Run, gateway: FakeGateway) -> None:
    dlhub("run", "ada/double", "--input", "4", "--async")
    gateway.finish.set()
    dlhub("tasks", "wait", "t1")
    late = dlhub("tasks", "cancel", "t1", "--json")
    assert (late.exit_code, json.loads(late.stdout)) == (1, {"id": "t1", "status": "succeeded"})


def test_tasks_are_listed(dlhub: Run, gateway: FakeGateway) -> None:
    gateway.items["/tasks"] = [{"id": "t1", "servable": "ada/x", "status": "queued"}]
    assert dlhub("tasks").stdout == "t1\tada/x\t\t\tqueued\t\n"
    assert json.loads(dlhub("tasks", "ls", "--json").stdout) == gateway.items["/tasks"]


# --- files ---


def describe(gateway: FakeGateway, declared: dict[str, Any]) -> None:
    method = {"input": declared, "output": {"type": "ndarray"}}
    gateway.describe["ada/double"] = {"version": 1, "description": {"servable": {"methods": {"run": method}}}}


def test_a_picture_goes_in_and_a_picture_comes_out(dlhub: Run, gateway: FakeGateway, tmp_path: Path) -> None:
    describe(gateway, {"type": "ndarray", "dtype": "uint8"})
    pixels = np.arange(30, dtype="u1").reshape(5, 6)
    (tmp_path / "in.png").write_bytes(picture_files.write(pixels, "image/png"))

    result = dlhub("run", "ada/double", "--input", f"@{tmp_path}/in.png", "-o", f"{tmp_path}/out.png")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"Wrote {tmp_path}/out.png\n")
    written = (tmp_path / "out.png").read_bytes()
    assert picture_files.read(io.BytesIO(written), "image/png").tolist() == (pixels * 2).tolist()


def test_a_file_that_is_no_json_is_meant_as_it_is(dlhub: Run, gateway: FakeGateway, tmp_path: Path) -> None:
    describe(gateway, {"type": "file"})
    gateway.models["ada/double"] = lambda inputs, _: len(inputs)
    (tmp_path / "in.cif").write_bytes(b"data_")
    assert dlhub("run", "ada/double", "--input", f"@{tmp_path}/in.cif").stdout == "5\n"


def test_json_inputs_keep_their_forms_when_the_output_is_written(
    dlhub: Run, gateway: FakeGateway, tmp_path: Path
) -> None:
    describe(gateway, {"type": "ndarray"})
    gateway.models["ada/double"] = lambda inputs, _: np.array(inputs)
    result = dlhub(
        "run", "ada/double", "--input", "[1, 2]", "--output-file", f"{tmp_path}/out.npy", "--debug"
    )
    (seen,) = gateway.posts("/servables/ada/double/run")
    assert seen.headers["Content-Type"] == "application/json"
    assert np.load(tmp_path / "out.npy").tolist() == [1, 2]
    assert json.loads(result.stdout)["metadata"]["site"] == "here"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--input", "@missing.png"], "missing.png cannot be read"),
        (["--input", "1", "-o", "nowhere/out.npy"], "there is no folder nowhere"),
        (["--input", "1", "-o", "out.npy", "--async"], "--async does not wait"),
    ],
)
def test_what_does_not_go_is_said(
    dlhub: Run, gateway: FakeGateway, arguments: list[str], complaint: str
) -> None:
    result = dlhub("run", "ada/double", *arguments)
    assert result.exit_code != 0
    assert complaint in " ".join(result.stderr.replace("│", " ").split())
    assert gateway.posts("/servables/ada/double/run") == []
