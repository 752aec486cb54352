"""The two threads of a replica and their sockets.

The main thread has the data socket and runs the model: receive, run, send, with no hand-over between threads
on the way. A daemon thread has the control socket (see `control`). A model that keeps Python's lock for
seconds delays the beats, no more.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import zmq

from dlhub_shim import failures
from dlhub_shim.capture import Capture
from dlhub_shim.control import Control
from dlhub_shim.interrupt import Gate, WorkerStopped
from dlhub_shim.invoke import Invoker, Outbox
from dlhub_shim.loaders import Method
from proto_msgs import worker

CONNECT_S = 1.0
"""How long a loaded worker waits for an answer on its control socket before it takes work regardless."""
LINGER_MS = 2000
"""How long the last messages may take to leave when the worker ends."""


class Replica:
    """One worker process, from hello to exit."""

    def __init__(
        self, endpoint: str, replica_id: str, beat_s: float, capture: Capture, folder: Optional[Path] = None
    ) -> None:
        self._replica_id = replica_id
        self._capture = capture
        self._folder = folder
        self._gate = Gate()
        self._context: Any = zmq.Context()
        self._endpoint = endpoint
        self._data = self._connect(replica_id.encode())
        self._outbox = Outbox(self._data.send)
        self._control = Control(self._gate, self._outbox, beat_s)

    def serve(self, load: Callable[[], Dict[str, Method]]) -> int:
        """Load the model and answer batches until told to stop; the exit status."""
        self._gate.install()
        threading.Thread(target=self._run_control, name="dlhub-control", daemon=True).start()
        try:
            return self._serve(load)
        except WorkerStopped:
            return worker.EXIT_STOPPED
        finally:
            self._data.close(linger=LINGER_MS)
            self._context.term()

    def _serve(self, load: Callable[[], Dict[str, Method]]) -> int:
        began = time.perf_counter()
        self._gate.idle = True
        try:
            methods = load()
        except BaseException as error:  # loading runs the model's own code
            self._gate.idle = False
            if self._gate.stopping:
                return worker.EXIT_STOPPED
            traceback.print_exc()
            self._data.send(worker.unloadable(failures.of_load(error)))
            return worker.EXIT_UNLOADABLE
        self._gate.idle = False
        load_s = time.perf_counter() - began
        # A cancel for the first run must find its way: whatever the task manager sends to a socket that it
        # does not know yet is lost.
        self._control.heard.wait(CONNECT_S)
        self._data.send(worker.ready(load_s))
        self._answer(Invoker(methods, self._capture, self._gate, self._folder))
        return worker.EXIT_STOPPED

    def _answer(self, invoker: Invoker) -> None:
        gate, outbox, receive = self._gate, self._outbox, self._data.recv
        while not gate.stopping:
            gate.idle = True
            message = receive()
            gate.idle = False
            try:
                frame = worker.read(message)
            except worker.FrameError as error:
                sys.stderr.write(f"dropped a message: {error}\n")
                continue
            if frame[0] == worker.BATCH:
                invoker.answer(frame, outbox)

    def _connect(self, identity: bytes) -> Any:
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.IDENTITY, identity)
        dealer.connect(self._endpoint)
        return dealer

    def _run_control(self) -> None:
        try:
            with self._connect(self._replica_id.encode() + worker.CONTROL_SUFFIX) as dealer:
                self._control.run(dealer, self._info())
        except zmq.ContextTerminated:
            return  # the main thread is done
        except BaseException:  # without this thread nobody could stop the worker: end it now
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(worker.EXIT_ORPHANED)

    def _info(self) -> Dict[str, Any]:
        return {
            "replica_id": self._replica_id,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "python": ".".join(map(str, sys.version_info[:3])),
            "shim": worker.PROTOCOL,
            "files": True,
        }
