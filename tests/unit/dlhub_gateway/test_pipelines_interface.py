"""What a pipeline takes and gives, derived from its steps."""

from __future__ import annotations

from typing import Any

import pytest
from unit.dlhub_gateway import steps
from unit.dlhub_gateway.records import version

from dlhub_gateway.directory import Resolved
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.pipelines.interface import interface
from dlhub_gateway.pipelines.planning import make_plan
from proto_msgs.description import Argument, Description, Method
from proto_msgs.errors import InputMismatch

ANY = {"type": "python object"}


def array(*shape: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "ndarray", "shape": list(shape), **fields}


async def derived(servables: dict[str, tuple[Any, Any]], blocks: list[Any]) -> Method:
    """The method of a pipeline of such servables, each given by its input and output."""
    found = {}
    for name, (takes, gives) in servables.items():
        record = version(name, 1, {"run": {"input": takes, "output": gives}})
        methods = {"run": CompiledMethod("run", record.description.servable.methods["run"])}
        found[f"ada/{name}"] = Resolved(record, methods, ())

    async def look(reference: str, _: Resolved) -> Resolved:
        return found[reference]

    description = Description.model_validate(steps.described("p", blocks))
    candidate = Resolved(version("p", 1, description=description), {}, ())
    return interface(await make_plan(candidate, look), None)


def as_argument(block: dict[str, Any]) -> Argument:
    return Argument.model_validate(block)


async def test_symbols_are_followed_through_the_steps() -> None:
    method = await derived(
        {
            "crop": (array("h", "w", 3), array("h", "w")),
            "flip": (array("rows", "columns"), array("columns", "rows")),
            "sum": (array("n", 64), array("n")),
        },
        ["crop", "flip", "sum"],
    )
    # 64 columns are wanted of what was flipped, so there are 64 rows in the beginning.
    assert method.input == as_argument(array(64, "w", 3))
    assert method.output == as_argument(array("w"))


async def test_symbols_of_different_steps_stay_apart() -> None:
    method = await derived(
        {"first": (array("n"), array(4)), "last": (array(4), array("n"))}, ["first", "last"]
    )
    assert (method.input.shape, method.output.shape) == (("n",), ("n_2",))


@pytest.mark.parametrize(
    ("gives", "way", "expected"),
    [
        ({"type": "integer"}, "mean", {"type": "float"}),
        ({"type": "complex"}, "mean", {"type": "complex"}),
        ({"type": "float"}, "stack", {"type": "ndarray", "shape": [2]}),
        (
            {"type": "list", "item_type": "integer"},
            "std",
            {"type": "list", "item_type": {"type": "float"}},
        ),
        ({"type": "list", "item_type": "integer"}, "stack", {"type": "ndarray"}),
        (array(None, 3, dtype="float32"), "mean", array(None, 3, dtype="float32")),
        (array(3, dtype="int32"), "median", array(3, item_type={"type": "float"})),
        (array(3), "mean", array(3)),
        (array(3), "stack", array(2, 3)),
        ({"type": "ndarray"}, "stack", {"type": "ndarray"}),
        (
            {"type": "dict", "properties": {"e": {"type": "float", "units": "eV"}}},
            "mean",
            {"type": "dict", "properties": {"e": {"type": "float"}}},
        ),
        (
            {"type": "tuple", "element_types": [{"type": "float"}]},
            "mean",
            {"type": "list", "item_type": ANY},
        ),
        (ANY, "mean", ANY),
    ],
)
async def test_the_output_of_a_fan_out_is_declared(gives: Any, way: str, expected: Any) -> None:
    servables = {"a": (ANY, gives), "b": (ANY, gives)}
    method = await derived(servables, [{"servable": ["ada/a", "ada/b"], "combine": way}])
    assert method.output == as_argument(expected)


async def test_a_dict_has_the_symbols_of_all_branches() -> None:
    servables = {"a": (array("n"), array("n", "k")), "b": (array("m"), array("m", "k"))}
    method = await derived(servables, [{"servable": ["ada/a", "ada/b"]}])
    assert method.input.shape == ("n",)
    shapes = {key: one.shape for key, one in (method.output.properties or {}).items()}
    # Both get the same input, so that their first axes are as long; of `k` nothing is known.
    assert shapes == {"a": ("n", "k_a"), "b": ("n", "k_b")}


async def test_arrays_of_text_have_no_mean() -> None:
    servables = {"a": (ANY, array(3, item_type={"type": "string"}))}
    with pytest.raises(InputMismatch, match="not numbers"):
        await derived(servables, [{"servable": ["ada/a"], "combine": "mean"}])
