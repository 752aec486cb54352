"""One version on a TensorFlow Serving server: put there, waited for, watched, taken away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from dlhub_shim.complaints import LoadError
from dlhub_shim.kinds.tensorflow import saved_model_folder
from dlhub_task_manager.executors.elsewhere.service import Gone, Methods, Service
from dlhub_task_manager.executors.tensorflow_serving.client import ModelClient, State, new_session
from dlhub_task_manager.executors.tensorflow_serving.own_server import OwnServer
from dlhub_task_manager.executors.tensorflow_serving.placing import Place
from dlhub_task_manager.executors.tensorflow_serving.signatures import methods_of
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

SERVED_TYPE = "TensorFlow Model"
FIRST_ASK_S, LONGEST_ASK_S = 0.05, 1.0
"""Between two questions whether the model is loaded: few for models that take long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to wait for the server, in seconds."""

    start_s: float
    load_s: float
    unload_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What is to be served, and under which name."""

    name: str
    number: int
    description: dict[str, Any]
    files: Path
    """The published files."""


class TensorFlowServing(Service):
    """A version on a server that runs already, or on one of its own."""

    look_s = 1.0

    def __init__(
        self,
        model: Model,
        where: tuple[str, Place] | OwnServer,
        patience: Patience,
        concurrent: int,
        on_closed: Callable[[], None],
    ) -> None:
        """`where`: address and place of a server that runs already, or one of our own."""
        self.concurrent = concurrent
        self._model = model
        self._own = where if isinstance(where, OwnServer) else None
        self._where = None if isinstance(where, OwnServer) else where
        self._patience = patience
        self._on_closed = on_closed
        self._session: aiohttp.ClientSession | None = None
        self._placed = False

    @property
    def _place(self) -> Place:
        return self._own.home.place if self._own else self._given[1]

    @property
    def _given(self) -> tuple[str, Place]:
        assert self._where is not None
        return self._where

    @property
    def _client(self) -> ModelClient:
        """For the server as it is now: one of ours has another address after each start."""
        self._session = self._session or new_session()
        url = self._own.url if self._own else self._given[0]
        return ModelClient(self._session, url, self._model.name, self._model.number)

    async def open(self) -> None:
        folder = self._saved_model()
        if self._own is not None:
            await self._own.start()
        else:
            await self._reach()
        self._placed = True  # of what is put there in part, `close` removes the part
        await self._place.put(self._model.name, self._model.number, folder)

    def _saved_model(self) -> Path:
        kind = self._model.description["servable"]["type"]
        if kind != SERVED_TYPE:
            raise LoadError(
                f"TensorFlow Serving serves SavedModels, which are of type {SERVED_TYPE!r}; this servable "
                f"is of type {kind!r}: deploy it with another executor, such as 'parsl'"
            )
        return saved_model_folder(self._model.files, self._model.description)

    async def _reach(self) -> None:
        """Any answer will do: the server does not know the model yet."""
        try:
            await self._client.status()
        except Gone as error:
            raise Unavailable(str(error)) from error

    async def resize(self, replicas: int) -> None:
        """Connections are made as they are needed."""

    async def ready(self) -> Methods:
        await self._loaded()
        metadata = await self._client.metadata()
        return methods_of(self._model.description, metadata, lambda body: self._client.predict(body))

    async def _loaded(self) -> None:
        began, ask_s = time.monotonic(), FIRST_ASK_S
        while True:
            state = await self._state(time.monotonic() - began)
            if state is State.AVAILABLE:
                return
            if time.monotonic() - began > self._patience.load_s:
                raise Unavailable(
                    f"TensorFlow Serving has not loaded the model within {self._patience.load_s:g} s; its "
                    f"state is {state}. {self._hint(state)}"
                )
            await asyncio.sleep(ask_s)
            ask_s = min(LONGEST_ASK_S, 2 * ask_s)

    async def _state(self, waited_s: float) -> State:
        """The model's state. Raises LoadError when it will not get better."""
        if self._own is not None and not self._own.lives:
            raise Unavailable(self._own.last_words())
        try:
            status = await self._client.status()
        except Gone:
            if self._own is None or waited_s > self._patience.start_s:
                raise
            return State.UNKNOWN  # it opens its port when it is ready to
        if status.error and status.state is State.END:
            raise LoadError(f"TensorFlow Serving says: {status.error}")
        return status.state

    def _hint(self, state: State) -> str:
        if state is not State.UNKNOWN or self._own:
            return "See the server's log"
        return (
            f"It seems not to read {self._place.config}: start it with that as --model_config_file and with "
            "--model_config_file_poll_wait_seconds"
        )

    async def look(self) -> None:
        if self._own is not None and not self._own.lives:
            raise Gone(self._own.last_words())
        status = await self._client.status()
        if status.state is not State.AVAILABLE:
            raise Gone(f"TensorFlow Serving has the model no more; its state is {status.state}")

    async def close(self) -> None:
        try:
            if self._own is not None:
                await self._own.stop()
            elif self._placed:
                await self._withdraw()
        finally:
            if self._session is not None:
                await self._session.close()
            self._on_closed()

    async def _withdraw(self) -> None:
        try:
            await self._place.withdraw(self._model.name)
            await self._unloaded()
        except (Unavailable, Gone) as error:
            logger.warning("Model not unloaded", extra={"action": "unload_failed", "error": str(error)})
        finally:
            await self._place.remove(self._model.name)

    async def _unloaded(self) -> None:
        """Wait until the server reads the model's folder no more, but not for ever."""
        try:
            async with asyncio.timeout(self._patience.unload_s):
                state = State.UNLOADING
                while state not in (State.UNKNOWN, State.END):
                    await asyncio.sleep(FIRST_ASK_S)
                    state = (await self._client.status()).state
        except TimeoutError:
            logger.warning("Model still loaded", extra={"action": "unload_slow", "model": self._model.name})
