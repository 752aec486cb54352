"""The command line that all examples share: a hub is started, the example works with it, the hub is stopped.

An example is a function of a Setting (a client, where pictures go, where to report) that returns what it
checked. Exit status 0 means that every check held.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dlhub_client import DLHubClient
from examples.shared import embedded, tensorflow
from examples.shared.checks import Check, print_checks
from proto_msgs.errors import DLHubError

OUTPUT = Path("examples", "out")


@dataclass(frozen=True)
class Setting:
    """What an example works with."""

    client: DLHubClient
    console: Console
    output: Path
    """Folder for pictures; exists."""
    quick: bool = False
    """Little data: tries the hub, not the models."""
    hub: embedded.Embedded | None = None
    """The hub, when it is one of our own."""


Example = Callable[[Setting], list[Check]]


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


def main(example: Example, description: str, arguments: Sequence[str] | None = None) -> int:
    """Run an example; returns the exit status.

    Args:
        example: what to do with a hub.
        description: the example's module docstring; its second paragraph is shown by --help.
        arguments: of the command line; those of this process by default.
    """
    options = _parse(description, arguments)
    console = Console()
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    started = time.monotonic()
    try:
        with _setting(options, console) as setting:
            checks = example(setting)
            print_checks(checks, console)
    except (DLHubError, embedded.HubCommandError, tensorflow.TrainingError) as error:
        console.print(f"[bold red]The example failed:[/] {type(error).__name__}:", end=" ")
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted")
        return 128 + signal.SIGINT
    finally:
        console.print(f"Total time {time.monotonic() - started:.0f} s")
    return 0 if all(check.passed for check in checks) else 1


def _parse(description: str, arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(description=description.split("\n\n")[1])
    add = parser.add_argument
    add("--output", type=Path, default=OUTPUT, help=f"folder for pictures (default: {OUTPUT})")
    add("--quick", action="store_true", help="little data and small models: tries the hub, not the models")
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
def _setting(options: Options, console: Console) -> Iterator[Setting]:
    """The hub that was named, or one of our own that lives as long as the example."""
    options.output.mkdir(parents=True, exist_ok=True)
    if options.url is not None and options.token is not None:
        with embedded.connect(options.url, options.token) as client:
            yield Setting(client, console, options.output, options.quick)
        return
    home = options.home or Path(tempfile.mkdtemp(prefix="dlhub-example-"))
    hub = embedded.Embedded(home, options.port or embedded.free_port())
    console.rule("Starting a hub")
    try:
        token = hub.up()
        with embedded.connect(hub.url, token) as client:
            yield Setting(client, console, options.output, options.quick, hub)
    finally:
        _finish(hub, options, console)


def _finish(hub: embedded.Embedded, options: Options, console: Console) -> None:
    """Stop the hub and remove its temporary state, or say how to do so."""
    if options.keep:
        console.print(
            f"The hub still runs at {hub.url}. Stop it: dlhub down --home {hub.home}", soft_wrap=True
        )
        return
    if sys.exc_info()[0] is None:
        hub.down()
        if options.home is None:
            shutil.rmtree(hub.home)
        return
    console.print(f"State and logs of the hub are kept in {hub.home}", soft_wrap=True)
    try:
        hub.down()
    except embedded.HubCommandError as error:  # said, not raised: it must not hide what went wrong first
        console.print(str(error), markup=False)
