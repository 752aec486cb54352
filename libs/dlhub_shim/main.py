"""The process of a replica: read the command line, move standard output into files, load, serve.

    python -I SHIMDIR/run_worker.py --endpoint tcp://127.0.0.1:5555 --replica ID --servable DIR
                                    --description FILE --folder REPLICADIR [--beat-s 1]
    python -I SHIMDIR/run_worker.py --once --servable DIR --description FILE --folder FOLDER
                                    [--method run] [--out FILE] < payload > nothing   # outcome: descriptor 3

DIR holds the servable's files; it is the working directory and the first place where modules are looked for.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO, Dict, List

from dlhub_shim import surroundings
from dlhub_shim.capture import Capture
from dlhub_shim.complaints import LoadError
from dlhub_shim.loaders import Method, load_methods
from dlhub_shim.warm_up import EXAMPLES, warm_up


def main(arguments: List[str]) -> int:
    """Run a replica, or one call; the exit status of the process."""
    options = _parser().parse_args(arguments)
    payload, out = (sys.stdin.buffer.read(), _outcome_file(options.out)) if options.once else (b"", None)
    folder = Path(options.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    servable, description = Path(options.servable).resolve(), Path(options.description).resolve()
    capture = _isolate(folder)

    def load() -> Dict[str, Method]:
        return _load(servable, description)

    if out is not None:
        from dlhub_shim.once import run_once

        return run_once(load, options.method, payload, capture, out)
    # Not at the top: a single call needs no pyzmq.
    from dlhub_shim.loop import Replica

    def load_warm() -> Dict[str, Method]:
        methods = load()
        warm_up(methods, description.with_name(EXAMPLES))
        return methods

    return Replica(options.endpoint, options.replica, options.beat_s, capture, folder).serve(load_warm)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run_worker.py", description="Serve one version of a servable.")
    parser.add_argument("--servable", required=True, help="folder with the servable's files")
    parser.add_argument("--description", required=True, help="the servable's dlhub.json")
    parser.add_argument("--folder", required=True, help="folder for this replica's logs")
    parser.add_argument("--endpoint", help="ZeroMQ address of the task manager")
    parser.add_argument("--replica", default="once", help="identity of this replica")
    parser.add_argument("--beat-s", type=float, default=1.0, help="seconds between beats")
    parser.add_argument("--once", action="store_true", help="run one payload from standard input, then exit")
    parser.add_argument("--method", default="run", help="with --once: the method to run")
    parser.add_argument("--out", help="with --once: file for the outcome, instead of descriptor 3")
    return parser


def _outcome_file(path: str | None) -> BinaryIO:
    # A duplicate: what the model does to descriptor 3 is its own business.
    return open(path, "wb") if path else os.fdopen(os.dup(3), "wb")  # noqa: PTH123  # as is the other one


def _isolate(folder: Path) -> Capture:
    """Turn this process from a command into a place where a model's code runs."""
    sys.argv[1:] = []  # a module that parses arguments when imported must not meet ours
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    capture = Capture(folder)
    faulthandler.enable(file=2)  # a crash leaves a traceback in stderr.log
    # Ctrl-C in a terminal reaches the whole process group; replicas are ended by their task manager.
    # A function instead of SIG_IGN, which child processes would inherit.
    signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    return capture


def _load(servable: Path, description: Path) -> Dict[str, Method]:
    os.chdir(servable)
    sys.path.insert(0, str(servable))
    try:
        declared = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"the description {description.name} cannot be read: {error}") from error
    surroundings.prepare(declared)
    return load_methods(servable, declared)
