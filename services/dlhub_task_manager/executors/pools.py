"""A Parsl executor that chooses among its engines, with the blocks that hold them."""

from __future__ import annotations

import logging
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from dlhub_task_manager.executors.blocks import Blocks
from dlhub_task_manager.executors.command import PATH, scrubbed
from dlhub_task_manager.executors.engine import NAME_VARIABLE, Spec, answer
from dlhub_task_manager.executors.matching import Sight
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


class Pool(Protocol):
    """What a Parsl executor must be for `PooledExecutor`; HTEX and IPyParallel are made so."""

    next_engine: str
    """Name of the engine whose block is asked for next."""

    @property
    def center_lives(self) -> bool:
        """Whether the process lives through which engines are reached."""

    def retire(self, block_id: str) -> None:
        """Give the engine in a block no more tasks. May block."""

    def start(self) -> None: ...
    def submit(self, func: Any, resource_specification: dict[str, Any], *args: Any) -> Future[Any]: ...
    def shutdown(self) -> None: ...


def engine_environment(python: Path, folder: Path, engine: str = "") -> list[str]:
    """The start of a command for the site's own Python, which gets no secret of the hub."""
    variables = {
        "PATH": f"{python.parent}:{PATH}",
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "LANG": "C.UTF-8",
    }
    if engine:
        variables[NAME_VARIABLE] = engine
    return scrubbed(variables)


class RunningPool:
    """A pool from start to end. Every method but `submit` may block: call them from a thread."""

    def __init__(self, pool: Any, spec: Spec) -> None:
        self._pool: Pool = pool
        self._blocks = Blocks(pool)
        self._spec = spec
        self._packed_spec = spec.pack()
        self._block_ids: dict[str, str] = {}
        """By engine."""
        self._lock = threading.Lock()
        """Of launching: the pool learns the name first, then is asked for the block."""
        self._closed = False

    def open(self) -> None:
        """Start the pool, without engines. Raises Unavailable."""
        for folder in (self._spec.states, self._spec.sockets):
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        try:
            self._pool.start()
        except Exception as error:
            self.close()
            raise Unavailable(f"the executor could not be started: {error}") from error

    def launch(self, engine: str) -> None:
        """Start an engine's block. Raises Unavailable."""
        with self._lock:
            if self._closed:
                raise Unavailable("the executor has ended")
            self._pool.next_engine = engine
            self._block_ids[engine] = self._blocks.launch()

    def submit(self, frame: bytes) -> Future[bytes]:
        """Let an engine answer a frame; raises whatever Parsl does."""
        return self._pool.submit(answer, {}, self._packed_spec, frame)

    def look(self) -> Sight:
        """How the blocks and engines are."""
        if not self._pool.center_lives:
            return Sight(center_lives=False)
        words = self._blocks.ended()
        ended = {engine: words[block] for engine, block in list(self._block_ids.items()) if block in words}
        return Sight(ended=ended, states=self.states())

    def states(self) -> dict[str, str]:
        """What each engine is at."""
        return {path.name: path.read_text().strip() for path in self._spec.states.iterdir()}

    def retire(self, engine: str) -> None:
        """Give an engine that is about to end no more tasks, so that none is lost with it."""
        block_id = self._block_ids.get(engine)
        if block_id is None or not self._pool.center_lives:
            return
        try:
            self._pool.retire(block_id)
        except Exception:  # whatever Parsl raises; a task that is lost is tried again
            logger.exception("Engine not retired", extra={"action": "retire_failed", "engine": engine})

    def end(self, engine: str) -> None:
        """End an engine's block, whatever it is at."""
        if block_id := self._block_ids.pop(engine, None):
            self._blocks.end(block_id)
            (self._spec.states / engine).unlink(missing_ok=True)

    def close(self) -> None:
        """End all blocks and the pool."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._blocks.end_all()
        self._pool.shutdown()
        for folder in (self._spec.states, self._spec.sockets):
            shutil.rmtree(folder, ignore_errors=True)
