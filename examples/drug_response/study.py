"""The study, step by step: screen, train, publish privately, run, share and take back."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from dlhub_client import DLHubClient
from examples.drug_response import network, rule, sharing
from examples.drug_response.network import Network
from examples.drug_response.results import Scored, compared
from examples.drug_response.rule import Array
from examples.drug_response.screen import LOG_DOSES, Screen, pairs, screens
from examples.drug_response.sharing import Visitor
from examples.shared.checks import Check, agreement, largest_difference
from examples.shared.progress import stage

#: Numbers are 32-bit floats, which a graph adds in another order than a direct call.
TOLERANCE = 1e-5
#: Waking the first replica with TensorFlow on a busy machine takes many seconds; minutes mean trouble.
RUN_TIMEOUT_S = 180.0
CURVE_DOSES = np.linspace(LOG_DOSES[0], LOG_DOSES[-1], 61)


@dataclass(frozen=True)
class Study:
    """What the steps need."""

    client: DLHubClient
    console: Console
    other: DLHubClient | None = None  #: of another user; None: nobody to share with
    learn: int = 200  #: cell lines to learn from
    held_out: int = 40
    drugs: int = 48
    epochs: int = 10


@dataclass(frozen=True)
class Curves:
    """Dose-response curves of a few pairs, by the hub and by the rule, and what was measured of them."""

    screen: Screen  #: of these cell lines and drugs alone
    told: Array  #: shape (cell lines, drugs, doses of the curve)


@dataclass(frozen=True)
class Outcome:
    """What came out."""

    scored: list[Scored]
    curves: list[Curves]  #: one for each drug that is shown


def quick(client: DLHubClient, console: Console, other: DLHubClient | None) -> Study:
    """A study that tries the hub, not the network."""
    return Study(client, console, other, learn=20, held_out=8, drugs=12, epochs=1)


def conduct(study: Study) -> tuple[Outcome, list[Check]]:
    """The held-out cell lines' responses by the hub, and what was checked on the way."""
    learn, held_out = screens(study.learn, study.held_out, study.drugs)
    with tempfile.TemporaryDirectory() as temporary:
        made = train(study, learn, held_out, Path(temporary))
        servable = publish(study, made)
        told, checks = run(study, held_out, made, servable)
        curves = run_curves(study, held_out, servable)
    checks += share(study, held_out, servable)
    return Outcome(compared(learn, held_out, told), curves), checks


def train(study: Study, learn: Screen, held_out: Screen, folder: Path) -> Network:
    """The network, from what was measured of the first screen."""
    with stage(study.console, "Training", 1) as bar:
        lines, drugs, doses = learn.measured.shape
        bar.doing(f"{lines} cell lines, {drugs} drugs, {doses} doses")
        made = network.trained(learn, held_out, study.epochs, folder)
        rows = learn.measured.size
        bar.done(f"{rows:,} measurements of {lines} cell lines: {study.epochs} epochs in {made.fit_s:.0f} s")
    return made


def publish(study: Study, made: Network) -> str:
    """Private, as every description is that does not say otherwise."""
    with stage(study.console, "Publishing", 1) as bar:
        started = time.perf_counter()
        version = study.client.publish_servable(
            network.description(made.file),
            on_progress=lambda progress: bar.doing(progress.step or progress.stage),
        )
        bar.done(
            f"published {version.exact_name} in {time.perf_counter() - started:.1f} s, for its owner alone"
        )
    return version.name


def run(study: Study, held_out: Screen, made: Network, servable: str) -> tuple[Array, list[Check]]:
    """The owner runs it on cell lines that it has not seen."""
    with stage(study.console, "Running", 1) as bar:
        started = time.perf_counter()
        output = study.client.run(servable, held_out.inputs(), timeout_s=RUN_TIMEOUT_S)
        took_s = time.perf_counter() - started
        bar.done(f"{len(output):,} responses in {took_s:.2f} s, the start of its replica included")
    told: Array = np.asarray(output, np.float64).reshape(held_out.measured.shape)
    return told, [agreement("network", largest_difference(output, made.viability), TOLERANCE)]


def run_curves(study: Study, held_out: Screen, servable: str) -> list[Curves]:
    """Smooth curves of the drugs whose effect differs most, with three cell lines each."""
    found = []
    with stage(study.console, "Dose-response curves", 4) as bar:
        for drug in telling_drugs(held_out, 4):
            chosen = spread_lines(held_out, drug)
            part = Screen(
                held_out.expression[chosen],
                held_out.descriptors[[drug]],
                held_out.measured[chosen][:, [drug]],
            )
            inputs = pairs(part.expression, part.descriptors, CURVE_DOSES)
            output = study.client.run(servable, inputs, timeout_s=RUN_TIMEOUT_S)
            found.append(Curves(part, np.asarray(output, np.float64).reshape(len(chosen), 1, -1)))
            bar.done()
    return found


def telling_drugs(screen: Screen, count: int) -> list[int]:
    """Drugs to which cell lines respond most differently, no two of the same main pathway."""
    spread = screen.true.mean(axis=2).std(axis=0)
    found: dict[int, int] = {}
    for drug in np.argsort(-spread):
        found.setdefault(_main_pathway(screen, int(drug)), int(drug))
    return list(found.values())[:count]


def _main_pathway(screen: Screen, drug: int) -> int:
    return int(np.argmax(screen.descriptors[drug, rule.AFFINITIES]))


def spread_lines(screen: Screen, drug: int) -> list[int]:
    """A sensitive cell line, one in the middle and a resistant one."""
    order = np.argsort(screen.true[:, drug].mean(axis=1))
    return [int(order[int(part * (len(order) - 1))]) for part in (0.05, 0.5, 0.95)]


def share(study: Study, held_out: Screen, servable: str) -> list[Check]:
    """What another user gets while the owner keeps it, shows it, shares it and takes it back."""
    if study.other is None:
        study.console.print("No second user can be made at this hub: sharing is left out")
        return []
    few = {name: rows[:8] for name, rows in held_out.inputs().items()}
    visitor = Visitor(study.other, str(study.other.whoami()["identity"]), servable, few)
    with stage(study.console, "Private, shared, private again", 4) as bar:
        return sharing.conduct(study.client, visitor, bar.done)
