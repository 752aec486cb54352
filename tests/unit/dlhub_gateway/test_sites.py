"""Heartbeats, and what they say about who could serve what."""

from __future__ import annotations

from typing import Any

import pytest

from dlhub_gateway.sites import SiteBook
from proto_msgs.sites import Deployment, ServedVersion, SiteHeartbeat, SiteLimits


def beat(site: str = "lab", **changes: Any) -> SiteHeartbeat:
    fields: dict[str, Any] = {
        "site": site,
        "instance": "i1",
        "accepts_defaults": True,
        "environment_kinds": ("venv",),
    }
    return SiteHeartbeat(**{**fields, **changes})


def served(version_id: str, ready: int) -> ServedVersion:
    return ServedVersion(
        version_id=version_id, servable="ada/x", ready=ready, starting=0, running=0, waiting=0
    )


@pytest.fixture
def book() -> SiteBook:
    """One that has listened for long enough."""
    book = SiteBook()
    book._listening_since = -1000.0
    return book


def test_a_new_book_gives_sites_the_benefit_of_the_doubt() -> None:
    assert SiteBook().may_serve("v", "venv", ())


def test_silence_for_long_enough_means_that_nobody_is_there(book: SiteBook) -> None:
    assert not book.may_serve("v", "venv", ())


def test_after_a_lost_connection_listening_starts_again(book: SiteBook) -> None:
    book.start_over()
    assert book.may_serve("v", "venv", ())


@pytest.mark.parametrize(
    ("changes", "deployments", "expected"),
    [
        ({}, (), True),
        ({"accepts_defaults": False}, (), False),
        ({"environment_kinds": ("docker",)}, (), False),
        ({}, (Deployment(site="cluster"),), False),
        ({}, (Deployment(site="lab"),), True),
        ({"accepts_defaults": False}, (Deployment(site="lab"),), True),
        ({}, (Deployment(site=None, min_replicas=1),), True),
        ({"accepts_defaults": False}, (Deployment(site=None),), False),
        ({"accepts_defaults": False, "served": (served("v", 0),)}, (), True),
        ({"accepts_defaults": False, "served": (served("v", 1),)}, (), True),
    ],
)
def test_who_could_serve(
    book: SiteBook, changes: dict[str, Any], deployments: tuple[Deployment, ...], expected: bool
) -> None:
    book.hear(beat(**changes))
    assert book.may_serve("v", "venv", deployments) is expected


def test_only_loaded_replicas_count_as_ready(book: SiteBook) -> None:
    book.hear(beat(served=(served("a", 1), served("b", 0))))
    assert book.ready == {"a"}


def test_a_site_that_stops_is_gone(book: SiteBook) -> None:
    book.hear(beat(served=(served("a", 1),)))
    book.hear(beat(stopping=True))
    assert (book.live(), book.ready) == ([], frozenset())


def test_one_task_manager_that_stops_leaves_the_other(book: SiteBook) -> None:
    book.hear(beat(instance="old"))
    book.hear(beat(instance="new"))
    book.hear(beat(instance="old", stopping=True))
    assert book.names() == ["lab"]


def test_a_site_that_falls_silent_is_gone() -> None:
    book = SiteBook(live_s=-1.0)
    book.hear(beat(served=(served("a", 1),)))
    book.refresh()
    assert (book.live(), book.ready) == ([], frozenset())


def test_the_number_of_sites_is_bounded(book: SiteBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.sites.MAX_SITES", 1)
    book.hear(beat("a"))
    book.hear(beat("b"))
    assert book.names() == ["a"]


# --- what decides how a large input is cut ---


def test_nobody_has_measured_a_pace(book: SiteBook) -> None:
    book.hear(beat(served=(served("v", 1),)))
    assert book.item_s("v", "run") is None


def test_the_slowest_site_counts(book: SiteBook) -> None:
    for site, item_s in (("lab", 0.2), ("cluster", 0.1)):
        book.hear(beat(site, served=(served("v", 1).model_copy(update={"item_s": {"run": item_s}}),)))
    assert book.item_s("v", "run") == 0.2
    assert book.item_s("v", "explain") is None
    assert book.item_s("other", "run") is None


@pytest.mark.parametrize(
    ("deployments", "replicas"),
    [
        ((), 4 + 3),  # each site's limit per version, or of the whole site where that is less
        ((Deployment(site="lab", max_replicas=10),), 10),
        ((Deployment(site="lab", max_replicas=2), Deployment(site=None)), 2 + 3),
        ((Deployment(site=None, max_replicas=2),), 2 + 2),
        ((Deployment(site="moon"),), 0),
    ],
)
def test_replicas_that_there_could_be(
    book: SiteBook, deployments: tuple[Deployment, ...], replicas: int
) -> None:
    book.hear(beat("lab", limits=SiteLimits(max_replicas=16, max_replicas_per_version=4)))
    book.hear(beat("cluster", limits=SiteLimits(max_replicas=3, max_replicas_per_version=4)))
    assert book.most_replicas("v", "venv", deployments) == replicas


def test_a_site_that_tells_no_limits_counts_with_what_it_has(book: SiteBook) -> None:
    book.hear(beat(served=(served("v", 2), served("other", 5))))
    assert book.most_replicas("v", "venv", ()) == 2
