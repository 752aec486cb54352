"""`dlhub run --local`: a folder's model, built and run on this machine as a hub would do it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proto_msgs.errors import Malformed

if TYPE_CHECKING:
    from dlhub_build.local import Answer, Call
    from dlhub_build.settings import BuildSettings
    from dlhub_client.models import OnProgress
    from proto_msgs.arguments import Argument
    from proto_msgs.methods import Method

INSTALL = "pip install 'dlhub[builder]'"


class Followed:
    """Tells a progress display what a build does, and the person what the model printed."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._step = ""

    def step(self, name: str, /) -> None:
        self._step = name
        self.line("")

    def line(self, text: str, /) -> None:
        from dlhub_client.models import Progress

        if self._on_progress is not None:
            self._on_progress(Progress(stage="build", step=self._step, text=text))

    def progress(self, done: int, total: int, /) -> None:
        """Lines tell enough."""


@dataclass(frozen=True)
class Ran:
    """What a call gave, ready to be shown."""

    output_json: str
    printed: str
    in_words: str


def run_folder(
    folder: Path,
    method: str,
    inputs: Any,
    parameters: dict[str, Any],
    on_progress: OnProgress | None,
    output_file: Path | None = None,
) -> Ran:
    """Build what is in the folder, unless that was done before, and call a method.

    inputs: JSON's forms, or the path of a file. output_file: where the output is written as well.

    Raises Malformed where the libraries are missing that build; whatever `build_and_call` raises.
    """
    try:
        from dlhub_build.local import Call
        from dlhub_types.json_forms import to_json_bytes

        declared = _declared(folder, method)
        call = Call(method, _json_form(inputs, declared.input), parameters)
        answer = asyncio.run(_run(folder, call, on_progress))
        if output_file is not None:
            _write(answer.output, output_file, declared.output)
        output_json = "" if output_file is not None else to_json_bytes(answer.output).decode()
    except ModuleNotFoundError as error:
        raise Malformed(f"--local builds environments, which needs {error.name}: {INSTALL}") from error
    place = answer.built.paths.python.parent.parent
    words = f"Ran for {answer.run_s:.3f} s with Python {answer.built.python} in {place}"
    return Ran(output_json, answer.printed, words)


def _declared(folder: Path, method: str) -> Method:
    from dlhub_client.upload import read_description
    from dlhub_types.documents import read_document

    methods = read_document(read_description(folder)).servable.methods
    if method not in methods:
        raise Malformed(f"{folder} has no method {method!r}; it has: {', '.join(methods)}.")
    return methods[method]


def _json_form(inputs: Any, declared: Argument) -> Any:
    """The form that JSON has for what a file holds; other inputs are in it already."""
    if not isinstance(inputs, Path):
        return inputs
    from dlhub_client.values import sending
    from dlhub_types.json_forms import to_json_bytes

    value = sending.converted(inputs, declared)
    if isinstance(value, sending.LargeFile):
        value = value.path.read_bytes()
    return json.loads(to_json_bytes(value, "inputs"))


def _write(output: Any, path: Path, declared: Argument) -> None:
    from dlhub_client.values import receiving

    receiving.given_as(output, path, declared)


async def _run(folder: Path, call: Call, on_progress: OnProgress | None) -> Answer:
    from dlhub_build.build import BuildRequest
    from dlhub_build.local import build_and_call
    from dlhub_client.upload import prepared
    from dlhub_runtime.blobs import BlobStore
    from dlhub_types.documents import read_document

    root = cache_folder()
    store = BlobStore.from_url(f"file://{root / 'blobs'}")
    async with prepared(folder, on_progress) as packed:
        archive = await store.put_file(packed.archive)
        request = BuildRequest(archive, read_document(json.loads(packed.metadata)))
    return await build_and_call(request, call, store, _settings(root), Followed(on_progress))


def cache_folder() -> Path:
    """Where environments of local runs are kept; may be removed at any time."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "dlhub"


def _settings(root: Path) -> BuildSettings:
    """As a builder's, whose variables count here too."""
    from dlhub_build.settings import BuildSettings

    given: dict[str, Any] = {
        "index_url": os.environ.get("DLHUB_BUILDER_INDEX_URL"),
        "find_links": tuple(os.environ.get("DLHUB_BUILDER_FIND_LINKS", "").split()),
        "ca": os.environ.get("DLHUB_BUILDER_CA"),
    }
    return BuildSettings(environments_dir=root / "environments", **given)
