"""Phantoms, and the tomograph that looks at them."""

from __future__ import annotations

import numpy as np
import pytest

from examples.tomogram_denoising import beam
from examples.tomogram_denoising.phantoms import SIDE, Ellipsoid, cut, shepp_logan, specimen
from examples.tomogram_denoising.quality import quality_of

SMALL = 64
BALL = Ellipsoid((0.2, -0.1), (0.5, 0.25), 0.7, 0.0, 1.0, 0.5)


def test_a_slice_holds_the_area_of_its_ellipse_and_its_value() -> None:
    found = cut((BALL,), side=SMALL)

    area = found.sum() / 0.5 * (2 / SMALL) ** 2
    assert area == pytest.approx(np.pi * 0.5 * 0.25, rel=0.01)
    assert found.max() == 0.5


def test_an_ellipsoid_is_smaller_where_it_is_cut_higher_and_ends() -> None:
    middle, higher, above = (cut((BALL,), height, SMALL).sum() for height in (0.0, 0.6, 1.1))
    assert higher == pytest.approx(middle * (1 - 0.6**2), rel=0.02)
    assert above == 0


def test_an_ellipse_lies_where_and_how_it_should() -> None:
    found = cut((Ellipsoid((0.5, 0.0), (0.1, 0.3), 0.0, 0.0, 1.0, 1.0),), side=SMALL)
    rows, columns = np.nonzero(found)

    assert (columns.mean() + 0.5) * 2 / SMALL - 1 == pytest.approx(0.5, abs=0.02)
    assert (rows.mean() + 0.5) * 2 / SMALL - 1 == pytest.approx(0, abs=0.02)
    assert np.ptp(rows) > 2 * np.ptp(columns)


def test_specimens_are_bodies_in_air_and_the_same_for_the_same_seed() -> None:
    edge = np.hypot(*(np.indices((SMALL, SMALL)) - (SMALL - 1) / 2)) > SMALL / 2
    for seed in range(5):
        found = cut(specimen(np.random.default_rng(seed)), side=SMALL)
        assert found.min() >= 0
        assert 0.1 < found.max() <= 1
        assert found[edge].max() == 0
        assert (found == cut(specimen(np.random.default_rng(seed)), side=SMALL)).all()


def test_slices_of_a_specimen_change_with_height() -> None:
    body = specimen(np.random.default_rng(0))
    assert np.abs(cut(body, -0.5, SMALL) - cut(body, 0.5, SMALL)).max() > 0.05


def test_the_phantom_of_shepp_and_logan() -> None:
    found = shepp_logan()
    assert found.shape == (SIDE, SIDE)
    assert (found[0].max(), round(float(found.max()), 2)) == (0, 1)
    assert found[SIDE // 2, SIDE // 2] == pytest.approx(0.2, abs=0.11)


def test_counts_are_what_beer_and_lambert_say() -> None:
    slab = np.zeros((SMALL, SMALL))
    slab[24:40, 24:40] = 1.0  # 16 pixels of 0.1 mm at 0.2 per mm
    found = beam.counts(slab, 1_000_000, np.random.default_rng(0))

    assert found.shape == (SMALL, beam.PROJECTIONS)
    assert found[SMALL // 2, 0] == pytest.approx(1_000_000 * np.exp(-16 * 0.1 * 0.2), rel=0.01)
    assert found[2, 0] == pytest.approx(1_000_000, rel=0.01)


def test_counts_scatter_as_poisson_says() -> None:
    found = beam.counts(np.zeros((SMALL, SMALL)), 400, np.random.default_rng(0))
    assert found.mean() == pytest.approx(400, rel=0.01)
    assert found.var() == pytest.approx(400, rel=0.05)


def test_more_photons_show_more() -> None:
    truth = cut(specimen(np.random.default_rng(2)), side=SMALL)
    low, usual, many = (
        quality_of(truth, beam.reconstructed(truth, photons, seed=1))
        for photons in (beam.LOW_PHOTONS, beam.NORMAL_PHOTONS, 10**9)
    )
    assert low.psnr_db + 5 < usual.psnr_db < many.psnr_db
    assert many.psnr_db > 27
    assert low.ssim < usual.ssim < many.ssim


def test_a_ray_without_any_photon_is_no_reason_to_fail() -> None:
    found = beam.reconstructed(cut((BALL,), side=SMALL), photons=1, seed=0)
    assert np.isfinite(found).all()


def test_slices_measured_together_have_noise_of_their_own() -> None:
    truth = cut((BALL,), side=32)
    first, second = beam.all_reconstructed([truth, truth], beam.LOW_PHOTONS, seed=5)
    assert first.dtype == np.float32
    assert first == pytest.approx(beam.reconstructed(truth, beam.LOW_PHOTONS, seed=5))
    assert np.abs(first - second).max() > 0.01
