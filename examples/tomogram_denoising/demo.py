"""Tomograms of low dose, denoised through a hub: `python -m examples.tomogram_denoising.demo`.

Starts a hub on this machine, measures phantoms at a sixteenth of the usual dose, trains a small network to
take the noise away, publishes it as a SavedModel, and runs it on unseen phantoms, on a PNG in plain HTTP, and
on a stack that the hub splits over two replicas; prints how good the slices are before and after, draws them
as tomogram_denoising.png, and stops the hub. Exit status 0 means: everything that came back equals the
network called directly, and denoised slices are better by the stated margins.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from examples.shared.checks import Check
from examples.shared.driver import Setting
from examples.shared.driver import main as driver
from examples.tomogram_denoising import plot, quality, report, study
from examples.tomogram_denoising.hub import Hub

PICTURE = "tomogram_denoising.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    return driver(example, __doc__ or "", arguments)


def example(setting: Setting) -> list[Check]:
    """The study, its table and its pictures."""
    make = study.quick if setting.quick else study.Study
    results, checks = study.conduct(make(Hub(setting.client), setting.console, setting.output))
    setting.console.rule("[bold]Results", align="left")
    setting.console.print(report.table(results))
    picture = setting.output / PICTURE
    plot.draw(results, picture)
    setting.console.print(f"Wrote {picture}", soft_wrap=True)
    # A network that has hardly learned says nothing about what denoising can do.
    return checks if setting.quick else checks + quality.checks(results.unseen, results.shepp_logan)


if __name__ == "__main__":
    sys.exit(main())
