"""Trains the network and exports it as a SavedModel; runs where examples/shared/tensorflow.py makes it run.

    python train.py SLICES.npz FOLDER STEPS

SLICES.npz holds `noisy` and `truth` (n, side, side) to learn from, and `frames` to denoise at the end. Into
FOLDER go the SavedModel as denoiser/, and direct.npz: the frames as the SavedModel denoises them when it is
called here, and how long that took.
"""

import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

CROP, BATCH = 64, 16
FILTERS = (16, 32, 64)
COARSEST = 2 ** (len(FILTERS) - 1)
"""Height and width that the network takes are multiples of it."""
AT_ONCE = 16


class Crops(keras.utils.PyDataset):
    """Square parts of slices at random places, turned and mirrored at random; the same ones every time."""

    def __init__(self, noisy, truth, steps):
        super().__init__()
        self.slices, self.steps = np.stack([noisy, truth], axis=-1), steps

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        rng = np.random.default_rng(step)
        crops = np.stack([self._crop(rng) for _ in range(BATCH)])
        return crops[..., :1], crops[..., 1:]

    def _crop(self, rng):
        count, side = self.slices.shape[:2]
        which, (top, left) = rng.integers(count), rng.integers(side - CROP + 1, size=2)
        crop = np.rot90(self.slices[which, top : top + CROP, left : left + CROP], rng.integers(4))
        return crop[::-1] if rng.integers(2) else crop


def network():
    """A small U-Net: what it gives is added to the picture, so that it need only tell the noise."""
    picture = keras.Input((None, None, 1))
    values, sides = picture, []
    for filters in FILTERS[:-1]:
        values = convolved(values, filters)
        sides.append(values)
        values = layers.MaxPooling2D()(values)
    values = convolved(values, FILTERS[-1])
    for filters, side in zip(FILTERS[-2::-1], sides[::-1], strict=True):
        values = layers.UpSampling2D()(values)
        values = convolved(layers.Concatenate()([values, side]), filters)
    return keras.Model(picture, picture + layers.Conv2D(1, 1, kernel_initializer="zeros")(values))


def convolved(values, filters):
    for _ in range(2):
        values = layers.Conv2D(filters, 3, padding="same", activation="relu")(values)
    return values


def trained(noisy, truth, steps):
    """The network after so many steps."""
    model = network()
    pace = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(keras.optimizers.Adam(pace), loss="mean_absolute_error")
    model.fit(Crops(noisy, truth, steps), epochs=1, shuffle=False, verbose=0)
    return model


class Denoiser(tf.Module):
    """What is exported: takes pictures of any size, gives values from 0 to 1."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1), tf.float32, "noisy")])
    def denoise(self, noisy):
        height, width = tf.shape(noisy)[1], tf.shape(noisy)[2]
        edges = [[0, 0], [0, -height % COARSEST], [0, -width % COARSEST], [0, 0]]
        denoised = self.model(tf.pad(noisy, edges, "SYMMETRIC"), training=False)
        return {"denoised": tf.clip_by_value(denoised[:, :height, :width], 0, 1)}


def main(slices, folder, steps):
    keras.utils.set_random_seed(0)
    given, folder = np.load(slices), Path(folder)
    started = time.perf_counter()
    denoiser = Denoiser(trained(given["noisy"], given["truth"], int(steps)))
    train_s = time.perf_counter() - started
    tf.saved_model.save(denoiser, str(folder / "denoiser"), {"serving_default": denoiser.denoise})

    call = tf.saved_model.load(str(folder / "denoiser")).signatures["serving_default"]
    frames = tf.constant(given["frames"][..., np.newaxis])
    call(noisy=frames[:AT_ONCE])  # the first call makes the graph ready
    started = time.perf_counter()
    found = [call(noisy=frames[at : at + AT_ONCE])["denoised"] for at in range(0, len(frames), AT_ONCE)]
    direct_s = time.perf_counter() - started
    denoised = np.concatenate(found)[..., 0]
    np.savez(folder / "direct.npz", denoised=denoised, train_s=train_s, direct_s=direct_s)


if __name__ == "__main__":
    main(*sys.argv[1:])
