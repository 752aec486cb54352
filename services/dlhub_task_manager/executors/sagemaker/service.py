"""One version on an endpoint of Amazon SageMaker: made, waited for, resized, called, removed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientConnectionError, ClientPayloadError
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from dlhub_shim.complaints import LoadError
from dlhub_task_manager.executors.elsewhere.calls import aside
from dlhub_task_manager.executors.elsewhere.service import Gone, Methods, ModelFailed, RemoteMethod, Service
from dlhub_task_manager.executors.sagemaker import resources
from dlhub_task_manager.executors.sagemaker.aws import Clients, connected, is_busy, is_missing, words
from dlhub_task_manager.executors.sagemaker.bodies import Body
from dlhub_task_manager.executors.sagemaker.resources import EndpointStatus, Wanted
from dlhub_task_manager.site_file import SageMakerTable
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

Declared = dict[str, Any]
FIRST_ASK_S, LONGEST_ASK_S = 0.2, 10.0
"""Between two questions whether an endpoint is in service, which takes minutes."""
_MAX_WORDS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Which endpoint serves a version."""

    name: str
    wanted: Wanted | None
    """What to make it from; None: it is there already, and stays as it is."""


class SageMaker(Service):
    """A version on an endpoint, which is ours unless the site file names one that is there."""

    look_s = 30.0

    def __init__(
        self, endpoint: Endpoint, description: Declared, table: SageMakerTable, on_closed: Callable[[], None]
    ) -> None:
        self.concurrent = table.concurrent
        self._endpoint = endpoint
        self._description = description
        self._table = table
        self._on_closed = on_closed
        self._stack = AsyncExitStack()
        self._clients: Clients | None = None
        self._made = False
        self._stale = False
        """There is something of this name that does not serve any more."""
        self._instances = table.initial_instances

    async def open(self) -> None:
        clients = await self._connected()
        if self._endpoint.wanted is None:
            try:
                await resources.status(clients.control, self._endpoint.name)
            except Gone as error:
                raise Unavailable(f"the site file names an endpoint that is not there: {error}") from error
        elif not self._made:
            await self._make(clients, self._endpoint.wanted)

    async def _make(self, clients: Clients, wanted: Wanted) -> None:
        if self._stale:
            await resources.remove(clients.control, self._endpoint.name)
        self._stale = True  # until all of it is there
        self._instances = self._table.initial_instances
        await resources.create(clients.control, self._endpoint.name, wanted, self._instances)
        self._made, self._stale = True, False

    async def _connected(self) -> Clients:
        if self._clients is None:
            self._clients = await self._stack.enter_async_context(connected(self._table))
        return self._clients

    async def resize(self, replicas: int) -> None:
        """One instance per replica; of an endpoint that is not ours, its owner decides."""
        instances = max(replicas, self._table.initial_instances)
        if self._endpoint.wanted is None or instances == self._instances:
            return
        clients = await self._connected()
        await self._in_service(clients)  # while it is made or changed, it cannot be changed
        await self._ours(resources.set_instances(clients.control, self._endpoint.name, instances))
        self._instances = instances
        await self._in_service(clients)

    async def ready(self) -> Methods:
        await self._in_service(await self._connected(), serving=True)
        declared = self._description["servable"]["methods"]
        return {name: self._method(name, method) for name, method in declared.items()}

    async def _in_service(self, clients: Clients, *, serving: bool = False) -> None:
        """Wait until the endpoint can be changed or, if that is all, answers calls."""
        began, ask_s = time.monotonic(), FIRST_ASK_S
        while True:
            found: EndpointStatus = await self._ours(resources.status(clients.control, self._endpoint.name))
            if found.state == "InService" or (serving and found.serves):
                return
            if found.hopeless:
                self._give_up()
                raise LoadError(_state(found))
            if time.monotonic() - began > self._table.load_timeout_s:
                raise Unavailable(
                    f"the endpoint {self._endpoint.name} is not in service after "
                    f"{self._table.load_timeout_s:g} s; it is {found.state}"
                )
            await asyncio.sleep(ask_s)
            ask_s = min(LONGEST_ASK_S, 1.5 * ask_s)

    async def _ours(self, asked: Any) -> Any:
        """An answer about an endpoint that should be there; somebody may have deleted it."""
        try:
            return await asked
        except Gone:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """What was made does not serve any more: the next replica needs another."""
        if self._made:
            self._made, self._stale = False, True

    def _method(self, name: str, declared: Declared) -> RemoteMethod:
        body = Body(self._table.body, declared)

        async def call(inputs: Any, parameters: Declared) -> Any:
            sent = await aside(_size(inputs), body.encode, inputs, parameters)
            answer = await self._invoke(name, sent, body.content_type)
            return await aside(len(answer), body.decode, answer)

        return RemoteMethod(declared, call)

    async def _invoke(self, method: str, body: bytes, content_type: str) -> bytes:
        clients = await self._connected()
        try:
            response = await clients.runtime.invoke_endpoint(
                EndpointName=self._endpoint.name,
                ContentType=content_type,
                Accept=content_type,
                CustomAttributes=f"dlhub-method={method}",
                Body=body,
            )
            async with response["Body"] as stream:
                answer: bytes = await stream.read()
                return answer
        except ClientError as error:
            raise _call_failed(error) from None
        except EndpointConnectionError as error:
            raise Gone(f"SageMaker cannot be reached: {error}") from None
        except (BotoCoreError, ClientConnectionError, ClientPayloadError) as error:
            raise Unavailable(f"SageMaker did not answer: {error}") from None

    async def look(self) -> None:
        clients = await self._connected()
        found = await self._ours(resources.status(clients.control, self._endpoint.name))
        if not found.serves:
            self._give_up()
            raise Gone(_state(found))

    async def close(self) -> None:
        try:
            if (self._made or self._stale) and self._clients is not None:
                await self._remove(self._clients)
        finally:
            self._on_closed()
            await self._stack.aclose()

    async def _remove(self, clients: Clients) -> None:
        """Remove what is ours; where SageMaker does not let us now, the next sweep does it."""
        try:
            await resources.remove(clients.control, self._endpoint.name)
        except Unavailable as error:
            logger.warning("Endpoint not removed", extra={"action": "endpoint_left", "error": str(error)})


def _state(found: EndpointStatus) -> str:
    return f"SageMaker's endpoint is {found.state}: {found.reason or 'no reason was given'}"


def _call_failed(error: ClientError) -> Exception:
    """Why a call has no output."""
    if "OriginalMessage" in error.response:
        said = str(error.response["OriginalMessage"])[:_MAX_WORDS]
        return ModelFailed(f"the endpoint answered {error.response.get('OriginalStatusCode')}: {said}")
    if is_missing(error):
        return Gone(f"SageMaker has the endpoint no more: {words(error)}")
    if is_busy(error):
        return Unavailable(f"SageMaker has too much to do: {words(error)}")
    return ModelFailed(f"SageMaker refused the call: {words(error)}")


def _size(value: Any) -> int:
    """About how many bytes a value has; of one whose parts are many, enough to encode it in a thread."""
    if isinstance(value, dict | list | tuple):
        items = value.values() if isinstance(value, dict) else value
        return sum(getattr(item, "nbytes", 1024) for item in items)
    return int(getattr(value, "nbytes", len(value) if isinstance(value, str | bytes) else 0))
