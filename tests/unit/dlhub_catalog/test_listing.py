"""By which words and to which people a servable is shown."""

from __future__ import annotations

from datetime import UTC, datetime

from catalog_stage import description

from dlhub_catalog import listing
from proto_msgs.identity import Access

PUBLIC = Access(owner="ada@local", maintainers=("team",), visible_to=("public",))


def test_joined_names_are_found_by_their_parts() -> None:
    words = listing.words("ada/bulk_modulus", description("bulk_modulus"))
    assert "bulk modulus" in words["name"]
    assert "ada/bulk_modulus" in words["name"]


def test_subjects_and_tags_are_topics() -> None:
    described = description(tags=["elastic"], domains=["materials science"])
    words = listing.words("ada/model", described)
    assert "elastic" in words["topics"]
    assert "materials science" in words["topics"]


def test_a_version_that_is_not_ready_is_shown_to_maintainers_only() -> None:
    assert listing.seen_by(PUBLIC, "building") == ("ada@local", "team")


def test_a_ready_version_is_shown_to_all_it_is_visible_to() -> None:
    assert listing.seen_by(PUBLIC, "ready") == ("ada@local", "team", "public")


def test_the_summary_names_creators_as_datacite_does() -> None:
    shown = listing.summary(
        description(creators=("Lovelace, Ada", "Byron, George")),
        servable="ada/model",
        number=1,
        version_id="v",
        status="ready",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert shown.creators == ("Lovelace, Ada", "Byron, George")
    assert shown.methods == ("run",)
