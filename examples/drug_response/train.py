"""Trains the network; runs in the environment of examples/shared/tensorflow.py.

    python train.py SCREENS.npz FOLDER EPOCHS

SCREENS.npz holds `cell_line`, `drug` and `measured` to learn from, and `held_out_cell_line` and
`held_out_drug`. Into FOLDER go the network as network.keras, and reference.npz: what it gives for the
held-out rows when it is called here.
"""

import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

BATCH = 256


def network(genes, columns):
    """Two towers, for the cell line and for the drug with its dose, and what they make of each other."""
    cell_line = keras.Input((genes,), name="cell_line")
    drug = keras.Input((columns,), name="drug")
    depends = layers.Dense(48, activation="relu")(layers.Dense(64, activation="relu")(cell_line))
    hits = layers.Dense(48, activation="relu")(layers.Dense(64, activation="relu")(drug))
    met = layers.Concatenate()([depends, hits, layers.Multiply()([depends, hits])])
    for units in (64, 32):
        met = layers.Dense(units, activation="relu")(met)
    viability = layers.Dense(1, activation="sigmoid", name="viability")(met)
    return keras.Model([cell_line, drug], viability, name="drug_response")


def train(cell_line, drug, measured, epochs):
    """The network, fitted to what was measured."""
    model = network(cell_line.shape[1], drug.shape[1])
    steps = epochs * -(-len(measured) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=2e-3)
    model.compile(optimizer, loss="mean_squared_error")
    model.fit([cell_line, drug], measured, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def main(screens, folder, epochs):
    """Train, and write what came of it."""
    keras.utils.set_random_seed(7)
    with np.load(screens) as given:
        data = dict(given)
    began = time.monotonic()
    model = train(data["cell_line"], data["drug"], data["measured"], epochs)
    fit_s = time.monotonic() - began
    model.save(folder / "network.keras")
    held_out = [data["held_out_cell_line"], data["held_out_drug"]]
    viability = ops.convert_to_numpy(model(held_out, training=False))
    np.savez(folder / "reference.npz", viability=viability, fit_s=fit_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
