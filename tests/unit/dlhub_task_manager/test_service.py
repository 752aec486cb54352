"""The whole service with a broker in memory: it says goodbye, and a failure inside does not keep it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import FakeExecutor, version

from dlhub_bus import Bus, MemoryBroker, MemoryTransport
from dlhub_task_manager import reconciler, service
from dlhub_task_manager.intake import Intake
from dlhub_task_manager.settings import Settings
from proto_msgs.messages import Done
from proto_msgs.servables import VersionRecord
from proto_msgs.sites import Deployment, ListWishes, RegisterSite, SiteHeartbeat, Wish, Wishes
from proto_msgs.topics import service_queue


class Hub:
    """The catalog, as this site sees it, and what it hears of the site."""

    def __init__(self, folder: Path, record: VersionRecord) -> None:
        (folder / "site.toml").write_text('name = "local"\naccepts_defaults = true\n')
        self.settings = Settings(
            site_file=folder / "site.toml",
            task_manager_dir=folder,
            environments_dir=folder,
            drain_s=0.2,
            beat_s=0.05,
        )
        self.record = record
        self.ready = asyncio.Event()
        self.beats: list[SiteHeartbeat] = []

    async def list_wishes(self, _: ListWishes) -> Wishes:
        wish = Wish(version=self.record, deployment=Deployment(min_replicas=1), pending_tasks=False)
        return Wishes(items=(wish,))

    async def register(self, _: RegisterSite) -> Done:
        return Done()

    def on_beat(self, beat: SiteHeartbeat) -> None:
        self.beats.append(beat)
        if beat.served:
            self.ready.set()


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    broker = MemoryBroker()
    monkeypatch.setattr(service, "RabbitTransport", lambda _url, name: MemoryTransport(broker, name))

    async def prepare(record: VersionRecord, *_: Any) -> Any:
        return FakeExecutor(tmp_path, f"{record.version_id}-")

    monkeypatch.setattr(reconciler, "prepare_executor", prepare)
    hub = Hub(tmp_path, version())
    handlers: Any = {ListWishes: hub.list_wishes, RegisterSite: hub.register}
    async with (
        asyncio.timeout(20),
        MemoryTransport(broker, "catalog") as transport,
        Bus(transport, origin="catalog") as bus,
        bus.listen({SiteHeartbeat: hub.on_beat}),
    ):
        catalog = asyncio.create_task(bus.serve(service_queue("catalog"), handlers))
        yield hub
        catalog.cancel()


async def test_it_says_goodbye_when_it_is_stopped(hub: Hub) -> None:
    work = asyncio.create_task(service.serve(hub.settings))
    await hub.ready.wait()
    work.cancel()
    await asyncio.wait({work})
    assert work.cancelled()
    assert hub.beats[-1].stopping


async def test_a_failure_inside_ends_it_as_a_stop_does(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Intake) -> None:
        await hub.ready.wait()
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(Intake, "run", fail)
    with pytest.raises(ExceptionGroup) as failed:
        await service.serve(hub.settings)
    assert failed.group_contains(ValueError, match="a mistake of ours")
    assert hub.beats[-1].stopping
    assert hub.beats[-1].served == ()
