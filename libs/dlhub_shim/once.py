"""One payload in, one outcome out, no ZeroMQ: for the smoke test of a build and for local runs."""

from __future__ import annotations

import time
import traceback
from typing import Any, BinaryIO, Callable, Dict

import msgpack

from dlhub_shim import failures
from dlhub_shim.capture import Capture
from dlhub_shim.interrupt import Gate
from dlhub_shim.invoke import Invoker
from dlhub_shim.loaders import Method
from proto_msgs import codec, worker


def run_once(
    load: Callable[[], Dict[str, Method]], method: str, payload: bytes, capture: Capture, out: BinaryIO
) -> int:
    """Load, run `method` on the payload (an empty one: only load), write the outcome; 0 if all went well."""
    outcome = _outcome(load, method, payload, capture)
    out.write(msgpack.packb(outcome))
    out.flush()
    return 0 if outcome[1] else 1


def _outcome(load: Callable[[], Dict[str, Method]], method: str, payload: bytes, capture: Capture) -> Any:
    began = time.perf_counter()
    capture.begin()
    try:
        methods = load()
    except BaseException as error:  # loading runs the model's own code
        traceback.print_exc()
        body = codec.pack(failures.of_load(error))
        return ("", False, body, time.perf_counter() - began, *capture.take())
    if not payload:
        return ("", True, codec.pack(None), time.perf_counter() - began, *capture.take())
    batch = worker.batch("", method, [("", payload, None)])
    done = worker.read(Invoker(methods, capture, Gate()).invoke(batch))
    return done[2][0]
