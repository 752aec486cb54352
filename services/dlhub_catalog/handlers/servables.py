"""Publishing, resolving, listing and finding servables."""

from __future__ import annotations

import hashlib
import json
import uuid

from dlhub_catalog.deps import Deps, Handlers
from dlhub_catalog.listing import access_of
from dlhub_catalog.store.database import DuplicateKeyError, now
from dlhub_catalog.store.servables import VersionDocument
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.builds import BuildQueued
from proto_msgs.description import Description
from proto_msgs.errors import Forbidden, NotFound, Overloaded
from proto_msgs.identity import Access
from proto_msgs.servables import (
    Found,
    GetVersion,
    ListVersions,
    PublishedVersion,
    PublishVersion,
    ResolveVersion,
    SearchServables,
    ServableAccess,
    ServableChanged,
    SetAccess,
    VersionReady,
    VersionRecord,
    Versions,
)

PUBLISH_ATTEMPTS = 20


async def publish_version(request: PublishVersion, deps: Deps) -> PublishedVersion:
    """A new version, with a queued build unless it is a pipeline, or the one that has the same content."""
    name = f"{request.caller.namespace}/{request.description.dlhub.name}"
    before = await deps.store.servables.servable(name)
    if before and not before.access.may_maintain(request.caller):
        raise Forbidden(f"{name} belongs to {before.access.owner}; publish under another name")
    candidate = _candidate(name, request)
    access = access_of(request.description, before.access.owner if before else request.caller.identity)
    version = await _publish(candidate, request, access, deps)
    created = version.id == candidate.id
    if created and version.status == "ready":
        await deps.bus.emit(VersionReady(version_id=version.id, servable=name))
    if version.status == "building":
        await deps.bus.emit(BuildQueued(build_id=version.build_id))
    if before and (created or access != before.access):
        await deps.bus.emit(ServableChanged(version_id=version.id, servable=name))
    return PublishedVersion(
        servable=name,
        version=version.number,
        version_id=version.id,
        build_id=version.build_id,
        status=version.status,
        created=created,
    )


async def _publish(
    candidate: VersionDocument, request: PublishVersion, access: Access, deps: Deps
) -> VersionDocument:
    for _ in range(PUBLISH_ATTEMPTS):
        try:
            return await deps.store.builds.publish(candidate, request.caller.identity, access)
        except DuplicateKeyError:
            # Somebody published this servable at the same moment; one of us was first.
            continue
    raise Overloaded(f"too many publish {candidate.servable} at the same time", retry_after_s=1)


async def set_access(request: SetAccess, deps: Deps) -> ServableAccess:
    """Replace a servable's access lists, and tell whoever remembers them."""
    lists = ServableAccess.model_validate(request.model_dump())
    changed = await deps.store.servables.change_access(lists)
    if changed is None:
        raise NotFound(f"there is no servable {request.servable}")
    await deps.bus.emit(ServableChanged(version_id=changed.summary.version_id, servable=request.servable))
    return lists


async def resolve_version(request: ResolveVersion, deps: Deps) -> VersionRecord:
    """The version that a name, with a number or a UUID or neither, means."""
    servable = f"{request.owner}/{request.name}"
    wanted = request.version
    store = deps.store.servables
    if wanted is None:
        record = await store.newest(servable)
    elif wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
        record = await store.numbered(servable, int(wanted))
    else:
        record = await store.of_servable(servable, wanted)
    if record is None:
        raise NotFound(f"there is no servable {servable}{'@' + wanted if wanted else ''}")
    return record


async def get_version(request: GetVersion, deps: Deps) -> VersionRecord:
    """A version by its UUID."""
    record = await deps.store.servables.version(request.version_id)
    if record is None:
        raise NotFound(f"there is no version {request.version_id}")
    return record


async def list_versions(request: ListVersions, deps: Deps) -> Versions:
    """All versions of a servable."""
    items = await deps.store.servables.versions_of(f"{request.owner}/{request.name}")
    if not items:
        raise NotFound(f"there is no servable {request.owner}/{request.name}")
    return Versions(items=tuple(items))


async def search_servables(request: SearchServables, deps: Deps) -> Found:
    """Servables that the caller may discover."""
    return await deps.search.find(request)


def content_key(description: Description, archive: BlobRef) -> str:
    """Equal for equal archives and descriptions, whatever order the description's fields came in."""
    plain = json.dumps(description.model_dump(), sort_keys=True, default=repr)
    return hashlib.sha256(f"{archive.sha256}\n{plain}".encode()).hexdigest()


def _candidate(name: str, request: PublishVersion) -> VersionDocument:
    """The version that is made unless there is one with the same content; its number comes later."""
    built = request.description.servable.type != "Pipeline"
    return VersionDocument(
        id=str(uuid.uuid4()),
        servable=name,
        number=0,
        status="building" if built else "ready",
        build_id=str(uuid.uuid4()) if built else "",
        packed_description=codec.pack(request.description.model_dump()),
        content_key=content_key(request.description, request.archive),
        archive=request.archive,
        created_at=now(),
    )


HANDLERS: Handlers = {
    PublishVersion: publish_version,
    ResolveVersion: resolve_version,
    GetVersion: get_version,
    ListVersions: list_versions,
    SearchServables: search_servables,
    SetAccess: set_access,
}
