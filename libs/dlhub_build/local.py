"""A servable on its author's own machine: built and called as a hub does both, without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlhub_build.build import BuildRequest, Built, build
from dlhub_build.folders import Folders
from dlhub_build.report import BoundedReport, Report
from dlhub_build.settings import BuildSettings
from dlhub_build.smoke import Outcome, SmokeTest
from dlhub_build.uv import Uv
from dlhub_runtime.blobs import BlobStore
from dlhub_types import compile_argument
from dlhub_types.method_checks import OutputCheck, ParameterChecks
from proto_msgs import codec
from proto_msgs.description import Description, Method
from proto_msgs.errors import BuildFailed, Malformed, NotFound, ServableFailed

RUN_STEP = "run"


@dataclass(frozen=True)
class Call:
    """A method to call, and what with, in JSON forms."""

    method: str
    inputs: Any
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a call gave."""

    output: Any
    """With the declared types."""
    run_s: float
    """Of the call alone."""
    printed: str
    """By the model."""
    built: Built


async def build_and_call(
    request: BuildRequest, call: Call, store: BlobStore, settings: BuildSettings, report: Report
) -> Answer:
    """Build what was not built before, and call a method in a worker of its own.

    Raises NotFound for a method that there is not, InputMismatch for inputs, parameters or an output that
    are not of the declared types, BuildFailed, and ServableFailed with the traceback of the model's code.
    """
    declared = _method(request.description, call.method)
    inputs = compile_argument(declared.input).from_json(call.inputs)
    parameters = ParameterChecks(declared).whole(call.parameters, as_json=True)
    built = await build(request, store, settings, report)
    payload = codec.pack({"inputs": inputs, "parameters": parameters})
    outcome = await _call(request.description, built, call.method, payload, settings, report)
    output = OutputCheck(declared).check(outcome.output, inputs)
    return Answer(output, outcome.seconds, outcome.printed, built)


def _method(description: Description, name: str) -> Method:
    if description.servable.type == "Pipeline":
        raise Malformed("the steps of a pipeline are servables of a hub: publish it, and run it there")
    declared = description.servable.methods.get(name)
    if declared is None:
        known = ", ".join(map(repr, description.servable.methods))
        raise NotFound(f"the description has no method {name!r}; it has {known}")
    return declared


async def _call(
    description: Description,
    built: Built,
    method: str,
    payload: bytes,
    settings: BuildSettings,
    report: Report,
) -> Outcome:
    folders = Folders(settings.environments_dir.absolute())
    bounded = BoundedReport(report, max_chars=settings.max_log_chars, hidden=(f"{built.paths.files_dir}/",))
    bounded.step(RUN_STEP)
    async with folders.work() as work:
        uv = Uv(settings, folders, work, bounded)
        try:
            return await SmokeTest(description, built.environment, built.paths, uv).call(method, payload)
        except BuildFailed as error:
            raise ServableFailed(error.message, details=error.details) from error
