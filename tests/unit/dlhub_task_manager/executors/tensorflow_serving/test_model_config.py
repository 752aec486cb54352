"""The model configuration: entries come and go, the rest stays."""

from __future__ import annotations

import pytest

from dlhub_task_manager.executors.tensorflow_serving.model_config import (
    EMPTY,
    NotUnderstood,
    names_in,
    with_model,
    without_models,
)

OTHERS = """# Ours since 2019; do not touch {
model_config_list: {
  config: {
    name: "iris",  # the "best" one }
    base_path: '/models/iris'
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'name' value: 42 }
  },
  config < name: 'wine' base_path: "/models/wine" >
}
"""


def test_a_model_comes_and_goes_without_a_trace() -> None:
    more = with_model(OTHERS, "ours", "/models/ours")
    assert names_in(more) == ["iris", "wine", "ours"]
    assert OTHERS.splitlines()[:-1] == more.splitlines()[: len(OTHERS.splitlines()) - 1]
    assert without_models(more, lambda name: name == "ours") == OTHERS


@pytest.mark.parametrize("nothing", ["", "\n  ", EMPTY, "model_config_list{}", "model_config_list: {\n}"])
def test_a_first_model_needs_no_list(nothing: str) -> None:
    text = with_model(nothing, "ours", "/models/ours")
    assert names_in(text) == ["ours"]
    assert 'base_path: "/models/ours"' in text
    assert names_in(without_models(text, lambda _: True)) == []


def test_the_list_stays_when_the_last_model_goes() -> None:
    """The server takes a file without one for no configuration, and would unload nothing."""
    assert without_models(with_model("", "ours", "/x"), lambda _: True) == EMPTY
    assert without_models("", lambda _: True) == EMPTY


def test_a_model_that_is_there_already_stays_as_it_is() -> None:
    text = with_model(OTHERS, "ours", "/x")
    assert with_model(text, "ours", "/x") == text


def test_models_of_others_can_be_told_apart_when_one_in_the_middle_goes() -> None:
    left = without_models(OTHERS, lambda name: name == "iris")
    assert names_in(left) == ["wine"]
    assert "do not touch" in left


def test_paths_are_quoted() -> None:
    text = with_model("", "ours", 'C:\\models\\"x"')
    assert r'base_path: "C:\\models\\\"x\""' in text
    assert names_in(text) == ["ours"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model_config_list {", "'model_config_list' is not closed"),
        ("model_config_list {}\n}", "line 2 closes what was not opened"),
        ("custom_model_config {}", "there is no model_config_list"),
        ('model_config_list { config { name: "a } }', "line 1: "),
    ],
)
def test_what_is_no_configuration_is_left_alone(text: str, said: str) -> None:
    for change in (names_in, lambda text: with_model(text, "ours", "/x")):
        with pytest.raises(NotUnderstood, match=said):
            change(text)
