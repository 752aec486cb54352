"""All that the study asks of DLHub: publish a folder, an estimator or a pipeline, run, map."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dlhub_client import describe

_CREATORS = ["Developers, DLHub"]
_PUBLIC = ["public"]
#: Waking the first replica of a model on a busy machine takes seconds; a minute means trouble.
_RUN_TIMEOUT_S = 120.0


OnProgress = Callable[[Any], None]
"""Takes the client's Progress: its stage, the step of a build, the items of a map that are done."""
OnStep = Callable[[str], None]


class Client(Protocol):
    """The part of DLHubClient that is used here."""

    def publish_servable(self, model: Any, *, on_progress: OnProgress | None) -> Any: ...

    def easy_publish(
        self,
        title: str,
        creators: Any,
        short_name: str,
        servable_type: Any,
        serv_options: dict[str, Any],
        *,
        visible_to: Any,
        on_progress: OnProgress | None,
    ) -> Any: ...

    def run(self, name: str, inputs: Any, *, debug: bool, timeout_s: float | None, fresh: bool) -> Any: ...

    def map(
        self,
        name: str,
        inputs: Any,
        *,
        on_progress: OnProgress | None,
        timeout_s: float | None,
    ) -> Any: ...


@dataclass(frozen=True)
class Published:
    """A version that is ready to run."""

    servable: str  #: owner/name@version
    publish_s: float


@dataclass(frozen=True)
class Answer:
    """What came back from a run."""

    output: Any
    run_s: float  #: wall clock here
    model_s: float | None  #: what the model itself took, as the hub reports it


class Hub:
    """A hub through DLHub's client, for this study."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def publish_folder(self, folder: Path, on_step: OnStep) -> Published:
        """Publish a folder that has a dlhub.json; returns when it is ready. on_step is told what goes on."""
        started = time.perf_counter()
        return _published(self._client.publish_servable(folder, on_progress=_telling(on_step)), started)

    def publish_estimator(
        self, path: Path, name: str, title: str, on_step: OnStep, *, columns: int, serialization: str
    ) -> Published:
        """Publish a file with a scikit-learn estimator; returns when it is ready."""
        options = {"path": str(path), "n_input_columns": columns, "serialization_method": serialization}
        started = time.perf_counter()
        version = self._client.easy_publish(
            title, _CREATORS, name, "sklearn", options, visible_to=_PUBLIC, on_progress=_telling(on_step)
        )
        return _published(version, started)

    def publish_pipeline(self, name: str, title: str, first: str, members: Sequence[str]) -> Published:
        """Publish a servable that is the mean of what `members` make of what `first` gives."""
        models = describe.step(members, combine="mean", name="models")
        pipeline = describe.pipeline([first, models], name=name, title=title, creators=_CREATORS)
        started = time.perf_counter()
        published = self._client.publish_servable(pipeline.set_visibility(_PUBLIC), on_progress=None)
        return _published(published, started)

    def run(self, servable: str, inputs: Any) -> Answer:
        """Run on one input and wait for the output, computed now: a remembered one would tell no times."""
        started = time.perf_counter()
        output, metadata = self._client.run(
            servable, inputs, debug=True, timeout_s=_RUN_TIMEOUT_S, fresh=True
        )
        run_s = time.perf_counter() - started
        model_ms = metadata.get("timings_ms", {}).get("run")
        return Answer(output, run_s, None if model_ms is None else model_ms / 1000)

    def map(self, servable: str, inputs: Sequence[Any], on_done: Callable[[int], None]) -> list[Any]:
        """Run on many inputs, outputs in their order; on_done is told how many are done."""

        def on_progress(progress: Any) -> None:
            on_done(progress.done)

        return list(
            self._client.map(servable, list(inputs), on_progress=on_progress, timeout_s=_RUN_TIMEOUT_S)
        )


def _telling(on_step: OnStep) -> OnProgress:
    def on_progress(progress: Any) -> None:
        on_step(progress.step or progress.stage)

    return on_progress


def _published(version: Any, started: float) -> Published:
    return Published(version.exact_name, time.perf_counter() - started)
