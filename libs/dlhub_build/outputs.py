"""What an example gave, held against what the description says that it gives."""

from __future__ import annotations

from typing import Any

from dlhub_types import compile_argument
from dlhub_types.likeness import difference
from dlhub_types.method_checks import OutputCheck
from proto_msgs.description import Method


def check_output(name: str, method: Method, output: Any) -> str | None:
    """A line for the log on the output of the method's example; None where there is nothing to tell.

    An output unlike the example's own is told and no more, for models may vary.
    Raises InputMismatch for one that is not of the declared type.
    """
    assert method.example is not None  # it has just run
    path = f"servable.methods.{name}.example"
    inputs = compile_argument(method.input).from_json(method.example.inputs, f"{path}.inputs")
    check = OutputCheck(method)
    checked = check.check(output, inputs)
    if method.example.output is None:  # travelling, what was left out became null
        return None
    differs = difference(checked, check.from_json(method.example.output, inputs, f"{path}.output"))
    return f"Note: {differs}." if differs else "The output is that of the example."
