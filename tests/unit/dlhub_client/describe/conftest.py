from __future__ import annotations

import pytest

from dlhub_client import describe


@pytest.fixture
def model() -> describe.ModelDescription:
    """A description that is valid as it is."""
    anything = describe.argument("python object")
    method = {"input": anything, "output": anything, "method_details": {"module": "app"}}
    made = describe.ModelDescription("Python static method", {"run": method})
    return made.set_name("m").set_title("M").add_text("app.py", "def run(x):\n    return x\n")
