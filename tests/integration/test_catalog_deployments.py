"""Deployments, sites, and what they should serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from catalog_stage import Stage, new_task, open_stage

from proto_msgs.errors import Malformed, NotFound
from proto_msgs.health import AskCatalog
from proto_msgs.sites import (
    Deployment,
    DeploymentChanged,
    GetDeployments,
    ListWishes,
    PutDeployments,
    RegisterSite,
    SiteLimits,
    Wish,
)
from proto_msgs.tasks import CancelTask, CreateTasks


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


async def _put(stage: Stage, *deployments: Deployment, name: str = "ada/model") -> None:
    await stage.ask(PutDeployments(servable=name, deployments=deployments))


async def _wishes(stage: Stage, *version_ids: str, accepts_defaults: bool = True) -> list[Wish]:
    request = ListWishes(site="here", accepts_defaults=accepts_defaults, version_ids=version_ids)
    return list((await stage.ask(request)).items)


async def test_a_new_servable_has_no_deployments(stage: Stage) -> None:
    await stage.publish()
    assert (await stage.ask(GetDeployments(servable="ada/model"))).deployments == ()


async def test_no_site_is_wished_to_serve_a_pipeline(stage: Stage) -> None:
    published = await stage.publish(kind="Pipeline")
    await _put(stage, Deployment(min_replicas=2))
    await stage.ask(CreateTasks(tasks=(new_task("t", version_id=published.version_id),)))
    assert await _wishes(stage, published.version_id) == []


async def test_deployments_are_replaced_and_sites_hear_it(stage: Stage) -> None:
    await stage.publish()
    await _put(stage, Deployment(site="here", min_replicas=2))
    await _put(stage, Deployment(site="there"))
    stored = await stage.ask(GetDeployments(servable="ada/model"))
    assert stored.deployments == (Deployment(site="there"),)
    assert (await stage.heard(DeploymentChanged)).servable == "ada/model"


async def test_deployments_outlive_a_new_version(stage: Stage) -> None:
    await stage.publish()
    await _put(stage, Deployment(site="here"))
    await stage.publish(archive=2)
    assert (await stage.ask(GetDeployments(servable="ada/model"))).deployments


async def test_bad_deployments_are_refused(stage: Stage) -> None:
    with pytest.raises(NotFound, match="ada/model"):
        await _put(stage, Deployment())
    with pytest.raises(NotFound, match="ada/model"):
        await stage.ask(GetDeployments(servable="ada/model"))
    await stage.publish()
    with pytest.raises(NotFound, match="ada/model@7"):
        await _put(stage, Deployment(pinned=7))
    with pytest.raises(Malformed):
        await _put(stage, Deployment(), Deployment())


async def test_nothing_is_wished_unasked_by_default(stage: Stage) -> None:
    await stage.publish_ready()
    assert await _wishes(stage) == []


async def test_an_asked_version_comes_back_with_the_default_deployment(stage: Stage) -> None:
    published = await stage.publish_ready()
    (wish,) = await _wishes(stage, published.version_id)
    assert (wish.version.version_id, wish.deployment) == (published.version_id, Deployment())
    assert not wish.pending_tasks
    assert await _wishes(stage, published.version_id, accepts_defaults=False) == []


async def test_a_version_that_is_not_ready_is_not_served(stage: Stage) -> None:
    published = await stage.publish()
    assert await _wishes(stage, published.version_id, "unknown") == []


async def test_the_newest_ready_version_is_kept_warm(stage: Stage) -> None:
    await stage.publish_ready()
    second = await stage.publish_ready(archive=2)
    await stage.publish(archive=3)
    await _put(stage, Deployment(site="here", min_replicas=2))
    (wish,) = await _wishes(stage, accepts_defaults=False)
    assert (wish.version.version_id, wish.deployment.min_replicas) == (second.version_id, 2)


async def test_a_pinned_version_is_kept_warm(stage: Stage) -> None:
    first = await stage.publish_ready()
    await stage.publish_ready(archive=2)
    await _put(stage, Deployment(pinned=1, min_replicas=1))
    (wish,) = await _wishes(stage)
    assert wish.version.version_id == first.version_id


async def test_a_deployment_elsewhere_is_no_wish_here(stage: Stage) -> None:
    published = await stage.publish_ready()
    await _put(stage, Deployment(site="there", min_replicas=1))
    assert await _wishes(stage, published.version_id) == []


async def test_versions_with_waiting_tasks_are_wished(stage: Stage) -> None:
    published = await stage.publish_ready()
    task = new_task("t", version_id=published.version_id)
    await stage.ask(CreateTasks(tasks=(task,)))
    (wish,) = await _wishes(stage)
    assert (wish.version.version_id, wish.pending_tasks) == (published.version_id, True)
    await stage.ask(CancelTask(task_id="t"))
    assert await _wishes(stage) == []


async def test_a_site_registers_as_often_as_it_likes(stage: Stage) -> None:
    limits = SiteLimits(max_replicas=4, max_replicas_per_version=2)
    for instance in ("one", "two"):
        await stage.ask(
            RegisterSite(
                site="here",
                instance=instance,
                accepts_defaults=True,
                environment_kinds=("venv",),
                limits=limits,
            )
        )
    site = await stage.deps.store.sites.get("here")
    assert site
    assert (site.instance, site.limits) == ("two", limits)


async def test_a_healthy_catalog_misses_nothing(stage: Stage) -> None:
    assert (await stage.ask(AskCatalog())).missing == ()
