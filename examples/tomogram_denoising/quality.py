"""How good slices are, and whether denoising makes them as much better as it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from examples.shared.checks import Check
from examples.tomogram_denoising.phantoms import Slice

TOLERANCE = 1e-5
"""Of values from 0 to 1 in 32-bit floats: with other threads and stacks, sums are made in another order."""
GREY_LEVELS = 1
"""By how many of 255 a picture may differ: where a value lies between two of them, rounding decides."""


@dataclass(frozen=True)
class Quality:
    """How much like the truth a slice is."""

    psnr_db: float
    """Peak signal-to-noise ratio."""
    ssim: float
    """Structural similarity; 1 is the truth."""

    def __str__(self) -> str:
        return f"PSNR {self.psnr_db:.1f} dB, SSIM {self.ssim:.2f}"


@dataclass(frozen=True)
class Compared:
    """One slice without noise, with it, without it again, and with what a usual dose leaves of it."""

    truth: Slice
    low_dose: Slice
    denoised: Slice
    usual_dose: Slice


EACH = Quality(psnr_db=5.0, ssim=0.4)
"""By how much denoising must make any slice better, the phantom of Shepp and Logan included."""
MEAN = Quality(psnr_db=10.0, ssim=0.5)
"""The same for phantoms like those that the network has learned from, on average."""


def quality_of(truth: Slice, shown: Slice) -> Quality:
    """Of values from 0 to 1."""
    pair = np.asarray(truth, np.float64), np.asarray(shown, np.float64)
    psnr_db = peak_signal_noise_ratio(*pair, data_range=1)
    return Quality(float(psnr_db), float(structural_similarity(*pair, data_range=1)))


def mean(found: Sequence[Quality]) -> Quality:
    """Of several slices."""
    return Quality(
        float(np.mean([one.psnr_db for one in found])), float(np.mean([one.ssim for one in found]))
    )


def checks(unseen: Sequence[Compared], shepp_logan: Compared) -> list[Check]:
    """Whether denoising does what it should for unseen phantoms and for one of another kind."""
    each = [_gain(one) for one in (*unseen, shepp_logan)]
    smallest = Quality(min(one.psnr_db for one in each), min(one.ssim for one in each))
    average = mean([_gain(one) for one in unseen])
    return [
        _better(f"the least of all {len(each)}", smallest, EACH),
        _better(f"mean of {len(unseen)} unseen phantoms", average, MEAN),
        _like_usual_dose(unseen),
    ]


def _gain(one: Compared) -> Quality:
    before, after = quality_of(one.truth, one.low_dose), quality_of(one.truth, one.denoised)
    return Quality(after.psnr_db - before.psnr_db, after.ssim - before.ssim)


def _better(what: str, gain: Quality, margins: Quality) -> Check:
    wanted = f"at least {margins.psnr_db:g} dB and {margins.ssim:g}"
    text = f"denoised against low dose, {what}: {gain.psnr_db:+.1f} dB, SSIM {gain.ssim:+.2f} ({wanted})"
    return Check(gain.psnr_db >= margins.psnr_db and gain.ssim >= margins.ssim, text)


def _like_usual_dose(unseen: Sequence[Compared]) -> Check:
    """The promise of denoising: a sixteenth of the dose does what all of it did."""
    denoised = mean([quality_of(one.truth, one.denoised) for one in unseen])
    usual = mean([quality_of(one.truth, one.usual_dose) for one in unseen])
    text = f"denoised at 1/16 of the dose: {denoised}; the whole dose as it is: {usual} (at least that)"
    return Check(denoised.psnr_db >= usual.psnr_db and denoised.ssim >= usual.ssim, text)


def same_picture(what: str, came: NDArray[np.uint8], expected: NDArray[np.uint8]) -> Check:
    """Whether two pictures of 8 bits are the same but for rounding."""
    if came.shape != expected.shape:
        return Check(False, f"{what}: {came.shape} pixels came, not {expected.shape}")
    apart = int(np.abs(came.astype(int) - expected.astype(int)).max())
    return Check(apart <= GREY_LEVELS, f"{what}: at most {apart} of 255 grey levels from the direct call")
