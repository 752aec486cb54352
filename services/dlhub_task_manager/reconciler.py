"""Makes the site match the wishes: which versions are served here, and with how many replicas.

Wishes come from the catalog: at start, when an event says that something changed or that runs of a
version wait, and every few seconds, because events can be missed. A version that is served gets an
intake for its queues; it is let go when it has had no replica and no run for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from dlhub_task_manager.environments import Workshop, prepare_executor
from dlhub_task_manager.executors.devices import Devices
from dlhub_task_manager.executors.elsewhere.choice import Yard
from dlhub_task_manager.executors.elsewhere.marks import Marks
from dlhub_task_manager.fleet import Ground
from dlhub_task_manager.intake import Intake
from dlhub_task_manager.machine import accelerators, site_room
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.settings import Settings
from dlhub_task_manager.shares import shares
from dlhub_task_manager.site import Site
from dlhub_task_manager.site_file import SiteFile
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.errors import DLHubError
from proto_msgs.sites import ListWishes, SiteHeartbeat, SiteLimits, Wish
from proto_msgs.tasks import TaskCancelled

logger = logging.getLogger(__name__)

TICK_S = 0.1
BACKLOG_S = 1.0
LAST_LOOK_S = 0.2
"""A run that came just when a version's last replica ended was told to nobody: so soon it is looked for."""
LET_GO_S = 30.0
"""A version without replicas is forgotten after so long without a run."""


@dataclass(slots=True)
class Served:
    """A version that is served here."""

    serving: Serving
    intake: Intake
    task: asyncio.Task[None]
    size: int = 0
    """Replicas it had when the site was last shared out."""


class Reconciler:
    """Owns everything that is served at this site."""

    def __init__(
        self, settings: Settings, site_file: SiteFile, site: Site, ground: Ground, switchboard: Switchboard
    ) -> None:
        self._settings = settings
        self._site_file = site_file
        self._site = site
        self._ground = ground
        self.yard = Yard(
            site=site_file, marks=Marks(settings.task_manager_dir), folder=settings.task_manager_dir
        )
        self._workshop = Workshop(
            blobs=site.blobs,
            environments_dir=settings.environments_dir,
            folder=settings.task_manager_dir,
            switchboard=switchboard,
            yard=self.yard,
            devices=Devices(accelerators(site_file.limits)),
            tasks=ground.tasks,
        )
        self._room = site_room(site_file.limits)
        self._wanted: set[str] = set()
        self._look = asyncio.Event()
        self._look_at_backlog_at = 0.0
        self._allotting = False
        self._starting = 0
        """Replicas of all versions that were starting when the site was shared out last."""
        self._draining = False
        self.served: dict[str, Served] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Called when the number of ready replicas of a version becomes, or stops being, zero."""

    def servings(self) -> list[Serving]:
        """What is served here."""
        return [served.serving for served in self.served.values()]

    def want(self, version_id: str) -> None:
        """Runs of this version wait in its queues."""
        if served := self.served.get(version_id):
            self._wake(served.serving)
            return
        self._wanted.add(version_id)
        self._look.set()

    def _wake(self, serving: Serving) -> None:
        """Somebody waits for a replica: if there is none, every millisecond counts."""
        serving.want()
        if not serving.fleet.size:
            self._look_at_backlog_at = 0.0  # it may call for more than one
            self.allot()

    def look_again(self) -> None:
        """The wishes may have changed."""
        self._look.set()

    def cancel_task(self, event: TaskCancelled) -> None:
        """End the runs of a task that are here; a map's runs carry its id before a colon."""
        served = self.served.get(event.version_id)
        if served is None:
            return
        for run_id, state in list(self._site.held.items()):
            if run_id.partition(":")[0] == event.task_id:
                served.serving.cancel(state)

    async def reconcile_forever(self) -> None:
        """Fetch the wishes whenever there is a reason to, and now and then without one."""
        while True:
            try:
                await self._reconcile()
            except DLHubError as error:
                logger.warning("Wishes unknown", extra={"action": "wishes_failed", "error": str(error)})
                await asyncio.sleep(1)
                continue
            try:
                async with asyncio.timeout(self._settings.reconcile_s):
                    await self._look.wait()
            except TimeoutError:
                continue
            finally:
                self._look.clear()

    async def _reconcile(self) -> None:
        asked, self._wanted = self._wanted, set()
        request = ListWishes(
            site=self._site.name,
            accepts_defaults=self._site_file.accepts_defaults,
            version_ids=tuple(asked | self.served.keys()),
        )
        try:
            wishes = (await self._site.bus.call(request)).items
        except DLHubError:
            self._wanted |= asked
            raise
        by_id = {wish.version.version_id: wish for wish in wishes}
        for version_id in [version_id for version_id in self.served if version_id not in by_id]:
            await self._let_go(version_id)
        for version_id, wish in by_id.items():
            self._serve(wish)
            if version_id in asked or wish.pending_tasks:
                self._wake(self.served[version_id].serving)

    def _serve(self, wish: Wish) -> None:
        version_id = wish.version.version_id
        if served := self.served.get(version_id):
            served.serving.redeploy(wish.deployment)
            served.serving.scaler.limit = self._limit(wish)
            return
        serving = Serving(
            wish,
            self._ground,
            lambda kind: prepare_executor(wish.version, kind, self._workshop),
            self._limit(wish),
            self._capacity_changed,
        )
        need = serving.version.description.servable.resources
        if not self._room.holds(need):
            serving.trouble.words = f"a replica needs more than this site has: {need.model_dump()}"
        intake = Intake(serving, self._site)
        task = self._ground.tasks.create_task(intake.run())
        self.served[version_id] = Served(serving, intake, task)
        logger.info("Version served", extra={"action": "version_served", "servable": wish.version.servable})

    def _limit(self, wish: Wish) -> int:
        limits = self._site_file.limits
        return min(wish.deployment.max_replicas or limits.max_replicas_per_version, limits.max_replicas)

    def _capacity_changed(self, serving: Serving) -> None:
        if served := self.served.get(serving.version.version_id):
            served.intake.capacity_changed()
            if serving.fleet.size < served.size:
                self._replica_went(serving)
            elif self._starting >= self._site_file.limits.max_starting:
                self._allot_soon()  # one of those that were starting is ready, and the next may begin
        self.on_change()

    def _replica_went(self, serving: Serving) -> None:
        if not serving.fleet.ready:
            now = asyncio.get_running_loop().time()
            self._look_at_backlog_at = min(self._look_at_backlog_at, now + LAST_LOOK_S)
        self._allot_soon()  # what one version gave up another may wait for

    def _allot_soon(self) -> None:
        if not self._allotting:
            self._allotting = True
            asyncio.get_running_loop().call_soon(self.allot)

    async def tick_forever(self) -> None:
        """Deadlines, silence, scaling; a few times a second."""
        loop = asyncio.get_running_loop()
        while True:
            for version_id, served in list(self.served.items()):
                served.serving.tick()
                if served.serving.fleet.starting:
                    self._ground.tasks.create_task(served.serving.scaler.bury_stillborn())
                if served.serving.scaler.idle_s > LET_GO_S and not served.serving.fleet.size:
                    await self._let_go(version_id)
            self.allot()
            if loop.time() >= self._look_at_backlog_at:
                self._look_at_backlog_at = loop.time() + BACKLOG_S
                await self._look_at_backlogs()
            await asyncio.sleep(TICK_S)

    async def _look_at_backlogs(self) -> None:
        for served in list(self.served.values()):
            served.intake.capacity_changed()  # a refusal may have ended, or runs become quick
            try:
                await served.intake.look_at_backlog()
                served.serving.scaler.see_backlog()
            except DLHubError as error:
                logger.debug("Backlog unknown", extra={"action": "backlog_failed", "error": str(error)})

    def allot(self) -> None:
        """Share the site out among the versions: start replicas, and end those that others must have."""
        self._allotting = False
        if self._draining:
            return
        servings = {version_id: served.serving for version_id, served in self.served.items()}
        claims = [serving.scaler.claim() for serving in servings.values()]
        granted = shares(claims, self._room)
        free, may_start = self._room, self._site_file.limits.max_starting - self._starting_now()
        for claim in claims:
            free = free.without(claim.resources, servings[claim.version_id].fleet.size)
        for claim in sorted(claims, key=lambda claim: claim.have):
            count = granted[claim.version_id]
            room = min(free.count(claim.resources, count - claim.have), max(0, may_start))
            started = servings[claim.version_id].scaler.settle(count, room)
            free, may_start = free.without(claim.resources, started), may_start - started
            self.served[claim.version_id].size = servings[claim.version_id].fleet.size
        self._starting = self._starting_now()

    def _starting_now(self) -> int:
        return sum(served.serving.fleet.starting for served in self.served.values())

    async def _let_go(self, version_id: str) -> None:
        """Stop serving a version; what it has not done goes back to the queues."""
        served = self.served.pop(version_id)
        served.intake.pause()
        await served.intake.close()
        await served.serving.fleet.close()
        served.task.cancel()

    async def drain(self) -> None:
        """Let running runs end for a while, give the rest back to the queues."""
        self._draining = True
        for served in self.served.values():
            served.intake.pause()
        try:
            async with asyncio.timeout(self._settings.drain_s):
                for served in self.served.values():
                    await served.intake.give_back_waiting()
                for served in self.served.values():
                    await served.intake.drain()
        except TimeoutError:
            logger.info("Runs go back", extra={"action": "drain_timeout"})
        for version_id in list(self.served):
            try:
                async with asyncio.timeout(5):
                    await self._let_go(version_id)
            except TimeoutError:
                # The broker is away: what is not acknowledged it delivers again by itself.
                logger.warning("Runs not given back", extra={"action": "give_back_timeout"})

    def heartbeat(self, instance: str, *, stopping: bool = False) -> SiteHeartbeat:
        """What the hub hears of this site."""
        limits = self._site_file.limits
        return SiteHeartbeat(
            site=self._site.name,
            instance=instance,
            accepts_defaults=self._site_file.accepts_defaults,
            environment_kinds=self._site_file.environments,
            served=tuple(served.serving.report() for served in self.served.values()),
            limits=SiteLimits(
                max_replicas=limits.max_replicas,
                max_replicas_per_version=limits.max_replicas_per_version,
            ),
            stopping=stopping,
        )
