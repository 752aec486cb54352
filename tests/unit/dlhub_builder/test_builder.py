"""A builder between a catalog that hands out builds and a build library that does them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dlhub_build.build import Built
from dlhub_build.venv import EnvironmentPaths
from dlhub_builder import handlers
from dlhub_builder.service import Worker
from dlhub_builder.settings import Settings
from dlhub_bus import Bus, MemoryBroker, MemoryTransport
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import BlobRef
from proto_msgs.builds import (
    BuildCancelled,
    BuildJob,
    BuildQueued,
    BuildState,
    BuildStatus,
    ClaimBuild,
    ClaimedBuild,
    FinishBuild,
    ReportBuild,
)
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed, Conflict
from proto_msgs.health import AskBuilder
from proto_msgs.topics import service_queue

DESCRIPTION = Description.model_validate(
    {
        "datacite": {"titles": [{"title": "Test"}]},
        "dlhub": {"name": "test"},
        "servable": {
            "type": "Python static method",
            "methods": {"run": {"input": {"type": "string"}, "output": {"type": "string"}}},
        },
    }
)
ARCHIVE = BlobRef(sha256="0" * 64, size_bytes=1)
ENVIRONMENT = Environment(kind="venv", key="k", python="3.11", lock="", archive=ARCHIVE)
BUILT = Built(ENVIRONMENT, EnvironmentPaths(Path("p"), Path("f"), Path("s")), "3.11.7", (), {"lock": 0.1})

Build = Callable[[Any], Awaitable[Built]]


class Catalog:
    """Hands out builds and notes what becomes of them."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.lines: dict[str, list[str]] = {}
        self.steps: list[str] = []
        self.verdicts: asyncio.Queue[FinishBuild] = asyncio.Queue()
        self.status: BuildStatus = "building"
        self.lease_lost = False
        self.refuse_verdicts = 0

    async def claim(self, _: ClaimBuild) -> ClaimedBuild:
        if not self.waiting:
            return ClaimedBuild()
        build_id = self.waiting.pop(0)
        job = BuildJob(
            build_id=build_id, lease="lease", lease_s=3.0, version_id="v", servable="ada/test", version=1,
            description=DESCRIPTION, archive=ARCHIVE,
        )  # fmt: skip
        return ClaimedBuild(job=job)

    async def report(self, request: ReportBuild) -> BuildState:
        if self.lease_lost:
            raise Conflict("the lease is another's")
        self.steps.append(request.step)
        self.lines.setdefault(request.build_id, []).extend(line.text for line in request.lines)
        return BuildState(status=self.status)

    async def finish(self, request: FinishBuild) -> BuildState:
        if self.refuse_verdicts:
            self.refuse_verdicts -= 1
            raise BuildFailed("the database is away")
        self.verdicts.put_nowait(request)
        return BuildState(status="succeeded" if request.environment else "failed")

    async def verdict(self) -> FinishBuild:
        async with asyncio.timeout(10):
            return await self.verdicts.get()


class Stage:
    """A builder at work, and what a test needs to play with it."""

    def __init__(self, catalog: Catalog, bus: Bus, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.catalog = catalog
        self.bus = bus
        self.worker = worker
        self._monkeypatch = monkeypatch

    async def queue(self, build_id: str, build: Build) -> None:
        """A build that waits, and how it will go."""

        async def fake(request: Any, store: Any, settings: Any, report: Any) -> Built:
            return await build(report)

        self._monkeypatch.setattr(handlers, "build", fake)
        self.catalog.waiting.append(build_id)
        await self.bus.emit(BuildQueued(build_id=build_id))


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(handlers, "RETRY_S", 0.01)
    catalog, broker = Catalog(), MemoryBroker()
    served = {ClaimBuild: catalog.claim, ReportBuild: catalog.report, FinishBuild: catalog.finish}
    settings = Settings(environments_dir=tmp_path, builder_concurrency=2)
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        enter = stack.enter_async_context
        ours = await enter(Bus(await enter(MemoryTransport(broker, "builder")), origin="builder"))
        theirs = await enter(Bus(await enter(MemoryTransport(broker, "catalog")), origin="catalog"))
        group = await enter(asyncio.TaskGroup())
        worker = Worker(settings, ours, BlobStore.from_url("memory://"), group)
        tasks = [
            group.create_task(theirs.serve(service_queue("catalog"), served)),
            group.create_task(worker.listen_and_work()),
        ]
        while broker.depth("rpc.builder") != 0:
            await asyncio.sleep(0)
        yield Stage(catalog, theirs, worker, monkeypatch)
        for task in tasks:
            task.cancel()


async def succeed(report: Any) -> Built:
    report.step("lock")
    report.line("numpy 2.4.6")
    report.progress(50, 100)
    return BUILT


async def test_a_build_that_succeeds(stage: Stage) -> None:
    await stage.queue("b1", succeed)
    verdict = await stage.catalog.verdict()
    assert (verdict.build_id, verdict.environment, verdict.failure) == ("b1", ENVIRONMENT, None)
    assert stage.catalog.lines["b1"] == ["numpy 2.4.6", "50 %", "ready: lock 0.1 s"]
    assert "lock" in stage.catalog.steps


async def test_a_build_that_fails_says_why_in_the_log_and_in_the_verdict(stage: Stage) -> None:
    async def fail(report: Any) -> Built:
        raise BuildFailed("no such package:\nfoo", details={"step": "lock"})

    await stage.queue("b1", fail)
    verdict = await stage.catalog.verdict()
    assert verdict.failure and verdict.failure.details == {"step": "lock"}
    assert stage.catalog.lines["b1"] == ["no such package:", "foo"]


async def test_a_fault_of_the_hub_fails_the_build_and_stays_inside(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(report: Any) -> Built:
        raise OSError("/secret/path: no space left on device")

    await stage.queue("b1", fail)
    verdict = await stage.catalog.verdict()
    assert verdict.failure and "OSError" in verdict.failure.message
    assert "/secret/path" not in verdict.failure.message
    assert "/secret/path" in caplog.text


async def test_a_verdict_is_told_until_the_catalog_has_it(stage: Stage) -> None:
    stage.catalog.refuse_verdicts = 3
    await stage.queue("b1", succeed)
    assert (await stage.catalog.verdict()).build_id == "b1"


@pytest.mark.parametrize("how", ["event", "status", "lease"])
async def test_a_build_that_is_no_longer_wanted_ends(stage: Stage, how: str) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def forever(report: Any) -> Built:
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()
        return BUILT

    await stage.queue("b1", forever)
    async with asyncio.timeout(10):
        await started.wait()
        if how == "event":
            await stage.bus.emit(BuildCancelled(build_id="b1"))
        stage.catalog.status = "cancelled" if how == "status" else "building"
        stage.catalog.lease_lost = how == "lease"
        await ended.wait()
    stage.catalog.status, stage.catalog.lease_lost = "building", False
    await stage.queue("b2", succeed)
    assert (await stage.catalog.verdict()).build_id == "b2"
    assert stage.catalog.verdicts.empty()


async def test_no_more_builds_are_taken_than_there_is_room_for(stage: Stage) -> None:
    at_work = 0
    most = 0
    go = asyncio.Event()

    async def count(report: Any) -> Built:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await go.wait()
        at_work -= 1
        return BUILT

    for number in range(5):
        await stage.queue(f"b{number}", count)
    async with asyncio.timeout(10):
        while at_work < 2:
            await asyncio.sleep(0.001)
    go.set()
    built = {(await stage.catalog.verdict()).build_id for _ in range(5)}
    assert built == {f"b{number}" for number in range(5)}
    assert most == 2


async def figures(stage: Stage) -> dict[tuple[str, str], float]:
    families = await stage.worker.figures()
    return {(s.name, s.labels.get("outcome", "")): s.value for family in families for s in family.samples}


async def test_figures_tell_of_builds_at_work_and_of_those_that_ended(stage: Stage) -> None:
    go = asyncio.Event()

    async def wait_and_fail(report: Any) -> Built:
        await go.wait()
        raise BuildFailed("no")

    await stage.queue("b1", succeed)
    await stage.catalog.verdict()
    await stage.queue("b2", wait_and_fail)
    async with asyncio.timeout(10):
        while (await figures(stage))["dlhub_builds_running", ""] != 1 or stage.catalog.waiting:
            await asyncio.sleep(0)
        assert (await figures(stage))["dlhub_builds_room", ""] == 2
        go.set()
        await stage.catalog.verdict()
        while (await figures(stage))["dlhub_builds_running", ""]:
            await asyncio.sleep(0)
    found = await figures(stage)
    assert found["dlhub_builds_total", "succeeded"] == found["dlhub_builds_total", "failed"] == 1


async def test_a_builder_answers_that_it_is_well(stage: Stage) -> None:
    assert (await stage.bus.call(AskBuilder())).missing == ()


def test_settings_become_those_of_the_build_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_BUILDER_FIND_LINKS", "/one /two")
    monkeypatch.setenv("DLHUB_BUILDER_CA", "/ca.pem")
    made = Settings(environments_dir=tmp_path).for_builds()
    assert (made.find_links, made.ca, made.index_url) == (("/one", "/two"), Path("/ca.pem"), None)
