"""All that the study asks of DLHub: describe, publish, run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_client import DLHubClient, describe
from dlhub_client.describe import ModelDescription

_CREATORS = ["Developers, DLHub"]
#: Waking the first replica with TensorFlow on a busy machine takes many seconds; minutes mean trouble.
_RUN_TIMEOUT_S = 180.0

OnStep = Callable[[str], None]


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


def encoder(file: Path) -> ModelDescription:
    """The encoder of a variational autoencoder, from its file."""
    title = "Optical picture of a printed spot to latent space"
    model = describe.keras_model(
        file, name="band-gap-encoder", title=title, creators=_CREATORS, deterministic=True
    )
    return model.set_domains(["materials science"]).set_visibility()


def forest(file: Path) -> ModelDescription:
    """The forest, from its file, and what the file cannot tell: that it gives electron volts."""
    title = "Band gap from latent space"
    gap = describe.argument("ndarray", "Band gap of each sample", item_type="float", shape=[None], units="eV")
    model = describe.sklearn_model(file, name="band-gap-forest", title=title, creators=_CREATORS, outputs=gap)
    return model.set_domains(["materials science"]).set_visibility()


def pipeline(encoder: str, forest: str) -> ModelDescription:
    """From picture to gap: both models, in these versions."""
    title = "Band gap from an optical picture"
    model = describe.pipeline([encoder, forest], name="band-gap", title=title, creators=_CREATORS)
    return model.set_domains(["materials science"]).set_visibility()


class Hub:
    """A hub through DLHub's client, for this study."""

    def __init__(self, client: DLHubClient) -> None:
        self._client = client

    def publish(self, model: ModelDescription, on_step: OnStep) -> Published:
        """Publish a description; returns when it is ready to run. on_step is told what goes on."""
        started = time.perf_counter()
        version = self._client.publish_servable(
            model, on_progress=lambda progress: on_step(progress.step or progress.stage)
        )
        return Published(version.exact_name, time.perf_counter() - started)

    def run(self, servable: str, inputs: Any) -> Answer:
        """Run on an input and wait for the output, computed anew even if the hub remembers it."""
        started = time.perf_counter()
        output = self._client.run(servable, inputs, fresh=True, timeout_s=_RUN_TIMEOUT_S)
        return Answer(output, time.perf_counter() - started)
