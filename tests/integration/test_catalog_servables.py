"""Publishing and resolving versions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from catalog_stage import ADA, ADMIN, BOB, Stage, environment, open_stage

from proto_msgs.builds import BuildQueued, CancelBuild, GetBuild
from proto_msgs.errors import Forbidden, NotFound
from proto_msgs.servables import (
    GetVersion,
    ListVersions,
    ResolveVersion,
    SearchServables,
    ServableChanged,
    SetAccess,
    VersionReady,
    VersionRecord,
)


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


async def _resolve(stage: Stage, version: str | None = None, name: str = "model") -> VersionRecord:
    return await stage.ask(ResolveVersion(owner="ada", name=name, version=version))


async def test_the_first_version_is_number_one_with_a_queued_build(stage: Stage) -> None:
    published = await stage.publish()
    assert (published.servable, published.version, published.created) == ("ada/model", 1, True)
    assert (await stage.ask(GetBuild(build_id=published.build_id))).status == "queued"
    assert (await stage.heard(BuildQueued)).build_id == published.build_id


async def test_a_pipeline_is_ready_at_once_and_nothing_is_built(stage: Stage) -> None:
    published = await stage.publish(kind="Pipeline")
    assert (published.status, published.build_id, published.created) == ("ready", "", True)
    assert (await stage.heard(VersionReady)).version_id == published.version_id
    assert stage.unheard(BuildQueued) == 0
    assert await stage.database.builds.count_documents({}) == 0
    again = await stage.publish(kind="Pipeline")
    assert (again.version_id, again.created) == (published.version_id, False)
    assert (await _resolve(stage)).is_pipeline


async def test_a_name_means_its_newest_version_be_it_a_pipeline_or_not(stage: Stage) -> None:
    await stage.publish_ready()
    await stage.publish(kind="Pipeline")
    assert (await _resolve(stage)).is_pipeline
    await stage.publish_ready(archive=3)
    assert (await _resolve(stage)).number == 3


async def test_the_same_content_is_the_same_version(stage: Stage) -> None:
    first = await stage.publish_ready()
    again = await stage.publish()
    assert again.created is False
    assert (again.version_id, again.status) == (first.version_id, "ready")


@pytest.mark.parametrize("change", [{"archive": 2}, {"title": "Another title"}])
async def test_other_content_is_the_next_version(stage: Stage, change: dict[str, Any]) -> None:
    await stage.publish()
    second = await stage.publish(**change)
    assert (second.version, second.created) == (2, True)


async def test_after_a_failure_the_same_content_is_a_new_version(stage: Stage) -> None:
    first = await stage.publish()
    await stage.ask(CancelBuild(caller=ADA, build_id=first.build_id))
    second = await stage.publish()
    assert (second.version, second.created) == (2, True)


async def test_simultaneous_identical_publishes_give_one_version(stage: Stage) -> None:
    published = await asyncio.gather(*(stage.publish() for _ in range(8)))
    assert {p.version_id for p in published} == {published[0].version_id}
    assert sum(p.created for p in published) == 1
    assert await stage.database.builds.count_documents({}) == 1


async def test_simultaneous_different_publishes_are_numbered_without_gaps(stage: Stage) -> None:
    published = await asyncio.gather(*(stage.publish(archive=number) for number in range(1, 7)))
    assert sorted(p.version for p in published) == [1, 2, 3, 4, 5, 6]


async def test_nobody_publishes_into_a_servable_of_another(stage: Stage) -> None:
    await stage.publish()
    imposter = BOB.model_copy(update={"namespace": "ada"})
    with pytest.raises(Forbidden, match="ada@local"):
        await stage.publish(caller=imposter)


async def test_a_name_means_the_newest_ready_version(stage: Stage) -> None:
    ready = await stage.publish_ready()
    await stage.publish(archive=2)
    assert (await _resolve(stage)).version_id == ready.version_id


async def test_a_name_means_the_newest_version_when_none_is_ready(stage: Stage) -> None:
    await stage.publish()
    second = await stage.publish(archive=2)
    assert (await _resolve(stage)).version_id == second.version_id


async def test_a_version_is_found_by_number_and_by_uuid(stage: Stage) -> None:
    first = await stage.publish()
    await stage.publish(archive=2)
    assert (await _resolve(stage, "1")).version_id == first.version_id
    assert (await _resolve(stage, first.version_id)).number == 1
    assert (await stage.ask(GetVersion(version_id=first.version_id))).number == 1


@pytest.mark.parametrize("version", ["3", "0", "-1", "x", "9" * 30])
async def test_an_unknown_version_is_not_found(stage: Stage, version: str) -> None:
    await stage.publish()
    with pytest.raises(NotFound, match=f"ada/model@{version}"):
        await _resolve(stage, version)


async def test_an_unknown_servable_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound, match="ada/nothing"):
        await _resolve(stage, name="nothing")
    with pytest.raises(NotFound):
        await stage.ask(ListVersions(owner="ada", name="nothing"))
    with pytest.raises(NotFound):
        await stage.ask(GetVersion(version_id="nothing"))


async def test_versions_are_listed_newest_first(stage: Stage) -> None:
    await stage.publish_ready()
    await stage.publish(archive=2)
    items = (await stage.ask(ListVersions(owner="ada", name="model"))).items
    assert [(item.number, item.status) for item in items] == [(2, "building"), (1, "ready")]


async def test_a_ready_version_has_its_environment_and_description(stage: Stage) -> None:
    await stage.publish_ready(tags=["a.b", "$c"], visible_to=["public"])
    record = await _resolve(stage)
    assert record.environment == environment()
    assert record.description.dlhub.tags == ("a.b", "$c")
    assert record.created_at.tzinfo is not None


async def test_descriptions_hold_what_bson_cannot(stage: Stage) -> None:
    strange = {"$ref": "x", "$id": 1, "a.b": 2**64 - 1, "": float("inf")}
    await stage.publish(strange=strange)
    extra = (await _resolve(stage)).description.dlhub.__pydantic_extra__ or {}
    assert extra["strange"] == strange


async def test_the_newest_description_decides_who_may_use_all_versions(stage: Stage) -> None:
    first = await stage.publish_ready(visible_to=["public"])
    assert (await stage.ask(GetVersion(version_id=first.version_id))).access.may_run(BOB)
    await stage.publish(archive=2, visible_to=[])
    record = await stage.ask(GetVersion(version_id=first.version_id))
    assert not record.access.may_discover(BOB)
    assert record.access.may_run(ADA)
    assert record.access.may_run(ADMIN)


async def test_who_remembers_access_hears_of_a_new_version(stage: Stage) -> None:
    await stage.publish()
    await stage.publish(archive=2)
    assert (await stage.heard(ServableChanged)).servable == "ada/model"


async def test_access_is_changed_for_all_versions(stage: Stage) -> None:
    first = await stage.publish_ready(visible_to=[])
    await stage.publish_ready(archive=2, visible_to=[])
    wanted = SetAccess(servable="ada/model", visible_to=("bob@local", "public"), runnable_by=("bob@local",))
    changed = await stage.ask(wanted)
    assert (changed.visible_to, changed.runnable_by) == (("bob@local", "public"), ("bob@local",))
    assert (await stage.heard(ServableChanged)).servable == "ada/model"
    access = (await stage.ask(GetVersion(version_id=first.version_id))).access
    assert access.owner == ADA.identity
    assert access.may_run(BOB)
    assert (await stage.ask(SearchServables(caller=BOB))).total == 1
    await stage.ask(SetAccess(servable="ada/model", visible_to=()))
    assert (await stage.ask(SearchServables(caller=BOB))).total == 0
    assert (await stage.ask(SearchServables(caller=ADA))).total == 1


async def test_access_of_what_there_is_not_cannot_be_changed(stage: Stage) -> None:
    with pytest.raises(NotFound, match="ada/other"):
        await stage.ask(SetAccess(servable="ada/other", visible_to=()))


async def test_publishing_the_same_again_takes_back_what_was_shared(stage: Stage) -> None:
    first = await stage.publish_ready(visible_to=[])
    await stage.ask(SetAccess(servable="ada/model", visible_to=("public",)))
    await stage.heard(ServableChanged)
    again = await stage.publish(visible_to=[])
    assert again.version_id == first.version_id
    assert (await stage.heard(ServableChanged)).version_id == first.version_id
    assert not (await _resolve(stage)).access.may_discover(BOB)
    assert (await stage.ask(SearchServables(caller=BOB))).total == 0


async def test_publishing_the_same_again_is_no_news(stage: Stage) -> None:
    await stage.publish_ready()
    await stage.publish()
    assert stage.unheard(ServableChanged) == 0


async def test_every_document_has_a_schema_version(stage: Stage) -> None:
    await stage.publish_ready()
    for name in ("users", "tokens", "servables", "versions", "builds"):
        stored = await stage.database[name].find_one({})
        assert stored["schema_version"] == 1, name
