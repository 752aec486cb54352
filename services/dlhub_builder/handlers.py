"""What a builder does with a build, and what it answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from dlhub_build.build import BuildRequest, build
from dlhub_build.settings import BuildSettings
from dlhub_builder.reporter import BuildEnded, Reporter
from dlhub_bus import Bus
from dlhub_runtime.blobs import BlobStore
from proto_msgs.builds import BuildJob, FinishBuild
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed, Conflict, DLHubError, Failure
from proto_msgs.health import AskBuilder, Health

logger = logging.getLogger(__name__)

RETRY_S = 2.0
How = Literal["succeeded", "failed", "given_up"]
"""How a build ended here; given up: cancelled, or taken over by another builder."""


async def work_on(job: BuildJob, *, bus: Bus, blobs: BlobStore, settings: BuildSettings) -> How:
    """Do one build, from the first log line to the verdict. Cancelled or taken over: stop at once."""
    logger.info(
        "Build starts",
        extra={"action": "build_start", "build_id": job.build_id, "servable": job.servable},
    )
    reporter = Reporter(bus, job)
    how: How = "given_up"
    try:
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(reporter.run())
            verdict = await _verdict(job, reporter, blobs, settings)
            reporting.cancel()
        await reporter.flush()
        await _finish(bus, verdict)
        how = "failed" if verdict.failure else "succeeded"
    except* BuildEnded as ended:
        reason = str(ended.exceptions[0])
        extra = {"action": "build_ended", "build_id": job.build_id, "reason": reason}
        logger.info("Build ended", extra=extra)
    return how


async def _verdict(
    job: BuildJob, reporter: Reporter, blobs: BlobStore, settings: BuildSettings
) -> FinishBuild:
    """Build; whatever goes wrong becomes part of the log and of the verdict."""
    environment: Environment | None = None
    failure: Failure | None = None
    try:
        request = BuildRequest(archive=job.archive, description=job.description)
        built = await build(request, blobs, settings, reporter)
        environment = built.environment
        taken = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in built.step_s.items())
        reporter.line(f"ready: {taken}")
    except DLHubError as error:
        failure = Failure.of(error)
    except Exception as error:
        logger.exception("Build broke", extra={"action": "build_broke", "build_id": job.build_id})
        fault = BuildFailed(f"The hub could not do this build: {type(error).__name__}.")
        failure = Failure.of(fault)
    if failure:
        for line in failure.message.splitlines():
            reporter.line(line)
    return FinishBuild(build_id=job.build_id, lease=job.lease, environment=environment, failure=failure)


async def _finish(bus: Bus, verdict: FinishBuild) -> None:
    """Tell the catalog, as often as it takes; it may have given the build to somebody else meanwhile."""
    while True:
        try:
            state = await bus.call(verdict)
        except Conflict as error:
            raise BuildEnded(error.message) from error
        except DLHubError as error:
            logger.warning("Verdict not sent", extra={"action": "finish_failed", "error": str(error)})
            await asyncio.sleep(RETRY_S)
        else:
            extra = {"action": "build_finished", "build_id": verdict.build_id, "status": state.status}
            logger.info("Build finished", extra=extra)
            return


async def answer_health(_: AskBuilder) -> Health:
    """A builder that answers is well."""
    return Health()
