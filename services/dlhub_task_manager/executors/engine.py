"""What runs inside an engine: the worker process of HTEX, or an IPyParallel engine.

Engines live in the site's own environment, models in theirs. So an engine holds the version's worker as
a child process, starts it at first use, and passes frames of the worker protocol through: `answer` is
the one function that crosses Parsl, with bytes in and bytes out, whatever the model is.

An engine's name is the id of the replica that it was launched for. What it is at is written into its
state file, because neither HTEX nor IPyParallel says which engine has taken which task.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgpack
import zmq

from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.tether import ending_with_parent
from proto_msgs import worker

NAME_VARIABLE = "DLHUB_ENGINE"
LOOK_MS = 100
"""How often an engine that waits looks whether its child still lives."""
TOUCH_S = 1.0
"""How often an idle child's beats are answered."""
STATE_BYTES = 24
IDLE, LOADING, GONE = "idle", "loading", "gone"
"""States of an engine beside the number of the batch it is at; `GONE`: its child ended while idle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What an engine must know of the version; goes along with every task."""

    command: WorkerCommand
    folder: Path
    """Gets a folder per engine, with what its child prints."""
    states: Path
    """Folder of the state files, of one pool."""
    sockets: Path
    """Folder for the sockets between engines and their children; a short path."""

    def pack(self) -> bytes:
        command = self.command
        paths = (command.python, command.shim, command.servable, command.description)
        everything = (*paths, self.folder, self.states, self.sockets)
        return bytes(msgpack.packb([str(path) for path in everything]))

    @classmethod
    def unpack(cls, packed: bytes) -> Spec:
        python, shim, servable, description, folder, states, sockets = map(Path, msgpack.unpackb(packed))
        command = WorkerCommand(python=python, shim=shim, servable=servable, description=description)
        return cls(command=command, folder=folder, states=states, sockets=sockets)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What comes back for a frame."""

    engine: str
    """Who did it."""
    frames: tuple[bytes, ...]
    """What the child said."""
    lost: bool
    """The child's process ended before it had said all."""

    def pack(self) -> bytes:
        return bytes(msgpack.packb((self.engine, self.frames, self.lost)))

    @classmethod
    def unpack(cls, packed: bytes) -> Answer:
        engine, frames, lost = msgpack.unpackb(packed, use_list=False)
        return cls(engine=engine, frames=frames, lost=lost)


def answer(spec: bytes, frame: bytes) -> bytes:
    """The child's packed `Answer` to a batch; to an empty frame, what it said when it had loaded."""
    global _child
    if _child is None or not _child.alive:
        _child = Child(Spec.unpack(spec), os.environ[NAME_VARIABLE])
    reply = _child.answer(frame)
    if reply.lost or not _child.loaded:
        _child.close()
        _child = None
    return reply.pack()


class State:
    """The file that says what an engine is at."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def write(self, state: object) -> None:
        os.pwrite(self._descriptor, str(state).ljust(STATE_BYTES).encode(), 0)

    def close(self) -> None:
        os.close(self._descriptor)


class Child:
    """The worker of the version, as a child process of this one."""

    def __init__(self, spec: Spec, engine: str) -> None:
        self.loaded = False
        self._engine = engine
        self._greeting: tuple[bytes, ...] = ()
        self._state = State(spec.states / engine)
        self._state.write(LOADING)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._socket = spec.sockets / str(os.getpid())  # short: a socket's path has 107 characters at most
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.bind(f"ipc://{self._socket}")
        self._process = subprocess.Popen(
            spec.command.words(f"ipc://{self._socket}", engine, spec.folder / engine),
            stdin=subprocess.DEVNULL,
            preexec_fn=ending_with_parent(),
        )
        self._minder = threading.Thread(target=self._mind, name="dlhub-minder", daemon=True)
        self._minder.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def answer(self, frame: bytes) -> Answer:
        """Let the child load, if it has not; then let it do the batch in `frame`, if there is one."""
        with self._lock:
            if not self.loaded:
                self._greeting = self._hear(_ends_loading)
                self.loaded = bool(self._greeting) and worker.read(self._greeting[-1])[0] == worker.READY
            if not self.loaded:
                refused = bool(self._greeting) and _ends_loading(worker.read(self._greeting[-1]))
                return Answer(engine=self._engine, frames=self._greeting, lost=not refused)
            if not frame:
                self._state.write(IDLE)
                return Answer(engine=self._engine, frames=self._greeting, lost=False)
            return self._do(frame)

    def _do(self, frame: bytes) -> Answer:
        self._state.write(worker.read(frame)[1])
        self._router.send_multipart((self._engine.encode(), frame))
        frames = self._hear(_ends_batch)
        lost = not frames or not _ends_batch(worker.read(frames[-1]))
        self._state.write(IDLE)
        return Answer(engine=self._engine, frames=frames, lost=lost)

    def _hear(self, ends: Callable[[worker.Frame], bool]) -> tuple[bytes, ...]:
        """What the child says up to the frame that `ends` it, or to its own end."""
        frames = []
        while (frame := self._receive()) is not None:
            frames.append(frame)
            if ends(worker.read(frame)):
                break
        return tuple(frames)

    def _receive(self) -> bytes | None:
        """The child's next frame that is not a beat; None once its process has ended."""
        while True:
            alive = self.alive  # asked before: what it said last is still heard
            if self._router.poll(LOOK_MS if alive else 0):
                if (frame := self._take()) is not None:
                    return frame
            elif not alive:
                return None

    def _take(self) -> bytes | None:
        """Take one frame from the socket; beats are answered."""
        identity, frame = self._router.recv_multipart()
        if frame != worker.BEAT_FRAME:
            return bytes(frame)
        self._router.send_multipart((identity, worker.BEAT_FRAME))
        return None

    def _mind(self) -> None:
        """While there is nothing to do, answer the child's beats and see whether it lives."""
        while not self._closed.wait(TOUCH_S):
            if self._lock.acquire(blocking=False):  # else `answer` does both
                try:
                    self._touch()
                finally:
                    self._lock.release()

    def _touch(self) -> None:
        while self._router.poll(0):
            self._take()
        if not self.alive:
            self._state.write(GONE)

    def close(self) -> None:
        """End the process, if it has not ended, and leave nothing behind."""
        self._closed.set()
        self._minder.join()
        self._process.kill()
        self._process.wait()
        self._context.destroy(linger=0)
        self._socket.unlink(missing_ok=True)
        self._state.close()


_child: Child | None = None


def _ends_loading(frame: worker.Frame) -> bool:
    return frame[0] in (worker.READY, worker.UNLOADABLE)


def _ends_batch(frame: worker.Frame) -> bool:
    return frame[0] == worker.DONE and bool(frame[3])
