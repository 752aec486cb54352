"""All that the study asks of DLHub: describe, publish, run on pictures and stacks, serve with replicas."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlhub_client import DLHubClient, describe
from dlhub_client.describe import ModelDescription
from dlhub_client.models import Progress

#: Waking the first replica with TensorFlow on a busy machine takes many seconds; minutes mean trouble.
_PATIENCE_S = 180.0
_PNG = "image/png"

OnStep = Callable[[str], None]
OnFrames = Callable[[int], None]
"""Is told how many frames are done."""
Frames = NDArray[np.float32]
"""Shape (n, side, side), values from 0 to 1."""


@dataclass(frozen=True)
class Denoised:
    """A stack that came back."""

    frames: Frames
    run_s: float  #: wall clock here
    pieces: int  #: into how many the hub cut it


def denoiser(saved_model: Path) -> ModelDescription:
    """The network: what its file tells, and what it cannot: black is 0 and white is 1."""
    shape: list[int | str | None] = ["frames", "height", "width", 1]
    pictures = describe.argument("ndarray", "Slices", shape=shape, dtype="float32", minimum=0, maximum=1)
    model = describe.tensorflow_model(
        saved_model,
        name="denoise",
        inputs=pictures,
        outputs=pictures,
        map_axis=0,
        creators="Developers, DLHub",
    )
    return model.set_title("Tomograms of low dose, denoised").set_visibility()


class Hub:
    """A hub through DLHub's client, for this study."""

    def __init__(self, client: DLHubClient) -> None:
        self._client = client

    def publish(self, model: ModelDescription, on_step: OnStep) -> str:
        """Publish a model; its `owner/name` when it is ready. on_step is told what goes on."""

        def on_progress(progress: Progress) -> None:
            on_step(progress.step or progress.stage)

        return self._client.publish_servable(model, on_progress=on_progress).name

    def denoise(self, servable: str, frames: Frames, on_frames: OnFrames | None = None) -> Denoised:
        """Run on a stack, computed now even if the hub has it in memory."""

        def on_progress(progress: Progress) -> None:
            if on_frames is not None:
                on_frames(progress.done)

        started = time.perf_counter()
        output, metadata = self._client.run(
            servable,
            frames[..., np.newaxis],
            debug=True,
            fresh=True,
            timeout_s=_PATIENCE_S,
            on_progress=on_progress,
        )
        run_s = time.perf_counter() - started
        return Denoised(np.asarray(output)[..., 0], run_s, int(metadata.get("pieces", 1)))

    def denoise_file(self, servable: str, picture: Path, denoised: Path) -> None:
        """From a picture's file to another."""
        self._client.run(servable, picture, timeout_s=_PATIENCE_S, returns=denoised)

    def denoise_over_http(self, servable: str, png: bytes) -> bytes:
        """The same in plain HTTP, as curl does it."""
        address = self._client.address
        url = f"{address.url}/api/v1/servables/{servable}/run"
        return post(url, png, {"Authorization": f"Bearer {address.token}", "Accept": _PNG})

    def serve(self, servable: str, replicas: int) -> None:
        """Serve with exactly so many replicas; returns when they are ready. Raises TimeoutError."""
        wish = {"min_replicas": replicas, "max_replicas": replicas}
        self._client.put_deployments(servable, [wish])
        deadline = time.monotonic() + _PATIENCE_S
        while (ready := _ready(self._client.sites(), servable)) != (replicas, 0):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{replicas} replicas of {servable} were wanted; {ready[0]} are ready")
            time.sleep(0.2)


def _ready(sites: Sequence[Any], servable: str) -> tuple[int, int]:
    """How many replicas are ready, and how many are starting."""
    served = [one for site in sites for one in site["served"] if one["servable"] == servable]
    return sum(one["ready"] for one in served), sum(one["starting"] for one in served)


def post(url: str, png: bytes, headers: dict[str, str]) -> bytes:
    """What a server answers to a picture. Raises RuntimeError with the server's own words."""
    request = urllib.request.Request(url, png, {"Content-Type": _PNG, **headers})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: status {error.code}: {error.read().decode(errors='replace')}") from error
