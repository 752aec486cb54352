"""The rule of the band gap pictures: what a film lets through, which colour it has, what a camera adds."""

from __future__ import annotations

import numpy as np
import pytest

from examples.band_gap_images import optics, pictures
from examples.band_gap_images.optics import WAVELENGTHS_NM


def colour_of(gap_ev: float, thickness_nm: float = 250.0) -> np.ndarray:
    """What an image file holds of an even film: red, green and blue, 0 to 1."""
    linear = optics.colours(np.array([gap_ev]), np.array([[thickness_nm]]), np.array([6500.0]))
    return optics.encoded(linear)[0, 0]


def test_a_larger_gap_lets_more_light_of_every_wavelength_through() -> None:
    gaps = np.linspace(*optics.GAPS_EV, 20)
    light = optics.returned(gaps, np.full((20, 1), 250.0))[:, 0]
    assert (np.diff(light, axis=0) > 0).all()
    assert ((light > 0) & (light < 1)).all()


def test_a_thicker_film_lets_less_light_through() -> None:
    light = optics.returned(np.array([2.3]), np.array([[0.0, 100.0, 200.0]]))[0]
    assert (light[0] == 1).all()
    assert light[2] == pytest.approx(light[1] ** 2)  # Beer and Lambert


def test_absorption_is_that_of_a_direct_gap_above_it_and_falls_by_urbach_below() -> None:
    gap = 2.3
    energy = 1239.842 / WAVELENGTHS_NM
    tauc = optics.absorption(np.array([gap]))[0] * energy
    above, below = energy > gap + 0.03, energy < gap
    slope = np.diff(tauc[above] ** 2) / np.diff(energy[above])
    assert slope == pytest.approx(np.full(len(slope), slope[0]))
    steepness = np.diff(np.log(tauc[below])) / np.diff(energy[below])
    assert steepness == pytest.approx(np.full(len(steepness), 1 / 0.05))


def test_bare_backing_under_the_nominal_lamp_is_white() -> None:
    assert colour_of(2.3, thickness_nm=0.0) == pytest.approx(np.ones(3))


def test_colours_go_from_black_over_red_and_yellow_to_white() -> None:
    black, red, yellow, pale = (colour_of(gap) for gap in (1.7, 2.0, 2.5, 2.9))
    assert black.max() < 0.2
    assert red[0] > 0.5 > 0.3 > red[1:].max()
    assert yellow[:2].min() > 0.9 > 0.4 > yellow[2]
    assert pale.min() > 0.85


def test_a_cooler_lamp_is_redder() -> None:
    cool, warm = optics.colours(np.array([2.3, 2.3]), np.zeros((2, 1)), np.array([7500.0, 5500.0]))[:, 0]
    assert warm[0] / warm[2] > 1.2 * cool[0] / cool[2]


def test_the_curve_of_srgb() -> None:
    assert optics.encoded(np.array([-0.1, 0.0, 0.0031308, 0.2140, 1.0, 2.0])) == pytest.approx(
        [0.0, 0.0, 0.04045, 0.5, 1.0, 1.0], abs=1e-4
    )


def test_pictures_are_of_the_declared_kind_and_the_same_for_a_seed() -> None:
    first, again, other = pictures.taken(12, 5), pictures.taken(12, 5), pictures.taken(12, 6)
    assert (first.images.shape, first.images.dtype) == ((12, 64, 64, 3), np.uint8)
    assert (first.images == again.images).all()
    assert (first.images != other.images).any()
    low, high = optics.GAPS_EV
    assert ((first.gaps_ev >= low) & (first.gaps_ev <= high)).all()


def test_the_middle_of_a_spot_lies_between_the_colours_of_a_thick_and_of_a_thin_film() -> None:
    seen = pictures.taken(60, 1)
    middle = seen.images[:, 28:36, 28:36].mean(axis=(1, 2)) / 255
    thick, thin = (np.array([colour_of(gap, nm) for gap in seen.gaps_ev]) for nm in (480.0, 100.0))
    assert (middle > thick - 0.18).mean() > 0.97  # the light goes down to 0.8 of the nominal
    assert (middle < thin + 0.06).mean() > 0.97


def test_what_lies_beside_the_spot_tells_nothing_of_the_gap() -> None:
    seen = pictures.taken(300, 2)
    corner = seen.images[:, :4, :4].mean(axis=(1, 2))
    correlations = [abs(np.corrcoef(corner[:, channel], seen.gaps_ev)[0, 1]) for channel in range(3)]
    assert max(correlations) < 0.2
