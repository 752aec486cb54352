"""`python -m loadtest SCENARIO...`: measure, print the tables, write JSON, Markdown and plots.

python -m loadtest bench --short            what has goals, against them, in a quarter of an hour
python -m loadtest all --out docs/bench     everything, at full length
python -m loadtest scaling --site lab       one scenario, on a site of a hub that runs (--hub, DLHUB_TOKEN)
python -m loadtest redraw --out docs/bench  tables and plots again, from the JSON that is there
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from loadtest import plots, tables
from loadtest.bench import Bench, Options, Report
from loadtest.machine import this_machine
from loadtest.results import Result, load_all
from loadtest.scenarios import NAMES, Scenario, find

WITHOUT_GOALS = ("latency", "scaling_alone", "autoscale")
"""Left out of `bench`."""
RECORD = "results.md"


def main(arguments: Sequence[str]) -> int:
    """0 when every goal was reached and nothing failed."""
    options, names = read_arguments(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped either way
    console = Console()
    if names == ["redraw"]:
        results = load_all(options.out, NAMES)
    else:
        results = measure_all(options, names, console)
        for result in results:
            result.save(options.out)
    report(results, load_all(options.out, NAMES), options.out, console)
    return 0 if tables.all_reached(results) else 1


def read_arguments(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """Options and the names of scenarios; `bench` and `all` are several."""
    parser = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="+", choices=(*NAMES, "bench", "all", "redraw"))
    parser.add_argument("--short", action="store_true", help="few and short repetitions")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder for JSON, tables and plots")
    parser.add_argument("--hub", dest="hub_url", help="a hub that runs, instead of one of our own")
    parser.add_argument("--site", help="the site to deploy to; without it any that takes defaults")
    parser.add_argument("--minutes", type=float, help="length of the soak; 30 unless --short")
    parser.add_argument("--most-replicas", type=int, default=512, help="where `scaling` ends")
    found = vars(parser.parse_args(arguments))
    wanted: list[str] = found.pop("scenario")
    return Options(**found), expand(wanted)


def expand(wanted: Sequence[str]) -> list[str]:
    """Names of scenarios without repetition, in the order of the record."""
    if "redraw" in wanted:
        return ["redraw"]
    names = set(wanted)
    if "all" in names:
        names |= set(NAMES)
    if "bench" in names:
        names |= set(NAMES) - set(WITHOUT_GOALS)
    return [name for name in NAMES if name in names]


def measure_all(options: Options, names: Sequence[str], console: Console) -> list[Result]:
    """One after the other, in one run; what fails leaves the others."""
    with Bench(options, console) as bench:
        return [measure(bench, find(name), console) for name in names]


def measure(bench: Bench, scenario: Scenario, console: Console) -> Result:
    """One scenario, with whatever it found before it failed."""
    console.rule(f"[bold]{scenario.title}", align="left")
    began_at, began = datetime.now(UTC), time.monotonic()
    found, failure = Report(), ""
    with bench.steps.of(scenario.name):
        try:
            scenario.measure(bench, found)
        except Exception as error:  # a boundary: the other scenarios are still to come
            console.print_exception()
            failure = f"{type(error).__name__}: {error}"[:500]
    return Result(
        scenario=scenario.name, title=scenario.title, began_at=began_at, took_s=time.monotonic() - began,
        short=bench.options.short, machine=this_machine(), failure=failure,
        checks=tuple(found.checks), charts=tuple(found.charts), sheets=tuple(found.sheets),
        notes=tuple(found.notes),
    )  # fmt: skip


def report(results: Sequence[Result], record: Sequence[Result], out: Path, console: Console) -> None:
    """Print what was measured now; write the record of all that the folder holds."""
    for result in results:
        for sheet in result.sheets:
            console.print(tables.sheet_table(sheet))
        for note in result.notes:
            console.print(f"  {note}", markup=False, highlight=False)
    console.print(tables.checks_table(results))
    plots.draw_all(record, out)
    (out / RECORD).write_text(tables.markdown(record))
    console.print(f"Tables, plots and numbers are in {out}/ ({RECORD}).", highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
