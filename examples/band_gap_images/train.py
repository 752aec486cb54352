"""Trains the variational autoencoder; runs in the environment of examples/shared/tensorflow.py.

    python train.py PICTURES.npz FOLDER EPOCHS

PICTURES.npz holds `images` (to learn from) and `held_out`. Into FOLDER go the encoder as encoder.keras, and
reference.npz: the latent vectors of both as the encoder gives them when called here, and what the decoder
makes of the held-out ones.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

Array = NDArray[Any]
Tensor = Any  # what Keras hands on between layers
Model = Any

LATENT = 100
BATCH = 16
NOISE = 0.05
"""What a pixel's value, 0 to 1, may be off without being thought wrong: weighs pictures against the prior."""


class Sample(layers.Layer):  # type: ignore[misc]  # Keras brings no types
    """A point of the distribution that a mean and a logarithm of a variance tell of.

    Charges for what the distribution says beyond the prior, a standard normal one.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, told: tuple[Tensor, Tensor]) -> Tensor:
        mean, log_variance = told
        divergence = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1 - log_variance)
        self.add_loss(ops.mean(ops.sum(divergence, axis=-1)))
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seeds)


def encoder_and_variance() -> tuple[Model, Model]:
    """The encoder, whose output is the mean, and one model that gives mean and variance."""
    picture = keras.Input((64, 64, 3), dtype="uint8", name="picture")
    # The scaling is a part of the model: who runs it gives the bytes of the picture.
    values = layers.Rescaling(1 / 127.5, offset=-1)(picture)
    values = layers.AveragePooling2D(2)(values)
    for filters in (32, 48, 64):
        values = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(values)
        values = layers.BatchNormalization(momentum=0.9)(values)
    values = layers.Flatten()(values)
    mean = layers.Dense(LATENT, name="latent")(values)
    # Starts sure of itself: noise as large as the signal would teach the decoder to take no notice of it.
    begin = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(-4)}
    log_variance = layers.Dense(LATENT, **begin, name="log_variance")(values)
    return keras.Model(picture, mean, name="encoder"), keras.Model(picture, [mean, log_variance])


def decoder() -> Model:
    """From a latent vector to a picture, about 0 to 1: bounds would slow down the learning of bare white."""
    latent = keras.Input((LATENT,), name="latent")
    values = layers.Reshape((4, 4, 64))(layers.Dense(4 * 4 * 64, activation="relu")(latent))
    for filters in (48, 32):
        values = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", activation="relu")(values)
        values = layers.BatchNormalization(momentum=0.9)(values)
    values = layers.Conv2DTranspose(3, 4, strides=2, padding="same")(values)
    return keras.Model(latent, layers.UpSampling2D(interpolation="bilinear")(values), name="decoder")


def surprise(true: Tensor, made: Tensor) -> Tensor:
    """Negative logarithm of the likelihood of a picture, but for a constant."""
    return ops.sum(ops.square(true - made), axis=(1, 2, 3)) / (2 * NOISE**2)


def train(images: Array, epochs: int) -> tuple[Model, Model]:
    """The encoder and the decoder, fitted to the images."""
    encoder, told = encoder_and_variance()
    decoded = decoder()
    both = keras.Model(told.inputs, decoded(Sample()(told.outputs)))
    steps = epochs * -(-len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    both.compile(keras.optimizers.Adam(rate), loss=surprise)
    both.fit(images, images / np.float32(255), batch_size=BATCH, epochs=epochs, verbose=0)
    return encoder, decoded


def called(model: Model, inputs: Array) -> Array:
    """What a model makes of its inputs, called directly."""
    parts = [inputs[start : start + 500] for start in range(0, len(inputs), 500)]
    return np.concatenate([ops.convert_to_numpy(model(part, training=False)) for part in parts])


def main(pictures: Path, folder: Path, epochs: int) -> None:
    """Train, and write what came of it."""
    keras.utils.set_random_seed(7)
    with np.load(pictures) as given:
        images, held_out = given["images"], given["held_out"]
    began = time.monotonic()
    encoder, decoded = train(images, epochs)
    fit_s = time.monotonic() - began
    encoder.save(folder / "encoder.keras")
    latent = called(encoder, held_out)
    np.savez(
        folder / "reference.npz",
        images=called(encoder, images),
        held_out=latent,
        decoded=np.rint(255 * called(decoded, latent).clip(0, 1)).astype("u1"),
        fit_s=fit_s,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
