"""The tomograph: photons through a slice, counted, and the slice reconstructed from the counts.

A detector that sends I0 photons towards each of its pixels counts I0 exp(-p) of them on average (Beer and
Lambert), where p is the attenuation added up along the ray; the counts scatter as Poisson says. The slice
is reconstructed from -ln(counts / I0) by filtered back projection, and kept from 0 to 1, as a picture is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import joblib
import numpy as np
from numpy.typing import NDArray
from skimage.transform import iradon, radon

from examples.tomogram_denoising.phantoms import Slice

NORMAL_PHOTONS = 8000
"""Photons per ray that a tomogram of usual quality takes."""
LOW_PHOTONS = NORMAL_PHOTONS // 16
"""The sixteenth part, as in the paper."""
PROJECTIONS = 180
"""Angles, over half a turn."""
PIXEL_MM = 0.1
ATTENUATION_PER_MM = 0.2
"""Of what has the value 1 in a slice."""

_FEWEST = 0.5  #: what a ray without any photon counts as: its logarithm must be a number


def reconstructed(truth: Slice, photons: int, seed: int) -> Slice:
    """What the tomograph shows of a slice at so many photons per ray, from 0 to 1."""
    return back_projected(counts(truth, photons, np.random.default_rng(seed)), photons)


def counts(truth: Slice, photons: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Photons counted; shape (side, PROJECTIONS)."""
    along_rays = radon(truth, _angles()) * (PIXEL_MM * ATTENUATION_PER_MM)
    return np.asarray(rng.poisson(photons * np.exp(-along_rays)))


def back_projected(counted: NDArray[np.int64], photons: int) -> Slice:
    """The slice that counts tell of."""
    along_rays = -np.log(np.maximum(counted, _FEWEST) / photons)
    values = iradon(along_rays / (PIXEL_MM * ATTENUATION_PER_MM), _angles())
    return np.asarray(values).clip(0, 1)


def _angles() -> NDArray[np.float64]:
    return np.linspace(0, 180, PROJECTIONS, endpoint=False)


def all_reconstructed(truths: Sequence[Slice], photons: int, seed: int) -> NDArray[np.float32]:
    """Each slice measured once, on all cores; shape (n, side, side). Noise of its own for each."""
    work = joblib.Parallel(n_jobs=os.cpu_count())
    measure = joblib.delayed(reconstructed)
    return np.array(work(measure(one, photons, seed + at) for at, one in enumerate(truths)), np.float32)
