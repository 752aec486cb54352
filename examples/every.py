"""All examples one after the other with one hub: `make examples`.

Starts a hub on this machine, conducts every example, prints their tables and what was checked, writes their
pictures into examples/out, and stops the hub. Exit status 0 means that every check of every example held.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from examples.active_learning import demo as active_learning
from examples.band_gap_images import demo as band_gap_images
from examples.drug_response import demo as drug_response
from examples.elastic_moduli import demo as elastic_moduli
from examples.shared.checks import Check, print_checks
from examples.shared.driver import Example, Setting
from examples.shared.driver import main as driver
from examples.tomogram_denoising import demo as tomogram_denoising

EXAMPLES: dict[str, Example] = {
    "band_gap_images": band_gap_images.example,
    "elastic_moduli": elastic_moduli.example,
    "drug_response": drug_response.example,
    "tomogram_denoising": tomogram_denoising.example,
    "active_learning": active_learning.example,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them all; returns the exit status."""
    return driver(every, __doc__ or "", arguments)


def every(setting: Setting) -> list[Check]:
    """Every example in turn; a line for each in the end."""
    lines = []
    for name, example in EXAMPLES.items():
        setting.console.rule(f"[bold reverse] {name} ")
        started = time.monotonic()
        checks = example(setting)
        print_checks(checks, setting.console)
        held = sum(check.passed for check in checks)
        took_s = time.monotonic() - started
        lines.append(Check(held == len(checks), f"{name}: {held} of {len(checks)} held, {took_s:.0f} s"))
    setting.console.rule("[bold]All examples", align="left")
    return lines


if __name__ == "__main__":
    sys.exit(main())
