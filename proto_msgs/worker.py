"""What a replica's worker and its task manager say to one another, over ZeroMQ.

The task manager binds one ROUTER. A worker connects two DEALERs to it: one whose identity is the replica's
id, used by the thread that runs the model, and one with "/c" after it for control, so that a worker which is
busy still beats and can be told to stop. Each message is one frame: a msgpack array, its kind first.

  worker, control   ["hello", info]  ["beat"]
  worker, data      ["ready", load_s]                   the model is loaded, a beat was answered: send batches
                    ["unloadable", failure]             it could not be; the worker exits with 1
                    ["done", batch_id, outcomes, last]  some outcomes of a batch, or with `last` the rest
  manager, data     ["batch", batch_id, method, runs]
  manager, control  ["beat"]                            answers each beat; silence for 60 s ends the worker
                    ["cancel", run_id]                  do not start that run, or interrupt it
                    ["stop"]                            finish the batch in hand and exit with 0

  run      [run_id, payload, deadline, files_above]
                                         payload: codec's bytes of {"inputs": ..., "parameters": {...}}, and
                                         of "outputs": [names] when only these entries of the output, a
                                         dict, are wanted; or a file with these bytes (see below)
                                         deadline: Unix time in seconds, or nil
                                         files_above: optional; an output of more bytes may be left as a file
  outcome  [run_id, ok, body, run_s, stdout, stderr]
                                         body: codec's bytes of the output or, if not ok, of a failure; or a
                                         file with the bytes of the output
  file     [path, size]                  only where both see the same files; of a payload the whole path; of
                                         an output the name, OUTPUT_PREFIX and a number, of a file in the
                                         replica's folder, which is the task manager's from then on
  failure  {"code", "message", "type", "traceback"}, all texts; the codes are below
  info     {"replica_id", "pid", "host", "python", "shim", "files"}   files: whether it knows them

Elements that follow those listed are ignored, so that either side can be the newer one.

This file travels into servables' environments: Python 3.8 and msgpack.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union

import msgpack

PROTOCOL = 1
"""What `info["shim"]` says; raised when an old task manager could no longer work with a new worker."""

HELLO, BEAT, READY, UNLOADABLE, DONE = "hello", "beat", "ready", "unloadable", "done"
BATCH, CANCEL, STOP = "batch", "cancel", "stop"

SERVABLE_FAILED = "servable_failed"
OUTPUT_UNENCODABLE = "output_unencodable"
DEADLINE_EXCEEDED = "deadline_exceeded"
CANCELLED = "cancelled"
LOAD_FAILED = "load_failed"
MALFORMED = "malformed"
NOT_FOUND = "not_found"
INPUT_MISMATCH = "input_mismatch"

CONTROL_SUFFIX = b"/c"
SILENCE_S = 60.0
"""How long a worker goes on without hearing from its task manager."""

EXIT_STOPPED, EXIT_UNLOADABLE, EXIT_ORPHANED = 0, 1, 3

OUTPUT_PREFIX = "output-"

RunId = Union[str, bytes, int]
File = Tuple[str, int]
Content = Union[bytes, File]
Run = Union[Tuple[RunId, Content, Optional[float]], Tuple[RunId, Content, Optional[float], int]]
Outcome = Tuple[RunId, bool, Content, float, str, str]
Failure = Dict[str, str]
Frame = List[Any]

_LENGTHS = {HELLO: 2, BEAT: 1, READY: 2, UNLOADABLE: 2, DONE: 4, BATCH: 4, CANCEL: 2, STOP: 1}


class FrameError(ValueError):
    """A message that is not one of this protocol."""


def failure(code: str, message: str, error_type: str = "", traceback: str = "") -> Failure:
    """Why a run or a load did not succeed."""
    return {"code": code, "message": message, "type": error_type, "traceback": traceback}


def hello(info: dict[str, Any]) -> bytes:
    """The worker is there and begins to load."""
    return _pack((HELLO, info))


def ready(load_s: float) -> bytes:
    """The model is loaded."""
    return _pack((READY, load_s))


def unloadable(why: Failure) -> bytes:
    """The model could not be loaded."""
    return _pack((UNLOADABLE, why))


def done(batch_id: RunId, outcomes: list[Outcome], last: bool) -> bytes:
    """Outcomes of a batch."""
    return _pack((DONE, batch_id, outcomes, last))


def batch(batch_id: RunId, method: str, runs: list[Run]) -> bytes:
    """Runs of one method."""
    return _pack((BATCH, batch_id, method, runs))


def cancel(run_id: RunId) -> bytes:
    """Nobody wants that run any more."""
    return _pack((CANCEL, run_id))


def read(message: bytes | memoryview) -> Frame:
    """The array in a message: a known kind with at least that kind's elements. Raises FrameError."""
    try:
        frame: Frame = msgpack.unpackb(message)
        if len(frame) >= _LENGTHS[frame[0]]:
            return frame
    except (ValueError, TypeError, LookupError, msgpack.UnpackException) as error:
        raise FrameError(f"not a message of the worker protocol: {type(error).__name__} {error}") from error
    raise FrameError(f"a message of kind {frame[0]!r} takes {_LENGTHS[frame[0]]} elements; {len(frame)} came")


def _pack(frame: tuple[Any, ...]) -> bytes:
    return bytes(msgpack.packb(frame))


BEAT_FRAME = _pack((BEAT,))
STOP_FRAME = _pack((STOP,))
