"""The study, step by step: measure, train, publish, denoise pictures and a stack.

The steps are functions of a Study (a hub, how much work, where to report), in the order in which `conduct`
calls them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from examples.shared import tensorflow
from examples.shared.checks import Check, agreement, largest_difference
from examples.shared.progress import Stage, stage
from examples.tomogram_denoising import quality
from examples.tomogram_denoising.beam import LOW_PHOTONS, NORMAL_PHOTONS, all_reconstructed
from examples.tomogram_denoising.hub import Denoised, Frames, Hub, denoiser
from examples.tomogram_denoising.phantoms import Slice, cut, shepp_logan, specimen
from examples.tomogram_denoising.quality import Compared

_TRIES = 3
"""Runs of the stack with so many replicas, the first of them not timed."""
_TRAIN = Path(__file__).with_name("train.py")
#: Of specimens and of noise: no phantom and no photon is met twice.
_LEARNED_SEED, _UNSEEN_SEED, _STACK_SEED, _USUAL_SEED = 1, 10_001, 20_001, 30_001
LOW_DOSE_PICTURE, DENOISED_PICTURE = "tomogram_low_dose.png", "tomogram_denoised.png"


@dataclass(frozen=True)
class Study:
    """What the steps need."""

    hub: Hub
    console: Console
    output: Path
    learned: int = 128
    """Slices to learn from, each of a specimen of its own."""
    steps: int = 300
    """Of training."""
    unseen: int = 15
    frames: int = 64
    """Slices of one specimen, for the stack."""


def quick(hub: Hub, console: Console, output: Path) -> Study:
    """A study that tries the hub, not the network."""
    return Study(hub, console, output, learned=8, steps=4, unseen=2, frames=12)


@dataclass(frozen=True)
class Measured:
    """Slices without noise, and what the tomograph shows of them; Shepp and Logan's is the last unseen."""

    learned: tuple[Frames, Frames]  #: without noise, and at low dose
    unseen: tuple[Frames, Frames]
    stack: tuple[Frames, Frames]
    usual_dose: tuple[Frames, Frames]  #: of `unseen` and of `stack`, with as many photons as usual
    picture: NDArray[np.uint8]  #: Shepp and Logan's phantom at low dose, in 255 grey levels


@dataclass(frozen=True)
class Trained:
    """The network, and what it gives when it is called without a hub."""

    saved_model: Path
    unseen: Frames
    stack: Frames
    picture: Slice
    direct_s: float  #: for all frames, with as many threads as there are cores


@dataclass(frozen=True)
class Results:
    """What came out."""

    unseen: list[Compared]
    shepp_logan: Compared
    stack: list[Compared]


def conduct(study: Study) -> tuple[Results, list[Check]]:
    """Everything denoised through the hub, and what was checked on the way."""
    measured = measure(study)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(study, measured, Path(folder))
        servable = publish(study, trained.saved_model)
    denoised, checks = run_unseen(study, servable, measured, trained)
    checks += run_picture(study, servable, measured, trained)
    runs, more = run_stack(study, servable, measured, trained)
    usual, usual_stack = measured.usual_dose
    *unseen, last = _compared(measured.unseen, denoised, usual)
    return Results(unseen, last, _compared(measured.stack, runs[2].frames, usual_stack)), checks + more


def _compared(pair: tuple[Frames, Frames], denoised: Frames, usual: Frames) -> list[Compared]:
    return [Compared(*one) for one in zip(*pair, denoised, usual, strict=True)]


# --- before there is a servable ---


def measure(study: Study) -> Measured:
    """Phantoms, and the tomograms of them."""
    learned = _specimens(study.learned, _LEARNED_SEED)
    unseen = [*_specimens(study.unseen, _UNSEEN_SEED), shepp_logan()]
    body = specimen(np.random.default_rng(_STACK_SEED))
    stack = [cut(body, height) for height in np.linspace(-0.9, 0.9, study.frames)]
    with stage(study.console, "Measuring phantoms", 4) as bar:
        noisy = _measured(bar, "to learn from", learned, _LEARNED_SEED)
        low = _measured(bar, "unseen", unseen, _UNSEEN_SEED)
        low_stack = _measured(bar, "one specimen", stack, _STACK_SEED)
        all_unseen = [*unseen, *stack]
        usual = _measured(bar, "unseen and specimen again", all_unseen, _USUAL_SEED, NORMAL_PHOTONS)
    return Measured(
        (np.array(learned, np.float32), noisy),
        (np.array(unseen, np.float32), low),
        (np.array(stack, np.float32), low_stack),
        (usual[: len(unseen)], usual[len(unseen) :]),
        _grey(low[-1]),
    )


def _specimens(count: int, seed: int) -> list[Slice]:
    rng = np.random.default_rng(seed)
    return [cut(specimen(rng)) for _ in range(count)]


def _measured(bar: Stage, what: str, truths: list[Slice], seed: int, photons: int = LOW_PHOTONS) -> Frames:
    bar.doing(what)
    found = all_reconstructed(truths, photons, seed)
    bar.done(f"{what}: {len(truths)} slices, {photons:,} photons per ray")
    return found


def _grey(values: Slice) -> NDArray[np.uint8]:
    """Values from 0 to 1 as grey levels."""
    return np.rint(np.asarray(values, np.float64) * 255).astype(np.uint8)


def train(study: Study, measured: Measured, folder: Path) -> Trained:
    """The network, trained in TensorFlow's own environment."""
    truth, noisy = measured.learned
    (_, unseen), (_, stack) = measured.unseen, measured.stack
    frames = np.concatenate([unseen, stack, measured.picture[np.newaxis] / np.float32(255)])
    with stage(study.console, "Training", 1) as bar:
        bar.doing(f"{study.steps} steps on {len(truth)} slices")
        np.savez(folder / "slices.npz", truth=truth, noisy=noisy, frames=frames)
        tensorflow.run(_TRAIN, str(folder / "slices.npz"), str(folder), str(study.steps))
        with np.load(folder / "direct.npz") as told:
            found = {name: told[name] for name in told.files}
        bar.done(f"{study.steps} steps in {found['train_s']:.0f} s")
    direct = found["denoised"]
    parts = np.split(direct, [len(unseen), len(unseen) + len(stack)])
    return Trained(folder / "denoiser", parts[0], parts[1], parts[2][0], float(found["direct_s"]))


# --- through the hub ---


def publish(study: Study, saved_model: Path) -> str:
    """Describe and publish the network; its name."""
    with stage(study.console, "Publishing", 1) as bar:
        bar.doing("the SavedModel")
        servable = study.hub.publish(denoiser(saved_model), lambda step: bar.doing(f"the SavedModel, {step}"))
        bar.done(f"published {servable}")
    return servable


def run_unseen(
    study: Study, servable: str, measured: Measured, trained: Trained
) -> tuple[Frames, list[Check]]:
    """Phantoms that the network has not seen, as one stack."""
    with stage(study.console, "Unseen phantoms", 1) as bar:
        bar.doing("waking a replica")
        came = study.hub.denoise(servable, measured.unseen[1])
        bar.done(f"{len(came.frames)} slices in {came.run_s:.1f} s, waking the first replica included")
    return came.frames, [_same("unseen phantoms", came.frames, trained.unseen)]


def _same(what: str, came: Frames, direct: Frames) -> Check:
    return agreement(what, largest_difference(came, direct), quality.TOLERANCE)


def run_picture(study: Study, servable: str, measured: Measured, trained: Trained) -> list[Check]:
    """A PNG in and a PNG out, once in plain HTTP and once through the client."""
    picture, denoised = study.output / LOW_DOSE_PICTURE, study.output / DENOISED_PICTURE
    Image.fromarray(measured.picture).save(picture)
    with stage(study.console, "Picture in, picture out", 2) as bar:
        bar.doing("plain HTTP")
        denoised.write_bytes(study.hub.denoise_over_http(servable, picture.read_bytes()))
        by_http = _pixels(denoised)
        bar.done(f"{picture.name} to {denoised.name} in plain HTTP: wrote both into {study.output}")
        bar.doing("the client")
        study.hub.denoise_file(servable, picture, denoised)
        bar.done("the same through the client")
    direct = _grey(trained.picture)
    return [
        quality.same_picture("PNG in plain HTTP", by_http, direct),
        quality.same_picture("PNG through the client", _pixels(denoised), direct),
    ]


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def run_stack(
    study: Study, servable: str, measured: Measured, trained: Trained
) -> tuple[dict[int, Denoised], list[Check]]:
    """One large stack, with one replica and with two; by their number."""
    runs, frames = {}, measured.stack[1]
    with stage(study.console, "One stack, split over replicas", 2 * _TRIES * len(frames)) as bar:
        for replicas in (1, 2):
            bar.doing(f"waiting for {_replicas(replicas)}")
            study.hub.serve(servable, replicas)
            tries = [_run_split(study, bar, servable, frames) for _ in range(_TRIES)]
            # Of the first, a new replica makes its graphs ready.
            runs[replicas] = best = min(tries[1:], key=lambda run: run.run_s)
            text = f"{_replicas(replicas)}: {len(frames)} frames in {best.pieces} pieces, {best.run_s:.2f} s"
            bar.done(f"{text}, {len(frames) / best.run_s:.0f} frames/s", steps=0)
    direct_s = trained.direct_s / (len(trained.unseen) + len(frames) + 1) * len(frames)
    gain = runs[1].run_s / runs[2].run_s
    study.console.print(
        f"  two replicas are {gain:.2f} times as fast as one; a direct call, all cores: {direct_s:.2f} s",
        highlight=False,
    )
    return runs, [_split_check(replicas, run, trained.stack) for replicas, run in runs.items()]


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"


def _run_split(study: Study, bar: Stage, servable: str, frames: Frames) -> Denoised:
    bar.doing("frames done")
    reported = 0

    def on_frames(done: int) -> None:
        nonlocal reported
        bar.done(steps=done - reported)
        reported = done

    run = study.hub.denoise(servable, frames, on_frames)
    on_frames(len(frames))  # what was done since the hub told it last
    return run


def _split_check(replicas: int, run: Denoised, direct: Frames) -> Check:
    """Cut, and joined in order: every frame is that of the direct call."""
    same = _same(f"stack in {run.pieces} pieces, {_replicas(replicas)}", run.frames, direct)
    return Check(same.passed and run.pieces > 1, same.text)
