"""The smallest servable: its description is valid and names a function that answers."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from proto_msgs.description import Description

FOLDER = Path(__file__).parents[3] / "examples" / "noop"


@pytest.fixture
def description() -> Description:
    return Description.model_validate(json.loads((FOLDER / "dlhub.json").read_text()))


def test_it_is_public_and_called_noop(description: Description) -> None:
    assert description.dlhub.name == "noop"
    assert description.dlhub.visible_to == ("public",)


@pytest.mark.parametrize("inputs", [None, "x", {"a": [1]}])
def test_it_greets_whatever_comes(description: Description, inputs: object) -> None:
    details = description.servable.methods["run"].method_details
    function = runpy.run_path(str(FOLDER / f"{details.module}.py"))[details.method_name]
    assert function(inputs) == "Hello World"


def test_it_declares_that_anything_may_come(description: Description) -> None:
    assert description.servable.methods["run"].input.type == "python object"
