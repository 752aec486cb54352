"""From a description to dlhub.json and back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlhub_client import describe
from dlhub_client.describe import ModelDescription
from dlhub_client.errors import Malformed
from proto_msgs.description import Description

EXAMPLES = Path(__file__).parents[4] / "examples"
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12).filter(
    str.strip
)
LINES = WORDS.map(str.strip)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
PATHS = st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}){0,2}\.py", fullmatch=True)
SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), WORDS)
TYPES = st.recursive(
    st.sampled_from(["integer", "float", "string", "file", "boolean"]).map(lambda name: {"type": name})
    | st.lists(st.none() | st.integers(1, 9) | st.just("n"), max_size=3).map(
        lambda shape: {"type": "ndarray", "shape": shape, "item_type": {"type": "float"}}
    ),
    lambda inner: (
        inner.map(lambda one: {"type": "list", "item_type": one})
        | st.dictionaries(WORDS, inner, min_size=1, max_size=3).map(
            lambda entries: {"type": "dict", "properties": entries}
        )
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"type": "tuple", "element_types": parts})
    ),
    max_leaves=4,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """What `to_dict` may give, with fields that nobody knows in every block."""
    files = draw(st.lists(PATHS, unique=True, min_size=1, max_size=4))
    hub: dict[str, Any] = {
        "name": draw(NAMES),
        "visible_to": draw(st.lists(WORDS, max_size=2)),
        "domains": draw(st.lists(WORDS, max_size=2)),
        "tags": draw(st.lists(WORDS, max_size=2)),
        "files": {},
        "dependencies": {"python": draw(st.dictionaries(NAMES, st.none() | st.just(">=1"), max_size=2))},
        "x-own": draw(SIMPLE),
    }
    hub["files"] = {"pickle": files[0], **({"other": sorted(files[1:])} if files[1:] else {})}
    if draw(st.booleans()):
        hub["runnable_by"] = draw(st.lists(WORDS, max_size=2))
    if draw(st.booleans()):
        hub["sources"] = {"/datacite/version": "CITATION.cff"}
    method = {"input": draw(TYPES), "output": draw(TYPES), "method_details": {"method_name": "f"}}
    return {
        "datacite": {
            "creators": [{"name": name} for name in draw(st.lists(LINES, max_size=2))],
            "titles": [{"title": draw(LINES)}],
            "publicationYear": str(draw(st.integers(1900, 2100))),
            "version": draw(WORDS),
            "x-own": draw(SIMPLE),
        },
        "dlhub": hub,
        "servable": {
            "type": "Python class method",
            "methods": {"run": method},
            "x-own": draw(SIMPLE),
        },
        "x-own": draw(SIMPLE),
    }


@given(documents())
@settings(deadline=None)
def test_a_document_comes_back_as_it_was(document: dict[str, Any]) -> None:
    try:
        Description.model_validate(document)
    except ValueError:
        pytest.fail(f"the strategy makes documents that are not valid: {document}")
    before = copy.deepcopy(document)

    description = ModelDescription.from_dict(document)

    assert description.to_dict() == document == before
    assert ModelDescription.from_dict(description.to_dict()).to_dict() == document


def test_everything_that_setters_say_comes_back(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"w")
    model.add_creator("Lovelace, Ada", "0000-0002-1825-0097").set_license("MIT").add_funding("DOE")
    model.add_file(tmp_path / "w.bin", "model").add_requirement("numpy", ">=2").set_visibility(groups=["g"])
    model.set_promises(deterministic=True).set_example([1])
    folder = model.write(tmp_path / "published")

    again = ModelDescription.from_file(folder)
    copied = again.write(tmp_path / "again")

    assert again.to_dict() == model.to_dict()
    for path in folder.rglob("*"):
        if path.is_file():
            assert (copied / path.relative_to(folder)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("folder", ["noop", "negative"])
def test_the_examples_mean_the_same_afterwards(folder: str) -> None:
    file = EXAMPLES / folder / "dlhub.json"
    before = Description.model_validate(json.loads(file.read_text()))
    after = Description.model_validate(ModelDescription.from_file(file).to_dict())
    assert after == before


def test_a_document_can_be_changed_and_keeps_the_rest(model: ModelDescription) -> None:
    document = model.to_dict()
    document["datacite"]["contributors"] = [{"name": "X, Y", "contributorType": "Editor"}]
    changed = ModelDescription.from_dict(document).set_title("New").add_creator("Curie, Marie").to_dict()

    assert changed["datacite"]["titles"] == [{"title": "New"}]
    assert changed["datacite"]["contributors"] == document["datacite"]["contributors"]


def test_readers_leave_what_the_document_says(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "9"\n')
    again = ModelDescription.from_dict(model.set_version("1").to_dict()).read_pyproject(tmp_path)
    assert again.to_dict()["datacite"]["version"] == "1"
    assert again.to_dict()["datacite"]["titles"] == [{"title": "M"}]


def test_a_document_of_the_original_is_converted_and_says_so() -> None:
    original = {
        "datacite": {
            "titles": [{"title": "Old"}],
            "creators": [{"creatorName": "Lovelace, Ada"}],
            "publicationYear": "",
            "publisher": "DLHub",
            "resourceType": {"resourceTypeGeneral": "InteractiveResource"},
        },
        "dlhub": {"name": "old", "visible_to": ["public"], "files": {"pickle": "m.pkl", "other": []}},
        "servable": {
            "type": "Python class method",
            "shim": "python.PythonClassMethodServable",
            "methods": {
                "run": {
                    "input": {"type": "float"},
                    "output": {"type": "float"},
                    "method_details": {"class_name": "a.B", "method_name": "f"},
                }
            },
        },
    }
    found = ModelDescription.from_dict(original).to_dict()

    assert found["datacite"]["creators"] == [{"name": "Lovelace, Ada"}]
    assert found["dlhub"]["converted"]
    assert ModelDescription.from_dict(found).to_dict() == found


def test_several_files_of_one_purpose_stay_together(model: ModelDescription) -> None:
    document = model.to_dict()
    document["dlhub"]["files"] = {"weights": ["a.bin", "b.bin"], "other": ["app.py"]}
    assert ModelDescription.from_dict(document).to_dict() == document


def test_without_a_folder_nothing_is_written(model: ModelDescription, tmp_path: Path) -> None:
    description = ModelDescription.from_dict(model.to_dict())
    with pytest.raises(Malformed, match=r"app\.py belongs to the description, but nobody said where it lies"):
        description.write(tmp_path)


def test_a_folder_of_a_saved_model_is_copied_whole(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "given" / "saved").mkdir(parents=True)
    (tmp_path / "given" / "saved" / "w.bin").write_bytes(b"w")
    (tmp_path / "given" / "app.py").write_text("")
    document = model.to_dict()
    document["dlhub"]["files"]["model"] = "saved"
    description = ModelDescription.from_dict(document, tmp_path / "given")
    assert (description.write(tmp_path / "made") / "saved" / "w.bin").read_bytes() == b"w"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON"),
        ('{"datacite": {}}', "dlhub.json is not valid"),
        ('"x"', "is not valid"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "dlhub.json").write_text(content)
    with pytest.raises(Malformed, match=complaint):
        ModelDescription.from_file(tmp_path)


def test_a_file_that_is_listed_and_not_there_is_named(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "dlhub.json").write_text(json.dumps(model.to_dict()))
    with pytest.raises(Malformed, match=r"lists app\.py, but there is no such file"):
        ModelDescription.from_file(tmp_path)


def test_a_path_for_files_can_be_asked_for(model: ModelDescription) -> None:
    model.set_inputs(describe.argument("file")).set_files_as("path")
    assert model.to_dict()["servable"]["methods"]["run"]["method_details"]["files_as"] == "path"
    with pytest.raises(Malformed, match="'bytes' or as 'path'"):
        model.set_files_as("stream")
