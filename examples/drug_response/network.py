"""The network: trained where TensorFlow is, described from its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlhub_client import describe
from dlhub_client.describe import ModelDescription
from examples.drug_response.screen import Floats, Screen
from examples.shared import tensorflow

_TRAIN = Path(__file__).with_name("train.py")


@dataclass(frozen=True)
class Network:
    """Its file, and what it gave for the held-out rows when it was called directly."""

    file: Path
    viability: Floats  #: shape (rows, 1)
    fit_s: float


def trained(learn: Screen, held_out: Screen, epochs: int, folder: Path) -> Network:
    """A network that has seen the first screen."""
    others = {f"held_out_{name}": rows for name, rows in held_out.inputs().items()}
    measured = learn.measured.reshape(-1, 1).astype(np.float32)
    arrays: dict[str, Any] = {"measured": measured, **learn.inputs(), **others}
    np.savez(folder / "screens.npz", **arrays)
    tensorflow.run(_TRAIN, str(folder / "screens.npz"), str(folder), str(epochs))
    with np.load(folder / "reference.npz") as found:
        return Network(folder / "network.keras", found["viability"], float(found["fit_s"]))


def description(file: Path) -> ModelDescription:
    """What the file tells, and three things that it cannot. Nobody but its owner may see it."""
    title = "Response of tumour cells to drugs, under development"
    model = describe.keras_model(
        file, name="drug-response", title=title, creators="Developers, DLHub", deterministic=True
    )
    model.amend_input("cell_line", description="Expression of 60 genes, each in standard deviations")
    model.amend_input("drug", description="16 descriptors, then log10 of the dose in µM")
    return model.amend_output(description="Part of the cells that live", minimum=0, maximum=1)
