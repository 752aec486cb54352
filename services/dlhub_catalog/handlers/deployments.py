"""Deployments, and what a site should serve because of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dlhub_catalog.deps import Deps, Handlers
from dlhub_catalog.store.servables import ServableDocument, VersionDocument
from dlhub_catalog.wishes import Asker, applicable, warm_numbers
from proto_msgs.errors import Malformed, NotFound
from proto_msgs.sites import (
    Deployment,
    DeploymentChanged,
    Deployments,
    GetDeployments,
    ListWishes,
    PutDeployments,
    Wish,
    Wishes,
)


async def get_deployments(request: GetDeployments, deps: Deps) -> Deployments:
    """A servable's deployments; none means the default one."""
    servable = await deps.store.servables.servable(request.servable)
    if servable is None:
        raise NotFound(f"there is no servable {request.servable}")
    return Deployments(deployments=servable.deployments)


async def put_deployments(request: PutDeployments, deps: Deps) -> Deployments:
    """Replace a servable's deployments, and tell the sites."""
    check_distinct(request.deployments)
    for deployment in request.deployments:
        await _check_pin(request.servable, deployment, deps)
    if not await deps.store.servables.set_deployments(request.servable, request.deployments):
        raise NotFound(f"there is no servable {request.servable}")
    await deps.bus.emit(DeploymentChanged(servable=request.servable))
    return Deployments(deployments=request.deployments)


def check_distinct(deployments: Sequence[Deployment]) -> None:
    """Raises Malformed when two deployments wish for the same at the same site."""
    places = Counter((deployment.site, deployment.pinned) for deployment in deployments)
    for (site, pinned), count in places.items():
        if count > 1:
            where = "every site" if site is None else f"the site {site!r}"
            what = "the newest version" if pinned is None else f"version {pinned}"
            raise Malformed(f"there are {count} deployments of {what} at {where}; give one")


async def _check_pin(servable: str, deployment: Deployment, deps: Deps) -> None:
    if deployment.pinned is None:
        return
    if await deps.store.servables.numbered(servable, deployment.pinned) is None:
        raise NotFound(f"a deployment is pinned to {servable}@{deployment.pinned}, which does not exist")


async def list_wishes(request: ListWishes, deps: Deps) -> Wishes:
    """Versions that a site should look after: kept warm, waited for, or asked about by the site."""
    asker = Asker(request.site, request.accepts_defaults)
    pending = set(await deps.store.tasks.pending_versions())
    warm = await _warm_versions(asker, deps)
    versions = await deps.store.servables.ready({*request.version_ids, *pending, *warm})
    servables = await deps.store.servables.named({version.servable for version in versions})
    wishes = [_wish(version, servables.get(version.servable), asker, pending) for version in versions]
    return Wishes(items=tuple(wish for wish in wishes if wish))


async def _warm_versions(asker: Asker, deps: Deps) -> list[str]:
    kept_warm = await deps.store.servables.kept_warm()
    return await deps.store.servables.ids_of_numbers(
        (servable.id, number)
        for servable in kept_warm
        for number in warm_numbers(servable.deployments, servable.newest_ready, asker)
    )


def _wish(
    version: VersionDocument, servable: ServableDocument | None, asker: Asker, pending: set[str]
) -> Wish | None:
    if servable is None or version.environment is None:  # a pipeline is run by the hub itself
        return None
    deployment = applicable(servable.deployments, version.number, servable.newest_ready, asker)
    if deployment is None:
        return None
    record = version.record(servable.access)
    return Wish(version=record, deployment=deployment, pending_tasks=version.id in pending)


HANDLERS: Handlers = {
    GetDeployments: get_deployments,
    PutDeployments: put_deployments,
    ListWishes: list_wishes,
}
