"""Builds: claimed, reported and finished by builders; followed and cancelled by people."""

from __future__ import annotations

from dlhub_catalog.deps import Deps, Handlers
from dlhub_catalog.store.builds import BuildDocument
from proto_msgs.builds import (
    BuildCancelled,
    BuildJob,
    BuildLog,
    BuildProgress,
    BuildRecord,
    Builds,
    BuildState,
    BuildStatus,
    CancelBuild,
    ClaimBuild,
    ClaimedBuild,
    FinishBuild,
    GetBuild,
    GetBuildLog,
    ListBuilds,
    ReportBuild,
)
from proto_msgs.environment import Environment
from proto_msgs.errors import Conflict, Failure, Forbidden, Malformed, NotFound
from proto_msgs.servables import VersionReady

LOG_PAGE_LINES = 1000


async def claim_build(request: ClaimBuild, deps: Deps) -> ClaimedBuild:
    """The oldest build that waits. Asked twice, it gives two: the lease of the lost one runs out."""
    build = await deps.store.builds.claim(request.builder, deps.settings.build_lease_s)
    version = await deps.store.servables.version(build.version_id) if build else None
    if build is None or version is None:
        return ClaimedBuild()
    await _tell_progress(build, deps)
    job = BuildJob(
        build_id=build.id,
        lease=build.lease,
        lease_s=deps.settings.build_lease_s,
        version_id=build.version_id,
        servable=build.servable,
        version=build.version,
        description=version.description,
        archive=version.archive,
    )
    return ClaimedBuild(job=job)


async def report_build(request: ReportBuild, deps: Deps) -> BuildState:
    """Keep a builder's lease and log lines; the reply tells it when the build was cancelled."""
    lease_s = deps.settings.build_lease_s
    build = await deps.store.builds.renew(request.build_id, request.lease, request.step, lease_s)
    build = build or await _held(request.build_id, request.lease, deps)
    await deps.store.builds.add_lines(build, request.lines, deps.settings.build_log_lines)
    await _tell_progress(build, deps)
    return BuildState(status=build.status)


async def finish_build(request: FinishBuild, deps: Deps) -> BuildState:
    """End a build and make its version ready, or failed."""
    outcome = request.environment or request.failure
    if outcome is None:
        raise Malformed("a build ends with an environment or with a failure; neither was given")
    build = await _held(request.build_id, request.lease, deps)
    status: BuildStatus = "succeeded" if isinstance(outcome, Environment) else "failed"
    ended = await deps.store.builds.finish(build, status, outcome)
    build = ended or await _held(request.build_id, request.lease, deps)
    await tell_ended(build, deps)
    return BuildState(status=build.status)


async def get_build(request: GetBuild, deps: Deps) -> BuildRecord:
    """One build."""
    return (await _existing(request.build_id, deps)).record()


async def list_builds(request: ListBuilds, deps: Deps) -> Builds:
    """The caller's builds, or everybody's for an administrator."""
    owner = None if request.caller.admin else request.caller.identity
    return Builds(items=tuple(await deps.store.builds.newest(owner, request.limit)))


async def get_build_log(request: GetBuildLog, deps: Deps) -> BuildLog:
    """Lines of a log. The status is older than the lines: a final one means that these are the last."""
    build = await _existing(request.build_id, deps)
    lines = await deps.store.builds.lines(build.id, request.after, LOG_PAGE_LINES)
    return BuildLog(lines=tuple(lines), status=build.status)


async def cancel_build(request: CancelBuild, deps: Deps) -> BuildRecord:
    """End a build at once; its builder hears of it by an event, or with its next report."""
    build = await _existing(request.build_id, deps)
    servable = await deps.store.servables.servable(build.servable)
    caller = request.caller
    if not (caller.identity == build.owner or (servable and servable.access.may_maintain(caller))):
        if servable and servable.access.may_discover(caller):
            raise Forbidden(f"only maintainers of {build.servable} may cancel its builds")
        raise _no_build(request.build_id)
    await deps.store.builds.cancel(build.id)
    build = await _existing(build.id, deps)
    if build.status == "cancelled":
        await deps.bus.emit(BuildCancelled(build_id=build.id))
        await _tell_progress(build, deps)
    return build.record()


async def tell_ended(build: BuildDocument, deps: Deps) -> None:
    """Tell those who follow a build that it has ended, and everybody when its version can be run."""
    if build.status == "succeeded":
        await deps.bus.emit(VersionReady(version_id=build.version_id, servable=build.servable))
    await _tell_progress(build, deps)


async def fail_build(build: BuildDocument, failure: Failure, deps: Deps) -> None:
    """End a build that its builder cannot end."""
    if failed := await deps.store.builds.finish(build, "failed", failure):
        await tell_ended(failed, deps)


async def _tell_progress(build: BuildDocument, deps: Deps) -> None:
    await deps.bus.emit(BuildProgress(build_id=build.id, status=build.status, step=build.step))


async def _existing(build_id: str, deps: Deps) -> BuildDocument:
    build = await deps.store.builds.get(build_id)
    if build is None:
        raise _no_build(build_id)
    return build


def _no_build(build_id: str) -> NotFound:
    return NotFound(f"there is no build {build_id}")


async def _held(build_id: str, lease: str, deps: Deps) -> BuildDocument:
    """The build, when `lease` is (or was, until the build ended) its lease. Raises Conflict."""
    build = await _existing(build_id, deps)
    if build.status == "queued" or build.lease != lease:
        raise Conflict(f"the lease of build {build_id} has run out; another builder may have it")
    return build


HANDLERS: Handlers = {
    ClaimBuild: claim_build,
    ReportBuild: report_build,
    FinishBuild: finish_build,
    GetBuild: get_build,
    ListBuilds: list_builds,
    GetBuildLog: get_build_log,
    CancelBuild: cancel_build,
}
