"""Descriptions of pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import describe
from dlhub_client.errors import Malformed
from dlhub_client.upload import prepared


def test_names_lists_and_steps_are_steps() -> None:
    shift = describe.step("ada/add@2", method="shift", parameters={"n": 3}, name="shift")
    mean = describe.step(["ada/forest", "ada/network"], combine="mean")
    made = describe.pipeline(
        ["ada/clean", ["ada/a", "bob/b"], shift, mean],
        name="p", title="A pipeline", creators="Lovelace, Ada",
    )  # fmt: skip
    document = made.to_dict()
    assert document["servable"] == {
        "type": "Pipeline",
        "methods": {},
        "steps": [
            {"servable": "ada/clean"},
            {"servable": ["ada/a", "bob/b"]},
            {"servable": "ada/add@2", "method": "shift", "parameters": {"n": 3}, "name": "shift"},
            {"servable": ["ada/forest", "ada/network"], "combine": "mean"},
        ],
    }
    assert document["dlhub"]["name"] == "p"


def test_types_may_be_declared() -> None:
    number = describe.argument("number")
    made = describe.pipeline(["ada/a"], inputs=number, outputs=number, name="p", title="P")
    made.set_input_description("what goes in")
    run = made.to_dict()["servable"]["methods"]["run"]
    assert (run["input"]["description"], run["output"]["type"]) == ("what goes in", "number")


@pytest.mark.parametrize(
    ("steps", "more", "said"),
    [
        ([], {}, "needs steps"),
        ([[]], {}, r"steps\[0\] is \[\]"),
        (["ada/a", 3], {}, r"steps\[1\] is 3"),
        (["ada/a"], {"inputs": {"type": "number"}}, "both inputs and outputs"),
    ],
)
def test_what_is_no_pipeline_is_refused(steps: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        describe.pipeline(steps, **more)


def test_a_bad_name_is_said_when_it_is_written() -> None:
    with pytest.raises(Malformed, match="steps"):
        describe.pipeline(["no name"], name="p", title="P").to_dict()


async def test_it_is_published_like_any_other(tmp_path: Path) -> None:
    made = describe.pipeline(["ada/a"], name="p", title="P")
    folder = made.write(tmp_path / "p")
    for model in (made, folder):
        async with prepared(model, None) as upload:
            assert json.loads(upload.metadata) == made.to_dict()
            assert upload.archive.stat().st_size > 0
