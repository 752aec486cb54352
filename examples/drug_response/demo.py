"""A network that nobody else may see yet: `python -m examples.drug_response.demo`.

Starts a hub on this machine, trains a network that tells which part of a tumour's cells lives through a dose
of a drug, publishes it for its owner alone, runs it on cell lines that it has not seen, lets another user
try, shares it and takes it back, writes the responses as drug_response.png, and stops the hub. Exit status 0
means: the hub's answers equal the network called directly, they are as close to the rule as they should be,
and nobody gets more than they are allowed to at any stage.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dlhub_client import DLHubClient
from examples.drug_response import plot, report, study
from examples.drug_response.results import quality
from examples.shared import embedded
from examples.shared.checks import Check
from examples.shared.driver import Setting
from examples.shared.driver import main as driver

PICTURE = "drug_response.png"
COLLABORATOR = "collaborator"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    return driver(example, __doc__ or "", arguments)


def example(setting: Setting) -> list[Check]:
    """The study, its table and its picture."""
    console = setting.console
    with _another_user(setting) as other:
        make = study.quick if setting.quick else study.Study
        outcome, checks = study.conduct(make(setting.client, console, other))
    console.rule("[bold]Results", align="left")
    console.print(report.table(outcome.scored))
    picture = setting.output / PICTURE
    plot.draw(outcome, picture)
    console.print(f"Wrote {picture}", soft_wrap=True)
    # One epoch on a few cell lines says nothing about the network.
    return checks if setting.quick else checks + quality(outcome.scored)


@contextmanager
def _another_user(setting: Setting) -> Iterator[DLHubClient | None]:
    """Somebody else at the same hub, where there is a way to let somebody in."""
    if setting.hub is None:
        yield None
        return
    with embedded.connect(setting.hub.url, setting.hub.token(COLLABORATOR)) as client:
        yield client


if __name__ == "__main__":
    sys.exit(main())
