"""The table of how good slices are, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from examples.tomogram_denoising.beam import LOW_PHOTONS, NORMAL_PHOTONS
from examples.tomogram_denoising.quality import Compared, Quality, mean, quality_of
from examples.tomogram_denoising.study import Results


def table(results: Results) -> Table:
    """A row for each kind of slice: the mean of its slices at low dose, denoised, and at the usual dose."""
    result = Table(title="Slices against the truth, through the hub", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    result.add_column("\nSlices")
    for heading in (f"{LOW_PHOTONS} photons", "denoised", f"{NORMAL_PHOTONS} photons"):
        result.add_column(f"{heading}\nPSNR dB", justify="right")
        result.add_column("\nSSIM", justify="right")
    result.add_row("Shepp and Logan", *_cells([results.shepp_logan]))
    result.add_row(f"{len(results.unseen)} unseen phantoms", *_cells(results.unseen))
    result.add_row(f"stack of {len(results.stack)} frames", *_cells(results.stack))
    return result


def _cells(slices: Sequence[Compared]) -> list[str]:
    return [
        *_figures(mean([quality_of(one.truth, one.low_dose) for one in slices])),
        *_figures(mean([quality_of(one.truth, one.denoised) for one in slices])),
        *_figures(mean([quality_of(one.truth, one.usual_dose) for one in slices])),
    ]


def _figures(quality: Quality) -> tuple[str, str]:
    return f"{quality.psnr_db:.1f}", f"{quality.ssim:.2f}"
