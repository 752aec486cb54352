"""The two models: the autoencoder, trained where TensorFlow is, and a random forest on what it encodes."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from examples.band_gap_images.optics import Vector
from examples.band_gap_images.pictures import Images, Pictures
from examples.shared import tensorflow

_TRAIN = Path(__file__).with_name("train.py")

Latent = NDArray[np.float32]
Forest = Any  # scikit-learn has no types


@dataclass(frozen=True)
class Autoencoder:
    """The encoder's file, and what the trained model gave when it was called directly."""

    encoder: Path
    learned: Latent  #: of the pictures that it learned from
    held_out: Latent  #: of the others
    decoded: Images  #: what the decoder makes of the latter
    fit_s: float


def autoencoder(learn: Images, held_out: Images, epochs: int, folder: Path) -> Autoencoder:
    """Train it on pictures without their gaps."""
    np.savez(folder / "pictures.npz", images=learn, held_out=held_out)
    tensorflow.run(_TRAIN, str(folder / "pictures.npz"), str(folder), str(epochs))
    with np.load(folder / "reference.npz") as found:
        return Autoencoder(
            encoder=folder / "encoder.keras",
            learned=found["images"],
            held_out=found["held_out"],
            decoded=found["decoded"],
            fit_s=float(found["fit_s"]),
        )


def forest(features: NDArray[np.floating[Any]], gaps_ev: Vector, trees: int) -> Forest:
    """A random forest from features of a picture to its gap."""
    # A third of the features for each split: as good as all of them, and three times as fast.
    made = RandomForestRegressor(trees, max_features=0.33, min_samples_leaf=2, n_jobs=1, random_state=0)
    return made.fit(features, gaps_ev)


def save(model: Forest, folder: Path) -> Path:
    """Its file."""
    path = folder / "forest.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


def mean_colours(pictures: Pictures) -> Vector:
    """Mean red, green and blue of each picture, shape (n, 3): features that need no learning."""
    colours: Vector = pictures.images.mean(axis=(1, 2))
    return colours
