"""Two Keras models: one with two inputs, z before x, and two outputs; one with a layer of its own."""

import sys
from pathlib import Path

import keras
import numpy as np

SOURCE = """
import keras


class Twice(keras.layers.Layer):
    def call(self, values):
        return 2 * values
"""

out = Path(sys.argv[1])
keras.utils.set_random_seed(7)

z, x = keras.Input((3,), name="z"), keras.Input((2,), name="x")
combined = keras.layers.Add(name="combined")(
    [keras.layers.Dense(4, activation="tanh")(z), keras.layers.Dense(4)(x)]
)
score = keras.layers.Dense(1, name="score")(combined)
model = keras.Model([z, x], [score, combined])
for name in ("keras", "hdf5", "weights"):
    (out / name).mkdir()
model.save(out / "keras" / "model.keras")
model.save(out / "hdf5" / "model.h5")
model.save_weights(out / "weights" / "model.weights.h5")
(out / "weights" / "model.json").write_text(model.to_json())

rng = np.random.default_rng(7)
given = {"z": rng.random((5, 3), "f4"), "x": rng.random((5, 2), "f4")}
gave = model([given["z"], given["x"]], training=False)
np.savez(out / "two.npz", **given, score=gave[0].numpy(), combined=gave[1].numpy())

(out / "custom").mkdir()
(out / "custom" / "own_layers.py").write_text(SOURCE)
sys.path.insert(0, str(out / "custom"))
from own_layers import Twice  # noqa: E402  # the file is made above

model = keras.Sequential([keras.Input((3,)), Twice(), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
model.save(out / "custom" / "model.keras")
np.savez(out / "custom.npz", rows=given["z"], output=model(given["z"], training=False).numpy())
