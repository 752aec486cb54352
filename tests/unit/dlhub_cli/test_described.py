from __future__ import annotations

from typing import Any

import pytest

from dlhub_cli.described import described, type_words

DOCUMENT: dict[str, Any] = {
    "datacite": {
        "titles": [{"title": "Iris species"}],
        "creators": [{"name": "Fisher, Ronald"}, {"familyName": "Anderson", "givenName": "Edgar"}],
        "publicationYear": "1936",
        "rightsList": [{"rightsIdentifier": "CC-BY-4.0"}],
        "descriptions": [{"description": "Tells three species of iris apart."}],
    },
    "dlhub": {
        "name": "iris",
        "visible_to": ["public"],
        "files": {"model": "iris.pkl", "other": ["notes.txt"]},
        "dependencies": {"python": {"scikit-learn": "1.7.1", "numpy": None}},
    },
    "servable": {
        "type": "Scikit-learn estimator",
        "model_type": "LogisticRegression",
        "framework": {"name": "scikit-learn", "version": "1.7.1"},
        "parameter_count": 1500,
        "resources": {"cores": 2.0, "memory_mb": 512},
        "performance": [
            {"benchmark": "iris", "metric": "accuracy", "value": 0.97, "split": "test"},
        ],
        "model_summary": "LogisticRegression(\n    max_iter=1000)",
        "methods": {
            "run": {
                "input": {
                    "type": "ndarray", "shape": ["n", 4], "dtype": "float64", "units": "cm", "minimum": 0,
                    "description": "Sepal and petal",
                },
                "output": {
                    "type": "dict",
                    "properties": {"species": {"type": "string", "choices": ["a", "b"]}},
                },
                "parameters": {"top": 3},
                "parameter_types": {"top": {"type": "integer", "minimum": 1}},
                "deterministic": True,
                "map_axis": 0,
                "example": {"inputs": [[5.1, 3.5, 1.4, 0.2]]},
            }
        },
    },
}  # fmt: skip
TEXT = """\
Iris species
name         iris
type         Scikit-learn estimator, LogisticRegression, scikit-learn 1.7.1, 1,500 parameters
creators     Fisher, Ronald; Anderson, Edgar
year         1936
licence      CC-BY-4.0
measured     accuracy 0.97 on iris (test)
resources    2 cores, 512 MB
files        iris.pkl (model), notes.txt
needs        scikit-learn 1.7.1, numpy
visible to   public

Tells three species of iris apart.

run  deterministic, independent along axis 0
  input      ndarray[n, 4] of float64, in cm, at least 0: Sepal and petal
  output     {species}
    species  string, one of a, b
  top        integer, at least 1, 3 unless given
  example    [[5.1, 3.5, 1.4, 0.2]]

LogisticRegression(
    max_iter=1000)
"""


def test_a_description_is_told_in_full() -> None:
    assert "".join(f"{line}\n" for line in described(DOCUMENT)) == TEXT


def test_an_empty_description_has_lines_too() -> None:
    assert list(described({})) == ["(no title)", "visible to   its owner"]


def test_a_pipeline_tells_its_steps() -> None:
    steps = [
        {"servable": "ada/encode@3", "method": "latent"},
        {"servable": ["ada/one", "ada/two"], "parameters": {"top": 1}, "combine": "mean"},
    ]
    document = {"dlhub": {"name": "both"}, "servable": {"type": "Pipeline", "steps": steps}}
    assert list(described(document))[-2:] == [
        "step 1       ada/encode@3.latent",
        'step 2       ada/one, ada/two with {"top": 1}, combined by mean',
    ]


def test_long_texts_are_wrapped_beside_their_label() -> None:
    document = {"dlhub": {"name": "x", "domains": ["a domain of science"] * 8}}
    lines = [line for line in described(document) if "science" in line]
    assert len(lines) == 2
    assert lines[1].startswith(" " * 13)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (None, ""),
        ({"type": "float"}, "float"),
        ({"type": "float", "minimum": 0, "maximum": 1}, "float, from 0 to 1"),
        ({"type": "integer", "maximum": 9}, "integer, at most 9"),
        ({"type": "ndarray"}, "ndarray[...] of anything"),
        ({"type": "ndarray", "shape": [None, 4], "item_type": "float"}, "ndarray[any, 4] of float"),
        ({"type": "list", "item_type": {"type": "string"}}, "list of string"),
        ({"type": "tuple", "element_types": [{"type": "float"}, {"type": "string"}]}, "(float, string)"),
        ({"type": "dict", "properties": {"a": {"type": "float"}}}, "{a}"),
        ({"type": "file", "file_types": ["image/png"]}, "file, image/png"),
        ({"type": "python object", "python_type": "m.C"}, "Python object m.C"),
    ],
)
def test_a_type_is_told_in_a_few_words(block: Any, words: str) -> None:
    assert type_words(block) == words
