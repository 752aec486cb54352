"""Cursors of a search."""

from __future__ import annotations

import pytest

from dlhub_catalog.store.search import Place
from proto_msgs.errors import Malformed


@pytest.mark.parametrize("place", [Place(1.0 / 3, "ada/model"), Place(1.7e12, "ünï/ço-de"), Place(0.0, "")])
def test_a_cursor_leads_back_to_its_place(place: Place) -> None:
    assert Place.of_cursor(place.cursor()) == place


@pytest.mark.parametrize("cursor", ["x", "!!!", "AAAA", "wA", "kw", "ö", "gahhYmM"])
def test_a_made_up_cursor_is_malformed(cursor: str) -> None:
    with pytest.raises(Malformed, match="cursor"):
        Place.of_cursor(cursor)
