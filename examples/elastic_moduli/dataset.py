"""The rows of the study: compositions and moduli, as they lie in `data/`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

Target = Literal["bulk", "shear"]
Part = Literal["train", "val"]
TARGETS: tuple[Target, ...] = ("bulk", "shear")

_FOLDER = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Rows:
    """Compounds and their modulus."""

    formulas: list[str]
    moduli: Vector  #: GPa, shape (n,)


def load(target: Target, part: Part, at_most: int | None = None) -> Rows:
    """All rows of one part, or `at_most` of them, spread evenly over the file."""
    with (_FOLDER / f"mp_{target}_modulus_{part}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if at_most is not None and at_most < len(rows):
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, at_most).astype(int)]
    return Rows([row["formula"] for row in rows], np.array([float(row["target"]) for row in rows]))
