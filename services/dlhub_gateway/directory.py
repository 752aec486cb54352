"""What a servable's name means right now: its version, who may run it, and its compiled methods.

Asked of the catalog once, then remembered for a short while; dropped as soon as an event says that
something changed, or the connection was lost and events may have been missed.
"""

from __future__ import annotations

from dataclasses import dataclass

from dlhub_bus import Bus
from dlhub_gateway.cache import Remembered
from dlhub_gateway.catalog import ask
from dlhub_gateway.methods import CompiledMethod
from proto_msgs.description import Step
from proto_msgs.errors import Conflict, Forbidden, NotFound, Unavailable
from proto_msgs.identity import Access, Principal
from proto_msgs.servables import ResolveVersion, ServableChanged, VersionReady, VersionRecord
from proto_msgs.sites import Deployment, DeploymentChanged, GetDeployments

MAX_VERSIONS = 2_000
VERSION_TTL_S = 30.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """A version with everything that a run of it needs."""

    record: VersionRecord
    methods: dict[str, CompiledMethod]
    deployments: tuple[Deployment, ...]

    @property
    def access(self) -> Access:
        return self.record.access

    @property
    def label(self) -> str:
        """`owner/name@3`."""
        return f"{self.record.servable}@{self.record.number}"

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of a pipeline; none for what a site runs."""
        return self.record.description.servable.steps or ()

    @property
    def environment_kind(self) -> str | None:
        return self.record.environment.kind if self.record.environment else None

    def method(self, name: str) -> CompiledMethod:
        """The method of this name. Raises NotFound that names those there are."""
        found = self.methods.get(name)
        if found is None:
            names = ", ".join(self.methods)
            raise NotFound(f"{self.label} has no method {name!r}; it has: {names}")
        return found


class Directory:
    """Finds versions by name, on behalf of callers."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: Remembered[tuple[str, str], Resolved] = Remembered(
            max_items=MAX_VERSIONS, ttl_s=VERSION_TTL_S
        )

    def known(self, owner: str, name: str) -> Resolved | None:
        """What `find` would give, if it was asked a short while ago."""
        return self._known.get((owner, name))

    async def find(self, owner: str, name: str) -> Resolved:
        """The version that `owner/name` or `owner/name@version` means, whoever asks. Raises NotFound."""
        known = self._known.get((owner, name))
        if known is not None:
            return known
        return await self._known.load((owner, name), lambda: self._resolve(owner, name), _keep_s)

    async def discover(self, caller: Principal, owner: str, name: str) -> Resolved:
        """`find`, for a caller who may know of it. Raises NotFound otherwise."""
        found = await self.find(owner, name)
        if not found.access.may_discover(caller):
            raise unknown(owner, name)
        return found

    async def runnable(self, caller: Principal, owner: str, name: str) -> Resolved:
        """`find`, for a caller who may run it. Raises NotFound, Forbidden, or says why it is not ready."""
        found = await self.find(owner, name)
        if not found.access.may_run(caller):
            if not found.access.may_discover(caller):
                raise unknown(owner, name)
            raise Forbidden(f"you may see {owner}/{name}, but not run it; its owner can allow you to")
        if found.record.status != "ready":
            raise _not_ready(found)
        return found

    async def maintained(self, caller: Principal, owner: str, name: str) -> Resolved:
        """`find`, for a caller who looks after it. Raises NotFound or Forbidden."""
        found = await self.discover(caller, owner, name)
        if not found.access.may_maintain(caller):
            raise Forbidden(f"this is for the maintainers of {owner}/{name} only")
        return found

    async def _resolve(self, owner: str, name: str) -> Resolved:
        bare, _, version = name.partition("@")
        try:
            record = await ask(self._bus, ResolveVersion(owner=owner, name=bare, version=version or None))
        except NotFound as error:
            # In our words: the catalog's may tell versions apart, which not everybody may know.
            raise unknown(owner, name) from error
        deployments = await ask(self._bus, GetDeployments(servable=record.servable))
        methods = {
            method: CompiledMethod(method, declared)
            for method, declared in record.description.servable.methods.items()
        }
        return Resolved(record, methods, deployments.deployments)

    def on_ready(self, event: VersionReady) -> None:
        """A name may mean another version now."""
        self.forget(event.servable)

    def on_changed(self, event: ServableChanged) -> None:
        """Who may use it may have changed."""
        self.forget(event.servable)

    def on_deployed(self, event: DeploymentChanged) -> None:
        """Where it runs may have changed."""
        self.forget(event.servable)

    def forget_all(self) -> None:
        """News may have been missed."""
        self._known.clear()

    def forget(self, servable: str) -> None:
        """Ask again next time."""
        self._known.forget(lambda _, known: known.record.servable == servable)


def unknown(owner: str, name: str) -> NotFound:
    """The same words whether it is missing or hidden."""
    return NotFound(f"there is no servable {owner}/{name}, or you may not see it")


def _keep_s(found: Resolved) -> float:
    """What is still being built is asked for again each time."""
    return VERSION_TTL_S if found.record.status == "ready" else 0.0


def _not_ready(found: Resolved) -> Conflict | Unavailable:
    build = f"GET /api/v1/builds/{found.record.build_id} says more"
    if found.record.status == "building":
        return Unavailable(f"{found.label} is still being built; {build}", retry_after_s=5)
    return Conflict(f"the build of {found.label} failed, so it cannot be run; {build}")
