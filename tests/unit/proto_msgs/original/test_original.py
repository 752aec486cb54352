"""The original's documents become ours, whatever type they are of; what was changed is told by place."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from unit.proto_msgs.original.documents import (
    CLASS,
    EVERY,
    IMREAD,
    KERAS,
    PIPELINE,
    SKLEARN,
    STATIC,
    STORED,
    TENSORFLOW,
    TORCH,
    hub,
    provenance,
)

from proto_msgs.description import Description
from proto_msgs.original import Change, converted

ROOT = Path(__file__).parents[4]


def read(document):
    made, changes = converted(document)
    return Description.model_validate(made), {change.path: change for change in changes}


def of_datacite(**fields):
    return read({**STATIC, "datacite": provenance("x", **fields)})


@pytest.mark.parametrize("name", EVERY)
def test_every_type_is_read_and_its_document_stays_as_it_was(name):
    before = copy.deepcopy(EVERY[name])
    description, changes = read(EVERY[name])
    assert EVERY[name] == before
    assert description.datacite.types.resourceTypeGeneral == "InteractiveResource"
    assert all(change.path.startswith("/") and change.what and change.why for change in changes.values())
    assert {"/datacite/resourceType", "/datacite/identifier", "/dlhub/version", "/dlhub/type"} <= set(changes)


@pytest.mark.parametrize("name", EVERY)
def test_what_was_converted_needs_no_more_changes(name):
    made, _ = converted(EVERY[name])
    assert converted(made) == (made, ())


@pytest.mark.parametrize("name", EVERY)
def test_every_change_is_of_a_block_that_the_document_has(name):
    _, changes = converted(EVERY[name])
    assert {change.path.split("/")[1] for change in changes} <= set(EVERY[name])


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*/dlhub.json")), ids=lambda path: path.parent.name
)
def test_a_document_of_our_own_is_not_touched(path):
    document = json.loads(path.read_text())
    assert converted(document) == (document, ())


@pytest.mark.parametrize("document", [None, [], "x", {}, {"servable": 3, "datacite": {"resourceType": 3}}])
def test_what_is_no_description_is_left_to_the_checks(document):
    converted(document)


def test_a_change_reads_as_a_sentence():
    change = Change(path="/dlhub/type", what="left out", why="servable.type says more")
    assert str(change) == "/dlhub/type: left out, because servable.type says more"


# --- one type after the other ---


def test_a_static_method():
    description, changes = read(STATIC)
    run = description.servable.methods["run"]
    assert description.servable.type == "Python static method"
    assert (run.method_details.module, run.method_details.method_name) == ("numpy.linalg", "norm")
    assert run.input.shape == (None,)
    assert changes["/servable/methods/run/input/shape/0"].what == "now null"
    assert changes["/servable/methods/run/output/shape"].why == "the type 'number' has none"
    assert "shim" not in description.servable.model_dump()


def test_a_class_method():
    description, changes = read(CLASS)
    assert description.dlhub.files == {"pickle": "lib/model.pkl", "other": ("lib/code.py",)}
    assert description.servable.options == {}
    assert {"/dlhub/files/pickle", "/dlhub/files/other", "/servable/options"} <= set(changes)


def test_a_scikit_learn_estimator():
    description, _ = read(SKLEARN)
    assert description.servable.options == SKLEARN["servable"]["options"]
    assert (description.servable.model_type, description.servable.model_summary) == ("SVC", "SVC(C=1)")


def test_a_keras_model():
    description, changes = read(KERAS)
    assert description.dlhub.dependencies.python == {"keras": "2.2.4", "h5py": "2.9.0"}
    assert description.servable.options == {"classes": ["0", "1"]}
    assert {"/servable/dependencies", "/servable/language"} <= set(changes)
    assert "/servable/methods/run/method_details/classes" in changes


def test_a_saved_model():
    description, changes = read(TENSORFLOW)
    signatures = {name: one.method_details.signature for name, one in description.servable.methods.items()}
    assert signatures == {"run": "serving_default", "scalar_multiply": "scalar_multiply"}
    assert description.dlhub.files["model"] == "export"
    assert description.servable.methods["scalar_multiply"].parameters == {}
    assert "/servable/methods/scalar_multiply/method_details/input_nodes" in changes


def test_a_saved_model_at_the_top_of_the_archive():
    files = {"other": ["saved_model.pb", "variables/variables.index"]}
    description, _ = read({**TENSORFLOW, "dlhub": hub("tf", files=files)})
    assert description.dlhub.files["model"] == "."


@pytest.mark.parametrize("shim", ["torch.TorchServable", "pytorch.TorchServable"])
def test_a_torch_model(shim):
    description, changes = read({**TORCH, "servable": {**TORCH["servable"], "shim": shim}})
    assert description.servable.options == {"format": "pickle"}
    assert changes["/servable/options/format"].why == "the original pickled whole modules"


def test_a_pipeline():
    description, changes = read(PIPELINE)
    steps = description.servable.steps
    assert [step.servable for step in steps] == ["ada_example/maximum", "ada_example/mean"]
    assert [step.parameters for step in steps] == [{"axis": 0}, {}]
    assert description.servable.type == "Pipeline"
    assert {"/pipeline", "/pipeline/steps/0", "/pipeline/steps/1"} <= set(changes)


def test_a_step_without_a_name_is_for_its_author_to_mend():
    document = {**PIPELINE, "pipeline": {"steps": [{"dlhub_id": "a267fced", "description": "?"}]}}
    with pytest.raises(ValueError, match=r"servable\.steps\.0\.servable"):
        read(document)


def test_a_file_input():
    description, changes = read(IMREAD)
    run = description.servable.methods["run"]
    assert run.input.file_types == ("image/*",)
    assert run.output.shape is None
    assert description.dlhub.dependencies.python == {"pillow": None}
    assert changes["/dlhub/dependencies/python/PIL"].what == "now 'pillow'"


def test_a_record_of_the_originals_index():
    description, changes = read(STORED)
    block = description.dlhub.model_dump(exclude_unset=True)
    assert block == {
        "domains": (),
        "visible_to": ("urn:globus:auth:identity:1a90406d-63d0-4aa7-8026-1ac2dbc3f4cd",),
        "name": "norm_of_array",
        "dependencies": {},
        "files": {},
    }
    issued = description.datacite.dates[0]
    assert (issued.date, issued.dateType) == ("2020-08-25", "Issued")
    assert description.datacite.publicationYear == "2020"
    assert changes["/dlhub/visible_to/0"].what == "kept as it is"
    assert "Globus" in changes["/datacite/relatedIdentifiers/0"].why


@pytest.mark.parametrize(
    ("kind", "shim", "became"),
    [
        (None, "keras.KerasServable", "Keras Model"),
        ("pickled_class", "python.PythonClassMethodServable", "Python class method"),
        ("py_static_method", "x.Y", "Python static method"),
        ("keras model", "x.Y", "Keras Model"),
    ],
)
def test_types_of_other_names_are_known(kind, shim, became):
    made, changes = converted({**STATIC, "servable": {**STATIC["servable"], "type": kind, "shim": shim}})
    assert made["servable"]["type"] == became
    assert "/servable/type" in {change.path for change in changes}


# --- blocks ---


def test_people_have_names_and_places():
    people = [
        {"givenName": "Ada", "familyName": "Lovelace", "affiliations": "Argonne"},
        {"creatorName": "Babbage, Charles", "affiliations": ["A", "B"], "nameIdentifiers": []},
        {"familyName": "Byron", "affiliations": []},
    ]
    description, changes = of_datacite(creators=people)
    labels = [(one.label, [place.name for place in one.affiliation]) for one in description.datacite.creators]
    assert labels == [("Lovelace, Ada", ["Argonne"]), ("Babbage, Charles", ["A", "B"]), ("Byron", [])]
    assert "/datacite/creators/0/affiliations" in changes
    assert changes["/datacite/creators/1/creatorName"].what == "now 'name'"


def test_addresses_are_spelt_as_now():
    orcid = "https://orcid.org/0000-0002-1825-0097"
    description, changes = of_datacite(
        rightsList=[{"rightsURI": "https://x.org", "rights": "GPL"}],
        creators=[
            {
                "familyName": "L",
                "nameIdentifiers": [
                    {
                        "nameIdentifier": orcid,
                        "nameIdentifierScheme": "ORCID",
                        "schemeURI": "https://orcid.org",
                    }
                ],
            }
        ],
        titles=[{"title": "x"}, {"title": "y", "type": "Subtitle"}],
        subjects=["iron", {"subject": "", "lang": ""}, {"subject": "steel", "valueURI": "https://x.org/1"}],
    )
    block = description.datacite
    assert block.rightsList[0].rightsUri == "https://x.org"
    assert block.creators[0].nameIdentifiers[0].schemeUri == "https://orcid.org"
    assert block.titles[1].titleType == "Subtitle"
    assert [subject.subject for subject in block.subjects] == ["iron", "steel"]
    assert "/datacite/creators/0/nameIdentifiers/0/schemeURI" in changes


def test_funding_has_no_objects_inside():
    description, changes = of_datacite(
        fundingReferences=[
            {
                "funderName": "DOE",
                "funderIdentifier": {
                    "funderIdentifier": "10.13039/1",
                    "funderIdentifierType": "Crossref Funder ID",
                },
                "awardNumber": {"awardNumber": "DE-1", "awardURI": "https://x.org"},
            }
        ]
    )
    funding = description.datacite.fundingReferences[0]
    assert (funding.funderIdentifier, funding.awardNumber, funding.awardUri) == (
        "10.13039/1",
        "DE-1",
        "https://x.org",
    )
    assert "/datacite/fundingReferences/0/awardNumber" in changes


def test_a_real_doi_is_kept_and_a_false_one_is_told():
    related = {"relatedIdentifierType": "DOI", "relationType": "IsDescribedBy"}
    description, changes = of_datacite(
        identifier={"identifier": "10.26311/abc", "identifierType": "DOI"},
        relatedIdentifiers=[
            {"relatedIdentifier": "10.1063/1.5019779", **related},
            {"relatedIdentifier": "10.11", **related},
            {"relatedIdentifier": "10.YET/UNASSIGNED", **related},
        ],
    )
    assert description.datacite.doi == "10.26311/abc"
    assert [one.relatedIdentifier for one in description.datacite.relatedIdentifiers] == ["10.1063/1.5019779"]
    assert changes["/datacite/relatedIdentifiers/1"].why == "'10.11' is no DOI"
    assert changes["/datacite/relatedIdentifiers/2"].why == "'10.YET/UNASSIGNED' is no DOI"


@pytest.mark.parametrize(
    ("moment", "day"),
    [(1598379008081, "2020-08-25"), (1598379008, "2020-08-25"), ("1598379008081", "2020-08-25")],
)
def test_dates_in_seconds_and_in_milliseconds_are_told_apart(moment, day):
    description, _ = read({**STATIC, "dlhub": hub("x", publication_date=moment)})
    assert description.datacite.dates[0].date == day


def test_versions_that_mean_any_are_null():
    python = {"a": "None", "b": "detect", "c": "1.0", "d": None, "git+https://x.org/y.git": "latest"}
    description, changes = read({**STATIC, "dlhub": hub("x", dependencies={"python": python})})
    found = description.dlhub.dependencies.python
    assert found == {"a": None, "b": None, "c": "1.0", "d": None, "git+https://x.org/y.git": None}
    assert "/dlhub/dependencies/python/git+https:~1~1x.org~1y.git" in changes


def test_types_inside_types_are_converted():
    inner = {
        "type": "dict",
        "properties": {"x": {"type": "ndarray", "shape": ["None", "3", -1], "item_type": "float"}},
    }
    run = {**STATIC["servable"]["methods"]["run"], "input": {"type": "list", "item_type": inner, "shape": []}}
    description, changes = read({**STATIC, "servable": {**STATIC["servable"], "methods": {"run": run}}})
    assert description.servable.methods["run"].input.item_type.properties["x"].shape == (None, 3, None)
    where = "/servable/methods/run/input/item_type/properties/x/shape"
    assert {f"{where}/0", f"{where}/1", f"{where}/2", "/servable/methods/run/input/shape"} <= set(changes)


def test_marks_of_the_originals_tools_are_left_out_everywhere():
    document = {**STATIC, "@class": "x.Y", "dlhub": {**hub("x"), "@class": "z"}}
    made, changes = converted(document)
    assert "@class" not in json.dumps(made)
    assert {"/@class", "/dlhub/@class"} <= {change.path for change in changes}
