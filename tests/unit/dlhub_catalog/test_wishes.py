"""Which deployment makes a site serve a version."""

from __future__ import annotations

import pytest

from dlhub_catalog.wishes import Asker, applicable, warm_numbers
from proto_msgs.sites import Deployment

HERE = Asker("here", accepts_defaults=True)
PICKY = Asker("here", accepts_defaults=False)


def test_without_deployments_a_site_that_accepts_defaults_serves_it() -> None:
    assert applicable((), 1, 1, HERE) == Deployment()


def test_without_deployments_a_picky_site_does_not() -> None:
    assert applicable((), 1, 1, PICKY) is None


def test_a_deployment_elsewhere_keeps_the_default_one_away() -> None:
    assert applicable((Deployment(site="there"),), 1, 1, HERE) is None


def test_a_site_that_is_named_serves_it() -> None:
    assert applicable((Deployment(site="here", max_replicas=3),), 1, 1, PICKY) is not None


def test_a_pin_to_another_version_does_not_fit() -> None:
    assert applicable((Deployment(pinned=2),), 1, 2, HERE) is None


def test_the_pin_is_preferred_to_the_site() -> None:
    pinned, named = Deployment(pinned=2, idle_s=1), Deployment(site="here", idle_s=2)
    assert applicable((named, pinned), 2, 2, HERE) == pinned


def test_the_named_site_is_preferred_to_all_sites() -> None:
    anywhere, named = Deployment(idle_s=1), Deployment(site="here", idle_s=2)
    assert applicable((anywhere, named), 2, 2, HERE) == named


@pytest.mark.parametrize(("number", "replicas"), [(1, 0), (2, 4)])
def test_only_the_newest_version_is_kept_warm(number: int, replicas: int) -> None:
    deployment = applicable((Deployment(min_replicas=4),), number, 2, HERE)
    assert deployment
    assert deployment.min_replicas == replicas


def test_warm_numbers_follow_pins_and_the_newest_version() -> None:
    deployments = (
        Deployment(min_replicas=1),
        Deployment(pinned=1, min_replicas=1),
        Deployment(pinned=3),
        Deployment(site="there", min_replicas=1),
    )
    assert warm_numbers(deployments, 5, HERE) == [5, 1]


def test_nothing_is_warm_before_a_version_is_ready() -> None:
    assert warm_numbers((Deployment(min_replicas=1),), None, HERE) == []
