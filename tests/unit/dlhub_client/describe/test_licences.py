"""Licences of the SPDX list."""

from __future__ import annotations

import pytest

from dlhub_client.describe.licences import rights_of
from dlhub_client.errors import Malformed


@pytest.mark.parametrize(
    ("given", "identifier"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("apache-2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("https://spdx.org/licenses/CC-BY-4.0", "CC-BY-4.0"),
        ("https://spdx.org/licenses/CC-BY-4.0.html", "CC-BY-4.0"),
        ("CNRI-Python-GPL-1.0-Compatible", "CNRI-Python-GPL-1.0-Compatible"),
    ],
)
def test_a_licence_is_known_by_its_identifier(given: str, identifier: str) -> None:
    (block,) = rights_of(given)
    assert block["rightsIdentifier"] == identifier
    assert block["rightsUri"] == f"https://spdx.org/licenses/{identifier}.html"


def test_an_expression_stays_as_it_is() -> None:
    assert rights_of("MIT OR Apache-2.0") == [{"rights": "MIT OR Apache-2.0"}]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("Apache 2", "did you mean 'Apache-2.0'"),
        ("BSD", "did you mean '.*BSD"),
        ("what you like", "no identifier of the SPDX list"),
        ("MIT OR what you like", "'what you like' is no identifier"),
    ],
)
def test_what_is_no_identifier_is_told_the_nearest(given: str, hint: str) -> None:
    with pytest.raises(Malformed, match=hint):
        rights_of(given)
