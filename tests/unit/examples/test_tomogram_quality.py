"""How slices are judged."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from examples.tomogram_denoising import report
from examples.tomogram_denoising.phantoms import Slice, cut, specimen
from examples.tomogram_denoising.quality import Compared, checks, quality_of, same_picture
from examples.tomogram_denoising.study import Results

TRUTH = cut(specimen(np.random.default_rng(4)), side=64)


def noisy(deviation: float) -> Slice:
    return TRUTH + np.random.default_rng(0).normal(0, deviation, TRUTH.shape)


def compared(low: float = 0.2, denoised: float = 0.002, usual: float = 0.1) -> Compared:
    """By how noisy the slices are."""
    return Compared(TRUTH, noisy(low), noisy(denoised), noisy(usual))


def test_quality_of_a_slice() -> None:
    assert quality_of(TRUTH, TRUTH + 0.1).psnr_db == pytest.approx(20)
    assert quality_of(TRUTH, TRUTH + 1e-9).ssim == pytest.approx(1)
    assert quality_of(TRUTH, noisy(0.2)).ssim < quality_of(TRUTH, noisy(0.1)).ssim < 0.9
    assert str(quality_of(TRUTH, TRUTH + 0.1)).startswith("PSNR 20.0 dB, SSIM 0.")


def test_good_denoising_passes() -> None:
    assert [check.passed for check in checks([compared()], compared())] == [True] * 3


@pytest.mark.parametrize(
    ("unseen", "other", "passed"),
    [
        (compared(denoised=0.15), compared(), [False, False, False]),
        (compared(), compared(denoised=0.15), [False, True, True]),  # the other phantom counts with the least
        (compared(usual=0.001), compared(), [True, True, False]),
    ],
)
def test_poor_denoising_fails(unseen: Compared, other: Compared, passed: list[bool]) -> None:
    assert [check.passed for check in checks([unseen], other)] == passed


def test_pictures_may_differ_by_rounding_only() -> None:
    grey = np.array([[0, 100, 255]], np.uint8)
    assert same_picture("x", grey, np.array([[0, 101, 254]], np.uint8)).passed
    assert not same_picture("x", grey, np.array([[255, 100, 255]], np.uint8)).passed
    assert not same_picture("x", grey, grey.T).passed


def test_the_table_has_a_row_for_each_kind_of_slice() -> None:
    results = Results([compared()] * 3, compared(denoised=0.1), [compared()] * 2)
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(report.table(results))
    text = console.export_text()
    assert "3 unseen phantoms" in text
    assert "stack of 2 frames" in text
    assert f"{quality_of(TRUTH, noisy(0.1)).psnr_db:.1f}" in text
