"""Real models through a real hub, from start to table: `python -m examples.elastic_moduli.demo`.

Starts a hub on this machine, publishes a featuriser and ten models of elastic moduli, runs all of them on the
validation rows, forms the ensemble of each target's top three, prints errors and times, writes the
comparison as elastic_moduli.png, and stops the hub. Exit status 0 means: every prediction came back and
equals the model called directly, and the random forests are as good as they should be.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from examples.elastic_moduli import hub, plot, report, study
from examples.elastic_moduli.results import Check, quality
from proto_msgs.errors import DLHubError

PICTURE = "elastic_moduli.png"


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    output: Path
    quick: bool
    url: str | None
    token: str | None
    home: Path | None
    port: int | None
    keep: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    options = _parse(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    started = time.monotonic()
    try:
        with _hub(options, console) as running:
            checks = _study(options, running, console)
    except (DLHubError, hub.HubCommandError) as error:
        console.print(f"[bold red]The demo failed:[/] {type(error).__name__}:", end=" ")
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted")
        return 128 + signal.SIGINT
    finally:
        console.print(f"Total time {time.monotonic() - started:.0f} s")
    return 0 if all(check.passed for check in checks) else 1


def _parse(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="demo", description=(__doc__ or "").split("\n\n")[1])
    add = parser.add_argument
    add("--output", type=Path, default=Path(), help=f"folder for {PICTURE} (default: here)")
    add("--quick", action="store_true", help="few rows and small forests: tries the hub, not the models")
    add("--url", help="use this hub, which runs already, instead of starting one")
    add("--token", help="token for --url")
    add("--home", type=Path, help="state of the hub that is started (default: a temporary folder)")
    add("--port", type=int, help="its port (default: a free one)")
    add("--keep", action="store_true", help="leave the hub running at the end")
    options = Options(**vars(parser.parse_args(arguments)))
    if (options.url is None) != (options.token is None):
        parser.error("--url and --token go together")
    return options


def _exit_on_sigterm(_number: int, _frame: object) -> None:
    sys.exit(128 + signal.SIGTERM)  # as an exception, so that the hub is stopped on the way out


@contextmanager
def _hub(options: Options, console: Console) -> Iterator[hub.Hub]:
    """The hub that was named, or one of our own that lives as long as the study."""
    if options.url is not None and options.token is not None:
        with hub.connect(options.url, options.token) as running:
            yield running
        return
    home = options.home or Path(tempfile.mkdtemp(prefix="dlhub-demo-"))
    embedded = hub.Embedded(home, options.port or hub.free_port())
    console.rule("Starting a hub")
    try:
        token = embedded.up()
        with hub.connect(embedded.url, token) as running:
            yield running
    finally:
        _finish(embedded, options, console)


def _finish(embedded: hub.Embedded, options: Options, console: Console) -> None:
    """Stop the hub and remove its temporary state, or say how to do so."""
    if options.keep:
        console.print(
            f"The hub still runs at {embedded.url}. Stop it: dlhub down --home {embedded.home}",
            soft_wrap=True,
        )
        return
    if sys.exc_info()[0] is None:
        embedded.down()
        if options.home is None:
            shutil.rmtree(embedded.home)
        return
    console.print(f"State and logs of the hub are kept in {embedded.home}", soft_wrap=True)
    try:
        embedded.down()
    except hub.HubCommandError as error:  # said, not raised: it must not hide what went wrong first
        console.print(str(error), markup=False)


def _study(options: Options, running: hub.Hub, console: Console) -> list[Check]:
    work = study.quick(running, console) if options.quick else study.Study(running, console)
    scored, checks = study.conduct(work)
    console.rule("[bold]Results", align="left")
    console.print(
        report.table(
            scored,
            "* in the ensemble. run: waking the replica included",
        )
    )
    options.output.mkdir(parents=True, exist_ok=True)
    picture = options.output / PICTURE
    plot.draw(scored, picture)
    console.print(f"Wrote {picture}", soft_wrap=True)
    # A few rows and small forests say nothing about the models.
    checks = checks if options.quick else checks + quality(scored)
    report.print_checks(checks, console)
    return checks


if __name__ == "__main__":
    sys.exit(main())
