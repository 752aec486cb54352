"""Band gaps from optical pictures: `python -m examples.band_gap_images.demo`.

Starts a hub on this machine, trains a variational autoencoder on pictures of printed spots and a random
forest on its latent space, publishes the encoder, the forest and the pipeline of both, runs all three on
pictures that neither has seen, compares the gaps with those by the rule that coloured the pictures, writes
the comparison as band_gap_images.png, and stops the hub. Exit status 0 means: the pipeline equals the
models run one by one and called directly, and its error is as small as it should be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from PIL import Image

from examples.band_gap_images import plot, report, study
from examples.band_gap_images.hub import Hub
from examples.shared.checks import Check
from examples.shared.driver import Setting
from examples.shared.driver import main as driver

PICTURE = "band_gap_images.png"
SPOT = "spot.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    return driver(example, __doc__ or "", arguments)


def example(setting: Setting) -> list[Check]:
    """The study, its table and its picture."""
    hub, console = Hub(setting.client), setting.console
    work = study.quick(hub, console) if setting.quick else study.Study(hub, console)
    outcome, checks = study.conduct(work)
    console.rule("[bold]Results", align="left")
    console.print(report.table(outcome.scored))
    picture = setting.output / PICTURE
    plot.draw(outcome, picture)
    spot = setting.output / SPOT
    Image.fromarray(outcome.held_out.images[0]).save(spot)
    console.print(f"Wrote {picture}, and a picture to try: {spot}", soft_wrap=True)
    # A few pictures and one epoch say nothing about the models.
    return checks if setting.quick else checks + outcome.quality


if __name__ == "__main__":
    sys.exit(main())
