"""Methods as signatures: inputs and outputs by name, whatever order anybody has them in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dlhub_shim.complaints import InputMismatch, LoadError
from dlhub_task_manager.executors.elsewhere.service import ModelFailed
from dlhub_task_manager.executors.tensorflow_serving.signatures import methods_of

FLOATS = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}
ARRAY = {"type": "ndarray", "dtype": "float32"}
METADATA = {
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {"z": FLOATS, "x": FLOATS},
                    "outputs": {"difference": FLOATS, "a_sum": FLOATS},
                },
                "one": {"inputs": {"t": FLOATS}, "outputs": {"u": FLOATS}},
                "__saved_model_init_op": {"inputs": {}, "outputs": {}},
            }
        }
    }
}
TWO = {"type": "dict", "properties": {"x": ARRAY, "z": ARRAY}}
BOTH = {"type": "dict", "properties": {"a_sum": ARRAY, "difference": ARRAY}}


class Server:
    """Answers predictions as the two signatures would."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answer = answer

    async def predict(self, body: bytes) -> bytes:
        self.asked.append(asked := json.loads(body))
        if self._answer is not None:
            return self._answer
        given = {name: np.array(value) for name, value in asked["inputs"].items()}
        if asked["signature_name"] == "one":
            return json.dumps({"outputs": (2 * given["t"]).tolist()}).encode()
        z, x = given["z"], given["x"]
        return json.dumps({"outputs": {"a_sum": (z + x).tolist(), "difference": (z - x).tolist()}}).encode()


def method(server: Server, name: str = "run", **declared: Any) -> Any:
    servable = {"methods": {name: {"input": TWO, "output": BOTH} | declared}}
    return methods_of({"servable": servable}, METADATA, server.predict)[name]


async def test_inputs_and_outputs_go_by_name() -> None:
    server = Server()
    output = await method(server)({"z": np.array([5.0]), "x": np.array([3.0])}, {})
    assert server.asked == [{"signature_name": "serving_default", "inputs": {"z": [5.0], "x": [3.0]}}]
    assert {name: value.tolist() for name, value in output.items()} == {"a_sum": [8.0], "difference": [2.0]}
    assert output["difference"].dtype == np.float32


async def test_a_method_is_the_signature_that_it_names_or_is_named_after() -> None:
    server = Server()
    plain = {"input": ARRAY, "output": ARRAY}
    by_name = await method(server, "one", **plain)([1, 2], {})
    by_field = await method(server, "other", method_details={"signature": "one"}, **plain)([3], {})
    assert (by_name.tolist(), by_field.tolist()) == ([2.0, 4.0], [6.0])
    assert [asked["signature_name"] for asked in server.asked] == ["one", "one"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"method_details": {"signature": "two"}}, "has the signatures one, serving_default"),
        ({"input": ARRAY}, "takes 2 inputs"),
        ({"input": {"type": "dict", "properties": {"x": ARRAY, "y": ARRAY}}}, "x, z|z, x"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused_when_loading(declared: Any, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        method(Server(), **declared)


def test_metadata_without_signatures_is_refused() -> None:
    with pytest.raises(LoadError, match="no signatures"):
        methods_of({"servable": {"methods": {}}}, {"metadata": {}}, Server().predict)


async def test_a_signature_has_no_parameters() -> None:
    with pytest.raises(InputMismatch, match="'scale' was given"):
        await method(Server())({"z": [1.0], "x": [1.0]}, {"scale": 2})


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"outputs": 3}', b'{"outputs": {"a_sum": [1]}}'])
async def test_an_answer_that_does_not_fit_is_the_models_failure(answer: bytes) -> None:
    with pytest.raises(ModelFailed, match="does not fit the signature 'serving_default'"):
        await method(Server(answer))({"z": [1.0], "x": [1.0]}, {})
