"""The study, step by step: take pictures, train, publish, run, compare.

The steps are functions of a Study (a hub, how much work, where to report), in the order in which `conduct`
calls them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from dlhub_client.describe import ModelDescription
from examples.band_gap_images import hub, models
from examples.band_gap_images.hub import Answer, Hub, Published
from examples.band_gap_images.models import Autoencoder, Forest
from examples.band_gap_images.optics import Vector
from examples.band_gap_images.pictures import Images, Pictures, taken
from examples.band_gap_images.results import (
    COLOUR,
    MEAN,
    PIPELINE,
    Scored,
    decoding,
    quality,
    same_gaps,
)
from examples.shared.checks import Check, agreement, largest_difference
from examples.shared.progress import Stage, stage

#: Of latent vectors: they are 32-bit floats, which a graph adds in another order than a direct call.
LATENT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Study:
    """What the steps need."""

    hub: Hub
    console: Console
    learn: int = 3000  #: pictures to learn from
    held_out: int = 500
    epochs: int = 12
    trees: int = 150


@dataclass(frozen=True)
class Trained:
    """Both models, and the pictures."""

    learn: Pictures
    held_out: Pictures
    autoencoder: Autoencoder
    forest: Forest

    @property
    def direct_ev(self) -> Vector:
        """The gaps of the held-out pictures by the models called directly, one after the other."""
        gaps: Vector = self.forest.predict(self.autoencoder.held_out)
        return gaps


@dataclass(frozen=True)
class Servables:
    """The three names by which a hub runs them."""

    encoder: str
    forest: str
    pipeline: str


@dataclass(frozen=True)
class Outcome:
    """The held-out pictures, what became of them, what was told of their gaps, and whether that is good."""

    held_out: Pictures
    decoded: Images
    scored: list[Scored]
    quality: list[Check]


def quick(hub: Hub, console: Console) -> Study:
    """A study that tries the hub, not the models."""
    return Study(hub, console, learn=200, held_out=40, epochs=1, trees=10)


def conduct(study: Study) -> tuple[Outcome, list[Check]]:
    """The gaps of the held-out pictures, and what was checked on the way."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trained = train(study, folder)
        servables = publish(study, trained, folder)
        predicted, checks = run(study, trained, servables)
        checks += run_files(study, trained, servables, folder)
    scored, decoded = compare(study, trained, predicted), trained.autoencoder.decoded
    good = [decoding(decoded, trained.held_out.images, trained.learn.images), *quality(scored)]
    return Outcome(trained.held_out, decoded, scored, good), checks


def train(study: Study, folder: Path) -> Trained:
    """Pictures, the autoencoder that learns from them alone, the forest that is told their gaps."""
    with stage(study.console, "Training", 3) as bar:
        bar.doing("taking pictures")
        learn, held_out = taken(study.learn, seed=1), taken(study.held_out, seed=2)
        bar.done(f"{len(learn):,} pictures to learn from, {len(held_out)} held out")
        bar.doing("autoencoder")
        coder = models.autoencoder(learn.images, held_out.images, study.epochs, folder)
        bar.done(f"variational autoencoder: {study.epochs} epochs in {coder.fit_s:.0f} s")
        bar.doing("random forest")
        forest = models.forest(coder.learned, learn.gaps_ev, study.trees)
        bar.done(f"random forest: {study.trees} trees on {coder.learned.shape[1]} latent numbers")
    return Trained(learn, held_out, coder, forest)


def publish(study: Study, trained: Trained, folder: Path) -> Servables:
    """The encoder, the forest, and the pipeline of both."""
    with stage(study.console, "Publishing", 3) as bar:
        encoder = _publish_one(study, hub.encoder(trained.autoencoder.encoder), bar)
        forest = _publish_one(study, hub.forest(models.save(trained.forest, folder)), bar)
        pipeline = _publish_one(study, hub.pipeline(encoder.servable, forest.servable), bar)
    return Servables(encoder.servable, forest.servable, pipeline.servable)


def _publish_one(study: Study, model: ModelDescription, bar: Stage) -> Published:
    bar.doing(str(model.name))
    version = study.hub.publish(model, lambda step: bar.doing(f"{model.name}, {step}"))
    bar.done(f"published {version.servable} in {version.publish_s:.1f} s")
    return version


def run(study: Study, trained: Trained, servables: Servables) -> tuple[Vector, list[Check]]:
    """The pipeline's gaps of all held-out pictures, held against both models by hand and called directly."""
    images, direct_ev = trained.held_out.images, trained.direct_ev
    with stage(study.console, "Running", 3) as bar:
        latent = _run_one(study, servables.encoder, images, bar)
        by_hand = _run_one(study, servables.forest, latent.output, bar)
        whole = _run_one(study, servables.pipeline, images, bar)
    latent_off = largest_difference(latent.output, trained.autoencoder.held_out)
    forest_off = largest_difference(by_hand.output, trained.forest.predict(latent.output))
    return np.asarray(whole.output, dtype=np.float64), [
        agreement("encoder", latent_off, LATENT_TOLERANCE),
        agreement("forest", forest_off),
        same_gaps("pipeline and direct calls", whole.output, direct_ev),
        same_gaps("pipeline and both runs by hand", whole.output, np.asarray(by_hand.output)),
    ]


def _run_one(study: Study, servable: str, inputs: object, bar: Stage) -> Answer:
    bar.doing(servable)
    answer = study.hub.run(servable, inputs)
    shape = " x ".join(map(str, np.shape(answer.output)))
    bar.done(f"{servable}: {shape} numbers in {answer.run_s:.2f} s")
    return answer


def run_files(study: Study, trained: Trained, servables: Servables, folder: Path) -> list[Check]:
    """One picture as people have it: in a file, and opened with Pillow. The same pixels have the same gap."""
    path = folder / "spot.png"
    image = Image.fromarray(trained.held_out.images[0])
    image.save(path)
    checks = []
    with stage(study.console, "A picture of one's own", 2) as bar:
        for what, given in (("a PNG file", path), ("a Pillow image", image)):
            bar.doing(what)
            answer = study.hub.run(servables.pipeline, given)
            bar.done(f"{what}: {float(answer.output[0]):.3f} eV in {answer.run_s:.2f} s")
            checks.append(
                same_gaps(f"pipeline on {what} and direct calls", answer.output, trained.direct_ev[:1])
            )
    return checks


def compare(study: Study, trained: Trained, predicted_ev: Vector) -> list[Scored]:
    """The pipeline beside two simple ways: the mean of all gaps, and a forest on the mean colour."""
    learn, held_out = trained.learn, trained.held_out
    colour = models.forest(models.mean_colours(learn), learn.gaps_ev, study.trees)
    ways = {
        MEAN: np.full(len(held_out), learn.gaps_ev.mean()),
        COLOUR: colour.predict(models.mean_colours(held_out)),
        PIPELINE: predicted_ev,
    }
    return [Scored(title, held_out.gaps_ev, gaps) for title, gaps in ways.items()]
