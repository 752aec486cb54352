"""Builds, their leases and their logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from catalog_stage import ADA, ADMIN, BOB, Stage, environment, open_stage

from dlhub_catalog.sweeper import sweep_builds
from proto_msgs.builds import (
    BuildCancelled,
    BuildJob,
    BuildProgress,
    BuildQueued,
    CancelBuild,
    ClaimBuild,
    FinishBuild,
    GetBuild,
    GetBuildLog,
    ListBuilds,
    LogLine,
    ReportBuild,
)
from proto_msgs.errors import Conflict, Failure, Forbidden, Malformed, NotFound
from proto_msgs.servables import GetVersion, VersionReady

FAILURE = Failure(code="build_failed", message="no such package", details={"step": "lock", "n": 2**63})


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


async def _claim(stage: Stage, builder: str = "b") -> BuildJob:
    job = (await stage.ask(ClaimBuild(builder=builder))).job
    assert job
    return job


async def _report(stage: Stage, job: BuildJob, *texts: str, step: str = "lock", first: int = 0) -> str:
    lines = tuple(LogLine(seq=first + i, at=1.0, step=step, text=text) for i, text in enumerate(texts))
    request = ReportBuild(build_id=job.build_id, lease=job.lease, step=step, lines=lines)
    return (await stage.ask(request)).status


async def _log(stage: Stage, build_id: str, after: int = 0) -> list[tuple[int, str]]:
    log = await stage.ask(GetBuildLog(build_id=build_id, after=after))
    return [(line.seq, line.text) for line in log.lines]


async def _status(stage: Stage, build_id: str) -> str:
    return (await stage.ask(GetBuild(build_id=build_id))).status


async def _lose(stage: Stage, build_id: str) -> None:
    """Let the lease of a build run out."""
    past = {"lease_until": datetime.now(UTC) - timedelta(seconds=1)}
    await stage.database.builds.update_one({"_id": build_id}, {"$set": past})
    await sweep_builds(stage.deps)


async def _finish(stage: Stage, job: BuildJob, **fields: Any) -> str:
    outcome = fields or {"environment": environment()}
    request = FinishBuild(build_id=job.build_id, lease=job.lease, **outcome)
    return (await stage.ask(request)).status


async def test_the_oldest_build_is_claimed_first(stage: Stage) -> None:
    first = await stage.publish("a")
    second = await stage.publish("b")
    jobs = [await _claim(stage), await _claim(stage)]
    assert [job.build_id for job in jobs] == [first.build_id, second.build_id]
    assert jobs[0].description.dlhub.name == "a"


async def test_without_work_a_claim_gives_nothing(stage: Stage) -> None:
    assert (await stage.ask(ClaimBuild(builder="b"))).job is None


async def test_two_builders_never_get_the_same_build(stage: Stage) -> None:
    await stage.publish()
    claims = await asyncio.gather(*(stage.ask(ClaimBuild(builder=f"{n}")) for n in range(8)))
    assert sum(claim.job is not None for claim in claims) == 1


async def test_a_report_renews_the_lease_and_names_the_step(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    past = {"lease_until": datetime.now(UTC) - timedelta(seconds=1)}
    await stage.database.builds.update_one({}, {"$set": past})
    await _report(stage, job, step="wheels")
    await sweep_builds(stage.deps)
    build = await stage.ask(GetBuild(build_id=job.build_id))
    assert (build.status, build.step) == ("building", "wheels")


async def test_a_repeated_report_adds_no_lines_twice(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    await _report(stage, job, "one", "two")
    await _report(stage, job, "one", "two", "three")
    assert await _log(stage, job.build_id) == [(0, "one"), (1, "two"), (2, "three")]
    assert await _log(stage, job.build_id, after=2) == [(2, "three")]


async def test_a_log_is_given_in_pages_of_a_thousand_lines(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    await _report(stage, job, *("x" for _ in range(1200)))
    assert len(await _log(stage, job.build_id)) == 1000
    assert len(await _log(stage, job.build_id, after=1000)) == 200


async def test_an_endless_log_is_cut(mongod: Any) -> None:
    async with open_stage(mongod.url, build_log_lines=3) as stage:
        await stage.publish()
        job = await _claim(stage)
        await _report(stage, job, "a", "b", "c", "d", "e")
        texts = [text for _, text in await _log(stage, job.build_id)]
        assert texts == ["a", "b", "(the log is cut here, after 3 lines)"]


async def test_followers_hear_of_progress(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    assert (await stage.heard(BuildProgress)).status == "building"
    await _report(stage, job, "one", step="lock")
    assert (await stage.heard(BuildProgress)).step == "lock"


async def test_a_finished_build_makes_its_version_ready(stage: Stage) -> None:
    published = await stage.publish()
    assert await _finish(stage, await _claim(stage)) == "succeeded"
    version = await stage.ask(GetVersion(version_id=published.version_id))
    assert (version.status, version.environment) == ("ready", environment())
    assert (await stage.heard(VersionReady)).version_id == published.version_id


async def test_a_failed_build_says_why_and_fails_its_version(stage: Stage) -> None:
    published = await stage.publish()
    assert await _finish(stage, await _claim(stage), failure=FAILURE) == "failed"
    build = await stage.ask(GetBuild(build_id=published.build_id))
    assert build.failure == FAILURE
    assert build.finished_at
    assert (await stage.ask(GetVersion(version_id=published.version_id))).status == "failed"


async def test_finishing_twice_is_finishing_once(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    assert await _finish(stage, job) == "succeeded"
    assert await _finish(stage, job, failure=FAILURE) == "succeeded"


async def test_a_build_ends_with_something(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    with pytest.raises(Malformed, match="neither"):
        await stage.ask(FinishBuild(build_id=job.build_id, lease=job.lease))


async def test_a_builder_that_falls_silent_loses_its_build_to_another(stage: Stage) -> None:
    await stage.publish()
    lost = await _claim(stage)
    await _report(stage, lost, "first try")
    await stage.heard(BuildQueued)
    await _lose(stage, lost.build_id)
    assert (await stage.heard(BuildQueued)).build_id == lost.build_id
    with pytest.raises(Conflict, match="lease"):
        await _report(stage, lost, "too late")
    taken_over = await _claim(stage, "other")
    await _report(stage, taken_over, "second try")
    with pytest.raises(Conflict, match="lease"):
        await _finish(stage, lost)
    assert await _log(stage, lost.build_id) == [(0, "first try"), (1, "second try")]


async def test_a_build_whose_builder_died_twice_has_failed(stage: Stage) -> None:
    published = await stage.publish()
    for _ in range(2):
        job = await _claim(stage)
        await _report(stage, job, step="smoke test")
        await _lose(stage, job.build_id)
    build = await stage.ask(GetBuild(build_id=published.build_id))
    assert build.failure
    assert (build.status, build.failure.code) == ("failed", "build_failed")
    assert "the builder died twice" in build.failure.message
    assert build.failure.details == {"step": "smoke test"}
    assert (await stage.ask(GetVersion(version_id=published.version_id))).status == "failed"


async def test_a_queued_build_is_cancelled(stage: Stage) -> None:
    published = await stage.publish()
    build = await stage.ask(CancelBuild(caller=ADA, build_id=published.build_id))
    assert build.status == "cancelled"
    assert (await stage.ask(ClaimBuild(builder="b"))).job is None
    assert (await stage.ask(GetVersion(version_id=published.version_id))).status == "failed"


async def test_a_builder_learns_of_a_cancel(stage: Stage) -> None:
    await stage.publish()
    job = await _claim(stage)
    await stage.ask(CancelBuild(caller=ADA, build_id=job.build_id))
    assert (await stage.heard(BuildCancelled)).build_id == job.build_id
    assert await _report(stage, job, "stopping") == "cancelled"
    assert await _finish(stage, job) == "cancelled"
    assert await _log(stage, job.build_id) == [(0, "stopping")]


async def test_an_ended_build_stays_as_it_is_when_cancelled(stage: Stage) -> None:
    published = await stage.publish_ready()
    build = await stage.ask(CancelBuild(caller=ADA, build_id=published.build_id))
    assert build.status == "succeeded"


async def test_who_may_not_cancel(stage: Stage) -> None:
    shown = await stage.publish_ready("shown", visible_to=["public"])
    hidden = await stage.publish("hidden")
    with pytest.raises(NotFound):
        await stage.ask(CancelBuild(caller=BOB, build_id=hidden.build_id))
    with pytest.raises(Forbidden, match="maintainers"):
        await stage.ask(CancelBuild(caller=BOB, build_id=shown.build_id))
    assert (await stage.ask(CancelBuild(caller=ADMIN, build_id=hidden.build_id))).status == "cancelled"


async def test_people_see_their_own_builds_and_administrators_all(stage: Stage) -> None:
    first = await stage.publish("a")
    second = await stage.publish("b")
    third = await stage.publish("c", caller=BOB)
    mine = (await stage.ask(ListBuilds(caller=ADA))).items
    assert [build.build_id for build in mine] == [second.build_id, first.build_id]
    newest = (await stage.ask(ListBuilds(caller=ADMIN, limit=1))).items
    assert [build.build_id for build in newest] == [third.build_id]


async def test_an_unknown_build_is_not_found(stage: Stage) -> None:
    for request in (GetBuild(build_id="x"), GetBuildLog(build_id="x"), CancelBuild(caller=ADA, build_id="x")):
        with pytest.raises(NotFound, match="no build x"):
            await stage.ask(request)
