"""A SavedModel with two signatures, one of two inputs, z before x."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

out = Path(sys.argv[1])


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([2.0, 3.0])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="z"),
            tf.TensorSpec([None, 2], tf.float32, name="x"),
        ]
    )
    def combine(self, z, x):
        return {"difference": z - x * self.weights, "a_sum": z + x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def shout(self, text):
        return {"loud": tf.strings.upper(text)}


model = Model()
signatures = {"serving_default": model.combine, "shout": model.shout}
tf.saved_model.save(model, str(out / "published" / "model"), signatures=signatures)

rng = np.random.default_rng(7)
given = {"z": rng.random((5, 2), "f4"), "x": rng.random((5, 2), "f4")}
gave = model.combine(**{name: tf.constant(value) for name, value in given.items()})
np.savez(out / "reference.npz", **given, **{name: tensor.numpy() for name, tensor in gave.items()})
