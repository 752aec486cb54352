"""Metadata from CITATION.cff, codemeta.json, pyproject.toml and git; each field remembers its source."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlhub_client.describe import ModelDescription
from dlhub_client.describe import metadata_git as git
from dlhub_client.errors import Malformed

CFF = """\
cff-version: 1.2.0
message: Cite it
title: Band gaps from pictures
abstract: It sees gaps.
type: software
version: 1.0
date-released: 2023-05-06
doi: 10.5281/zenodo.1234
license: Apache-2.0
repository-code: https://github.com/ada/gaps
keywords: [oxides, gaps]
authors:
  - family-names: Lovelace
    given-names: Ada
    orcid: https://orcid.org/0000-0002-1825-0097
    affiliation: London
  - family-names: Beethoven
    name-particle: van
    given-names: Ludwig
  - name: Analytical Engines Ltd
identifiers:
  - {type: doi, value: 10.5281/zenodo.9999}
  - {type: url, value: https://example.org}
preferred-citation:
  type: article
  title: Gaps
  doi: 10.1145/3295500
references:
  - {type: article, title: Other, doi: 10.1000/xyz}
  - {type: book, title: No identifier}
"""
CODEMETA = {
    "@context": "https://w3id.org/codemeta/3.0",
    "@type": "SoftwareSourceCode",
    "name": "gaps",
    "description": "It sees gaps.",
    "version": "2.1",
    "datePublished": "2022-01-02",
    "license": {"@id": "https://spdx.org/licenses/MIT"},
    "keywords": "oxides, gaps; pictures",
    "codeRepository": "https://github.com/ada/gaps",
    "identifier": {"@type": "PropertyValue", "value": "https://doi.org/10.5281/zenodo.1234"},
    "referencePublication": [{"@type": "ScholarlyArticle", "@id": "https://doi.org/10.1145/3295500"}],
    "funder": {"@type": "Organization", "name": "DOE", "@id": "https://ror.org/01bj3aw27"},
    "funding": "DE-1",
    "author": [
        {
            "@type": "Person",
            "@id": "https://orcid.org/0000-0002-1825-0097",
            "givenName": "Ada",
            "familyName": "Lovelace",
            "affiliation": {"@id": "https://ror.org/05gvnxz63", "name": "Argonne"},
        },
        {"@type": "Organization", "name": "Engines"},
        "Babbage, Charles",
        {"@type": "Role"},
    ],
}
PYPROJECT = """\
[project]
name = "gaps"
description = "It sees gaps."
version = "3.0"
license = "BSD-3-Clause"
keywords = ["oxides"]
authors = [{name = "Ada Lovelace", email = "ada@example.org"}, {email = "x@example.org"}]
dependencies = ["numpy>=2, <3", "scipy", "dask[array]==2024.1"]

[project.urls]
"Source Code" = "https://github.com/ada/gaps"
Paper = "https://doi.org/10.1145/3295500"
"""


def relations(block: Any) -> list[tuple[str, str, str]]:
    keys = ("relatedIdentifier", "relatedIdentifierType", "relationType")
    return [(one[keys[0]], one[keys[1]], one[keys[2]]) for one in block["relatedIdentifiers"]]


def sources_of(model: ModelDescription, start: str = "/datacite") -> dict[str, str]:
    found: dict[str, str] = model.to_dict()["dlhub"].get("sources", {})
    return {key.removeprefix(f"{start}/"): value for key, value in found.items() if key.startswith(start)}


@pytest.fixture
def citation(tmp_path: Path) -> Path:
    (tmp_path / "CITATION.cff").write_text(CFF)
    return tmp_path


def test_a_citation_file_is_read(model: ModelDescription, citation: Path) -> None:
    model._datacite.pop("titles")
    found = model.set_title("m").read_citation_file(citation).to_dict()["datacite"]

    assert found["titles"] == [{"title": "Band gaps from pictures"}]
    assert found["descriptions"] == [{"description": "It sees gaps.", "descriptionType": "Abstract"}]
    assert (found["version"], found["publicationYear"]) == ("1.0", "2023")
    assert [one["name"] for one in found["creators"]] == [
        "Lovelace, Ada",
        "van Beethoven, Ludwig",
        "Analytical Engines Ltd",
    ]
    assert found["creators"][0]["nameIdentifiers"][0]["nameIdentifier"].endswith("0097")
    assert found["creators"][0]["affiliation"] == [{"name": "London"}]
    assert found["rightsList"][0]["rightsIdentifier"] == "Apache-2.0"
    assert [one["subject"] for one in found["subjects"]] == ["oxides", "gaps"]
    assert relations(found) == [
        ("10.5281/zenodo.1234", "DOI", "IsDerivedFrom"),
        ("10.5281/zenodo.9999", "DOI", "IsDerivedFrom"),
        ("https://github.com/ada/gaps", "URL", "IsDerivedFrom"),
        ("10.1145/3295500", "DOI", "IsDescribedBy"),
        ("10.1000/xyz", "DOI", "References"),
    ]
    assert set(sources_of(model).values()) == {"CITATION.cff"}
    assert {"titles", "creators", "version", "rightsList", "relatedIdentifiers/4"} <= set(sources_of(model))


def test_a_codemeta_file_is_read(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "codemeta.json").write_text(json.dumps(CODEMETA))
    found = model.read_codemeta_file(tmp_path).to_dict()["datacite"]

    assert [one["name"] for one in found["creators"]] == ["Lovelace, Ada", "Engines", "Babbage, Charles"]
    assert found["creators"][0]["affiliation"][0]["affiliationIdentifier"] == "https://ror.org/05gvnxz63"
    assert (found["version"], found["publicationYear"]) == ("2.1", "2022")
    assert found["rightsList"][0]["rightsIdentifier"] == "MIT"
    assert [one["subject"] for one in found["subjects"]] == ["oxides", "gaps", "pictures"]
    assert found["fundingReferences"] == [
        {
            "funderName": "DOE",
            "funderIdentifier": "https://ror.org/01bj3aw27",
            "funderIdentifierType": "ROR",
            "awardNumber": "DE-1",
        }
    ]
    assert [(one["relatedIdentifierType"], one["relationType"]) for one in found["relatedIdentifiers"]] == [
        ("DOI", "IsDerivedFrom"),
        ("URL", "IsDerivedFrom"),
        ("DOI", "IsDescribedBy"),
    ]
    assert set(sources_of(model).values()) == {"codemeta.json"}


def test_a_project_is_read(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    document = model.read_pyproject(tmp_path / "pyproject.toml", dependencies=True).to_dict()
    found = document["datacite"]

    assert found["creators"] == [{"name": "Ada Lovelace"}]
    assert found["rightsList"][0]["rightsIdentifier"] == "BSD-3-Clause"
    assert [(one["relatedIdentifier"], one["relationType"]) for one in found["relatedIdentifiers"]] == [
        ("https://github.com/ada/gaps", "IsDerivedFrom"),
        ("https://doi.org/10.1145/3295500", "IsDescribedBy"),
    ]
    assert document["dlhub"]["dependencies"]["python"] == {
        "numpy": ">=2,<3",
        "scipy": None,
        "dask[array]": "==2024.1",
    }
    assert sources_of(model, "/dlhub/dependencies/python")["numpy"] == "pyproject.toml"


def test_dependencies_are_only_taken_when_asked_for(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    assert model.read_pyproject(tmp_path).to_dict()["dlhub"]["dependencies"]["python"] == {}


# --- who says what ---


def test_what_the_author_said_stays(model: ModelDescription, citation: Path) -> None:
    model.set_title("Mine").set_version("7").set_publication_year(2020).add_creator("Curie, Marie")
    found = model.read_citation_file(citation, overwrite=True).to_dict()["datacite"]

    assert (found["titles"][0]["title"], found["version"], found["publicationYear"]) == ("Mine", "7", "2020")
    assert [one["name"] for one in found["creators"]] == ["Curie, Marie"]
    assert "titles" not in sources_of(model)


def test_the_first_reader_is_believed_unless_told_otherwise(model: ModelDescription, citation: Path) -> None:
    (citation / "pyproject.toml").write_text(PYPROJECT)
    model.read_citation_file(citation).read_pyproject(citation)
    assert model.to_dict()["datacite"]["version"] == "1.0"

    model.read_pyproject(citation, overwrite=True)
    assert model.to_dict()["datacite"]["version"] == "3.0"
    assert sources_of(model)["version"] == "pyproject.toml"


def test_who_says_something_later_is_its_author(model: ModelDescription, citation: Path) -> None:
    model.read_citation_file(citation).set_abstract("Mine").add_creator("Curie, Marie").set_license("MIT")
    found = model.to_dict()["datacite"]

    assert [one["name"] for one in found["creators"]] == ["Curie, Marie"]
    assert {"descriptions", "creators", "rightsList"}.isdisjoint(sources_of(model))
    assert "version" in sources_of(model)


# --- what cannot be read ---


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("CITATION.cff", "a: [", "CITATION.cff is not YAML"),
        ("CITATION.cff", "- a", "an object with named fields was expected, not a list"),
        ("CITATION.cff", "!!python/object/apply:os.system ['true']", "is not YAML"),
        ("codemeta.json", "{", "codemeta.json is not JSON"),
        ("codemeta.json", "[]", "not a list"),
        ("pyproject.toml", "[", "pyproject.toml is not TOML"),
        ("pyproject.toml", "[tool.x]", r"has no table \[project\]"),
        ("pyproject.toml", "[project]\nname='x'\ndynamic=['dependencies']", "are dynamic"),
        (
            "pyproject.toml",
            "[project]\nname='x'\ndependencies=['a; os_name==\"nt\"']",
            "for some machines only",
        ),
        (
            "pyproject.toml",
            "[project]\nname='x'\ndependencies=['a @ https://x/a.whl']",
            "comes from an address",
        ),
    ],
)
def test_a_broken_file_is_named(
    model: ModelDescription, tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(Malformed, match=complaint):
        _reader(model, name)(tmp_path)


def _reader(model: ModelDescription, name: str) -> Any:
    return {
        "CITATION.cff": model.read_citation_file,
        "codemeta.json": model.read_codemeta_file,
        "pyproject.toml": lambda path: model.read_pyproject(path, dependencies=True),
    }[name]


@pytest.mark.parametrize("name", ["CITATION.cff", "codemeta.json", "pyproject.toml"])
def test_a_file_that_is_not_there_is_named(model: ModelDescription, tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed, match=f"There is no {name} in {tmp_path}"):
        _reader(model, name)(tmp_path)
    with pytest.raises(Malformed, match="There is no file"):
        _reader(model, name)(tmp_path / "nothing")


def test_a_file_of_gigabytes_is_no_metadata(model: ModelDescription, tmp_path: Path) -> None:
    with (tmp_path / "codemeta.json").open("wb") as file:
        file.truncate(5_000_000)
    with pytest.raises(Malformed, match="more than 4,194,304 bytes"):
        model.read_codemeta_file(tmp_path)


def test_a_wrong_orcid_names_file_and_author(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "CITATION.cff").write_text(CFF.replace("0097", "0098"))
    with pytest.raises(Malformed, match=r"CITATION.cff: the author.*no ORCID"):
        model.read_citation_file(tmp_path)


def test_a_licence_in_words_stays_in_words(model: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "CITATION.cff").write_text(CFF.replace("Apache-2.0", "Ask Ada\nlicense-url: https://x.org/l"))
    found = model.read_citation_file(tmp_path).to_dict()["datacite"]
    assert found["rightsList"] == [{"rights": "Ask Ada", "rightsUri": "https://x.org/l"}]


def test_without_yaml_it_says_what_to_install(
    model: ModelDescription, citation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(Malformed, match=r"pip install 'dlhub\[describe\]'"):
        model.read_citation_file(citation)


# --- git ---


def run_git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run_git(tmp_path, "init")
    (tmp_path / "a.py").write_text("1")
    run_git(tmp_path, "add", "a.py")
    run_git(tmp_path, "commit", "-m", "first")
    run_git(tmp_path, "remote", "add", "origin", "git@github.com:ada/gaps.git")
    return tmp_path


def test_the_commit_is_recorded(model: ModelDescription, repository: Path) -> None:
    run_git(repository, "tag", "v1.4.0")
    document = model.read_git(repository).to_dict()
    state = document["dlhub"]["repository"]

    assert state["url"] == "https://github.com/ada/gaps"
    assert (state["branch"], state["tag"], state["dirty"]) == ("main", "v1.4.0", False)
    assert len(state["commit"]) == 40
    assert document["datacite"]["version"] == "1.4.0"
    assert document["datacite"]["relatedIdentifiers"][0]["relatedIdentifier"] == "https://github.com/ada/gaps"
    assert document["dlhub"]["sources"]["/dlhub/repository"] == "git"


def test_changes_are_told_or_refused(model: ModelDescription, repository: Path) -> None:
    (repository / "a.py").write_text("2")

    assert model.read_git(repository).to_dict()["dlhub"]["repository"]["dirty"] is True
    with pytest.raises(Malformed, match=r"changes that are in no commit: a\.py"):
        model.read_git(repository, allow_dirty=False)


def test_a_detached_head_has_no_branch(model: ModelDescription, repository: Path) -> None:
    run_git(repository, "checkout", "--detach")
    assert "branch" not in model.read_git(repository).to_dict()["dlhub"]["repository"]


def test_what_is_no_repository_is_said(model: ModelDescription, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no git repository, or in one without a commit"):
        model.read_git(tmp_path)


def test_a_git_that_hangs_is_given_up(
    model: ModelDescription, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(git, "TIMEOUT_S", 0.2)
    with pytest.raises(Malformed, match=r"git rev-parse in .* did not answer"):
        model.read_git(repository)


def test_without_git_it_says_so(
    model: ModelDescription, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Malformed, match="needs the program git"):
        model.read_git(repository)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:ada/gaps.git", "https://github.com/ada/gaps"),
        ("ssh://git@example.org:2222/ada/gaps.git", "https://example.org/ada/gaps"),
        ("https://user:secret@example.org:8443/ada/gaps", "https://example.org:8443/ada/gaps"),
        ("http://example.org/gaps?token=x", "http://example.org/gaps"),
        ("/srv/git/gaps.git", None),
        ("file:///srv/git/gaps.git", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_told_without_passwords(remote: str | None, expected: str | None) -> None:
    assert git.public_address(remote) == expected
