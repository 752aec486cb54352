"""Pictures of printed spots: colours by the rule of `optics`, and all that a camera and a printer add.

What varies beside the gap, and tells nothing of it: place, size and outline of the spot, its thickness (a
factor of three between samples, thicker at the rim and uneven inside), temperature and brightness of the
lamp, shading across the picture, the backing's grain, and the noise of the sensor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from examples.band_gap_images import optics
from examples.band_gap_images.optics import Array, Vector

SIZE = 64
"""Pixels on each side."""
_BATCH = 250
_NODES = 48
"""Thicknesses of a sample whose colours are computed; those between them are interpolated."""
_WAVES = 6
"""Waves on each side that an uneven surface is made of."""

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """Samples: what the camera saw, and the truth."""

    images: Images  #: shape (n, 64, 64, 3), sRGB
    gaps_ev: Vector  #: shape (n,)

    def __len__(self) -> int:
        return len(self.gaps_ev)


def taken(count: int, seed: int) -> Pictures:
    """So many pictures, with gaps spread evenly over the range, in no order."""
    random = np.random.default_rng(seed)
    gaps = random.uniform(*optics.GAPS_EV, count)
    parts = [_images(gaps[start : start + _BATCH], random) for start in range(0, count, _BATCH)]
    return Pictures(np.concatenate(parts), gaps)


def _images(gaps: Vector, random: Generator) -> Images:
    thickness = _thickness(len(gaps), random)
    lamp_k = random.normal(6500.0, 250.0, len(gaps))
    light = _colours_of(gaps, thickness, lamp_k) * _lighting(len(gaps), random)
    # Noise of a sensor: of the photons, which grows with the light, and of the electronics.
    noise = random.standard_normal(light.shape) * np.sqrt(0.012**2 * light + 0.004**2)
    return np.rint(255 * optics.encoded(light + noise)).astype(np.uint8)


def _colours_of(gaps: Vector, thickness: Array, lamp_k: Vector) -> Array:
    """Linear colours of each pixel, shape (n, 64, 64, 3)."""
    steps = np.linspace(0.0, 1.0, _NODES) ** 2  # closer where the film is thin, and its colour changes most
    nodes = thickness.max(axis=(1, 2))[:, np.newaxis] * steps
    table = optics.colours(gaps, nodes, lamp_k)
    light = np.empty((*thickness.shape, 3))
    for sample, channel in np.ndindex(len(gaps), 3):
        light[sample, :, :, channel] = np.interp(thickness[sample], nodes[sample], table[sample, :, channel])
    return light


def _thickness(count: int, random: Generator) -> Array:
    """Thickness of the film in nm, 0 beside the spot, shape (n, 64, 64)."""
    middle = SIZE / 2 + random.normal(0.0, 1.5, (2, count, 1, 1))
    y, x = np.mgrid[:SIZE, :SIZE][:, np.newaxis] + 0.5 - middle
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    radius = random.uniform(19.0, 26.0, (count, 1, 1)) * _outline(angle, random)
    inside = 1 / (1 + np.exp((distance - radius) / 0.45))
    rim = 1 + random.uniform(0.0, 0.6, (count, 1, 1)) * np.exp(-(((distance - radius + 2.5) / 2.0) ** 2))
    inner = 250.0 * np.exp(random.uniform(-0.55, 0.55, (count, 1, 1)))
    thickness: Array = inner * inside * rim * np.exp(0.18 * _uneven(count, random))
    return thickness


def _outline(angle: Array, random: Generator) -> Array:
    """The radius by direction: nearly a circle."""
    wobble = np.ones_like(angle)
    for wave in range(2, 6):
        size, phase = random.normal(0.0, 0.012, (len(angle), 1, 1)), random.uniform(0, 7, (len(angle), 1, 1))
        wobble += size * np.cos(wave * angle + phase)
    return wobble


def _uneven(count: int, random: Generator) -> Array:
    """A smooth random surface of mean 0 and variance about 1, shape (n, 64, 64)."""
    waves = np.cos(np.pi * np.outer(np.arange(SIZE) + 0.5, np.arange(_WAVES)) / SIZE)
    weights = random.standard_normal((count, _WAVES, _WAVES))
    weights[:, 0, 0] = 0.0
    surface: Array = waves @ weights @ waves.T / (_WAVES / 2)
    return surface


def _lighting(count: int, random: Generator) -> Array:
    """Brightness of each pixel: exposure, shading from one side, grain of the backing; (n, 64, 64, 1)."""
    exposure = random.uniform(0.8, 0.98, (count, 1, 1))
    slope = random.normal(0.0, 0.04, (count, 2, 1, 1))
    y, x = np.linspace(-1, 1, SIZE)[:, np.newaxis], np.linspace(-1, 1, SIZE)[np.newaxis]
    grain = 0.008 * random.standard_normal((count, SIZE, SIZE))
    light: Array = exposure * (1 + slope[:, 0] * y + slope[:, 1] * x) * (1 + grain)
    return light[..., np.newaxis]
