"""Which models of Keras are declared deterministic, by their configuration alone."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import describe
from dlhub_client.describe.readers.keras_frozen import is_frozen

MODELS = Path(__file__).parents[1] / "models"


def config(name: str) -> Any:
    with zipfile.ZipFile(MODELS / name) as file:
        return json.loads(file.read("config.json"))


def layer(kind: str = "Dense", module: str | None = "keras.layers", **settings: Any) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": kind,
        "config": {"name": "one", **settings},
        "registered_name": None,
    }


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "model", "layers": [*layers]}}


@pytest.mark.parametrize("name", ["sequential.keras", "cnn.keras"])
def test_models_of_plain_layers_promise_it(name: str) -> None:
    run = describe.keras_model(MODELS / name).to_dict()["servable"]["methods"]["run"]
    assert run["deterministic"] is True


def test_what_belongs_to_training_alone_does_not_matter() -> None:
    document = config("sequential.keras")
    document["compile_config"]["loss"] = {"module": "mine", "class_name": "Loss", "config": {}}
    assert is_frozen(document)
    assert is_frozen(sequential(layer(), layer("Dropout", rate=0.5)))


@pytest.mark.parametrize(
    "doubtful",
    [
        layer("Lambda"),
        layer("Sampling", module="vae"),
        layer("Mine", module="keras_of_mine"),
        layer("Dense", module=None),
        layer("LSTM", stateful=True),
        layer(activation={"module": "builtins", "class_name": "function", "config": "swirl"}),
    ],
)
def test_what_nobody_can_tell_is_not_promised(doubtful: dict[str, Any]) -> None:
    assert is_frozen(sequential(layer()))
    assert not is_frozen(sequential(layer(), doubtful))


def test_a_graph_that_always_trains_throws_its_dice() -> None:
    document = config("cnn.keras")
    always = copy.deepcopy(document)
    node = always["config"]["layers"][2]["inbound_nodes"][0]
    node["kwargs"]["training"] = True
    assert is_frozen(document)
    assert not is_frozen(always)


def test_a_configuration_without_an_end_is_given_up() -> None:
    deep: Any = layer()
    for _ in range(100):
        deep = [deep]
    assert not is_frozen(sequential(layer(inner=deep)))


def test_keras_2_promises_nothing() -> None:
    assert not is_frozen({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {}}]})
