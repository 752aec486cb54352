"""What the header Accept prefers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlhub_gateway.media.accept import choose, is_plain

OFFERS = ("application/json", "application/msgpack", "image/png", "image/tiff")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("*/*", "application/json"),
        ("image/*", "image/png"),
        ("image/*, image/tiff", "image/tiff"),
        ("image/png, application/json", "image/png"),
        ("application/json, image/png", "application/json"),
        ("image/png;q=0.4, application/json;q=0.5", "application/json"),
        ("image/png; q=0.5, */*; q=0.1", "image/png"),
        ("image/tiff;level=1;q=0.9, image/png;q=0.8", "image/tiff"),
        ("text/html, */*;q=0.8", "application/json"),
        ("*/*, application/json;q=0", "application/msgpack"),
        ("image/*, image/png;q=0.1", "image/tiff"),
        ("image/png;q=0", None),
        ("image/png;q=x", None),
        ("image/png;q=2", None),
        ("text/html", None),
        ("", None),
        ("image", None),
    ],
)
def test_the_preferred_form_is_chosen(accept: str, expected: str | None) -> None:
    assert choose(accept, OFFERS) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, True),
        ("*/*", True),
        ("application/json", True),
        ("application/msgpack, application/problem+json", True),
        ("application/json;q=0.2, */*", True),
        ("application/problem+json", False),
        ("application/json, image/png", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_plain_wishes_are_told_from_others(accept: str | None, expected: bool) -> None:
    assert is_plain(accept) is expected


@given(st.text(max_size=60))
def test_whatever_comes_is_chosen_from_what_is_offered(accept: str) -> None:
    assert choose(accept, OFFERS) in (*OFFERS, None)
