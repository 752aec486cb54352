"""Real models through a real hub, from start to table: `python -m examples.elastic_moduli.demo`.

Starts a hub on this machine, publishes a featuriser and ten models of elastic moduli, runs all of them on the
validation rows, forms the ensemble of each target's top three, publishes featuriser, five models and their
mean as one servable and runs that on the formulas, prints errors and times, writes the comparison as
elastic_moduli.png, and stops the hub. Exit status 0 means: every prediction came back and equals the model
called directly, and the random forests are as good as they should be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from examples.elastic_moduli import plot, report, study
from examples.elastic_moduli.hub import Hub
from examples.elastic_moduli.results import quality
from examples.shared.checks import Check
from examples.shared.driver import Setting
from examples.shared.driver import main as driver

PICTURE = "elastic_moduli.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    return driver(example, __doc__ or "", arguments)


def example(setting: Setting) -> list[Check]:
    """The study, its table and its picture."""
    hub, console = Hub(setting.client), setting.console
    work = study.quick(hub, console) if setting.quick else study.Study(hub, console)
    scored, checks = study.conduct(work)
    console.rule("[bold]Results", align="left")
    console.print(report.table(scored, "* in the ensemble. run: waking the replica included"))
    picture = setting.output / PICTURE
    plot.draw(scored, picture)
    console.print(f"Wrote {picture}", soft_wrap=True)
    # A few rows and small forests say nothing about the models.
    return checks if setting.quick else checks + quality(scored)


if __name__ == "__main__":
    sys.exit(main())
