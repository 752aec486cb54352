"""Specimens made of ellipsoids, and the slices through them: what a tomograph would see without noise.

A slice holds attenuation coefficients, in units of `beam.ATTENUATION_PER_MM`: 0 is air, 1 the densest there
is. The round field of view touches the four sides of the slice, and everything outside it is air.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.data import shepp_logan_phantom
from skimage.transform import resize

Slice = NDArray[np.float64]
"""Shape (side, side), values from 0 to 1."""

SIDE = 192
"""Pixels along each side of a slice."""
_FINER = 2  #: points along each side of a pixel, whose mean is the pixel


@dataclass(frozen=True)
class Ellipsoid:
    """A body, whose value is added to those of all others there; lengths in radii of the field of view."""

    centre: tuple[float, float]
    half_axes: tuple[float, float]
    turn: float  #: radians
    level: float  #: height of its centre
    half_height: float
    value: float


Specimen = tuple[Ellipsoid, ...]


def specimen(rng: np.random.Generator) -> Specimen:
    """A body, which may have a shell, with 8 to 24 inclusions at random."""
    wide, narrow = rng.uniform(0.62, 0.9), rng.uniform(0.45, 0.8)
    turn, value = rng.uniform(0, np.pi), rng.uniform(0.15, 0.5)
    shell = rng.uniform(0.2, 0.6) if rng.random() < 0.5 else 0.0
    body = _upright((wide, narrow), turn, value + shell)
    if shell:
        thick = rng.uniform(0.03, 0.09)
        inner = _upright((wide - thick, narrow - thick), turn, -shell)
        return (body, inner, *_inclusions(rng, inner, value))
    return (body, *_inclusions(rng, body, value))


def _upright(half_axes: tuple[float, float], turn: float, value: float) -> Ellipsoid:
    """In the middle, and of nearly the same width wherever it is cut."""
    return Ellipsoid((0.0, 0.0), half_axes, turn, 0.0, 2.5, value)


def _inclusions(rng: np.random.Generator, body: Ellipsoid, value: float) -> list[Ellipsoid]:
    """Ellipsoids inside a body, lighter or denser than its value, at all heights from -1 to 1."""
    found = []
    for _ in range(rng.integers(8, 25)):
        angle, out = rng.uniform(0, 2 * np.pi), 0.8 * np.sqrt(rng.random())
        place = _turned(out * np.array([np.cos(angle), np.sin(angle)]) * body.half_axes, body.turn)
        room = 0.9 * (1 - out) * min(body.half_axes)
        axes = np.minimum(np.exp(rng.uniform(np.log(0.02), np.log(0.3), 2)), max(room, 0.02))
        denser = rng.random() < 0.6
        contrast = rng.uniform(0.04, 0.4) if denser else -rng.uniform(0.04, value)
        level, tall = rng.uniform(-1, 1), rng.uniform(0.3, 1.2)
        turn = rng.uniform(0, np.pi)
        found.append(Ellipsoid((place[0], place[1]), (axes[0], axes[1]), turn, level, tall, contrast))
    return found


def _turned(point: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.array([[cosine, -sine], [sine, cosine]]) @ point


def cut(body: Specimen, height: float = 0.0, side: int = SIDE) -> Slice:
    """The slice through a specimen at a height from -1 to 1."""
    fine = side * _FINER
    across = (np.arange(fine, dtype=np.float64) + 0.5) * (2 / fine) - 1
    x, y = across[np.newaxis, :], across[:, np.newaxis]
    values = np.zeros((fine, fine))
    for part in body:
        reach = 1 - ((height - part.level) / part.half_height) ** 2
        if reach > 0:
            values += part.value * (_distance(part, x, y) <= reach)
    values = values.clip(0, 1) * (x**2 + y**2 < 0.96)
    return np.asarray(values.reshape(side, _FINER, side, _FINER).mean(axis=(1, 3)))


def _distance(part: Ellipsoid, x: NDArray[Any], y: NDArray[Any]) -> Slice:
    """Squared distance of points from its axis: 1 on its surface at the height of its centre."""
    right, down = x - part.centre[0], y - part.centre[1]
    cosine, sine = np.cos(part.turn), np.sin(part.turn)
    along, beside = right * cosine + down * sine, down * cosine - right * sine
    return np.asarray((along / part.half_axes[0]) ** 2 + (beside / part.half_axes[1]) ** 2)


def shepp_logan(side: int = SIDE) -> Slice:
    """The phantom of Shepp and Logan, with the contrasts that scikit-image gives it."""
    return np.asarray(resize(shepp_logan_phantom(), (side, side), anti_aliasing=True)).clip(0, 1)
