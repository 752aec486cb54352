"""Connections to AWS, and its errors in words that hold no credentials."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from dlhub_task_manager.executors.elsewhere.service import Gone
from dlhub_task_manager.site_file import SageMakerTable
from proto_msgs.errors import Unavailable

# At its lowest level these write requests with their headers, tokens included.
for _name in ("aiobotocore", "botocore"):
    logging.getLogger(_name).setLevel(logging.INFO)

CONNECT_S = 10.0
LONGEST_CALL_S = 900.0
"""For an answer; a run's own deadline ends most calls before."""
_MAX_WORDS = 1000
_BAD_INPUT = ("ValidationException", "ValidationError")
_BUSY = frozenset({"ThrottlingException", "Throttling", "ServiceUnavailable", "InternalDependencyException",
                   "ModelNotReadyException", "TooManyRequestsException"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clients:
    """SageMaker's two services."""

    control: Any
    """Makes, changes and removes endpoints."""
    runtime: Any
    """Calls them."""


@asynccontextmanager
async def connected(table: SageMakerTable) -> AsyncIterator[Clients]:
    """Clients for the site's region. Raises Unavailable."""
    session = get_session()
    options = {"region_name": table.region, "endpoint_url": table.endpoint_url}
    # A run is sent once: whether it is tried again is for the hub to say.
    once = AioConfig(
        connect_timeout=CONNECT_S,
        read_timeout=LONGEST_CALL_S,
        retries={"total_max_attempts": 1},
        max_pool_connections=1000,
    )
    patient = AioConfig(connect_timeout=CONNECT_S, retries={"mode": "standard", "max_attempts": 5})
    async with AsyncExitStack() as stack:
        with told("AWS cannot be used"):
            control = await stack.enter_async_context(
                session.create_client("sagemaker", config=patient, **options)
            )
            runtime = await stack.enter_async_context(
                session.create_client("sagemaker-runtime", config=once, **options)
            )
        yield Clients(control, runtime)


@contextmanager
def told(what: str) -> Iterator[None]:
    """AWS' errors as ours: Unavailable, that begins with `what`; Gone for what is not there."""
    try:
        yield
    except ClientError as error:
        if is_missing(error):
            raise Gone(f"{what}: {words(error)}") from None
        raise Unavailable(f"{what}: {words(error)}") from None
    except BotoCoreError as error:
        raise Unavailable(f"{what}: {_short(str(error))}") from None


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that there is no such thing: of that SageMaker makes a case of bad input."""
    code, message = _said(error)
    if code in ("ResourceNotFound", "ResourceNotFoundException"):
        return True
    return code in _BAD_INPUT and any(words in message.lower() for words in ("could not find", "not found"))


def is_busy(error: ClientError) -> bool:
    """Whether the same call may go well a little later."""
    return _said(error)[0] in _BUSY


def words(error: ClientError) -> str:
    """AWS' code and message."""
    code, message = _said(error)
    return _short(f"{code}: {message}" if message else code)


def _said(error: ClientError) -> tuple[str, str]:
    said = error.response.get("Error") or {}
    return str(said.get("Code", "Unknown")), str(said.get("Message", ""))


def _short(text: str) -> str:
    return text.splitlines()[0][:_MAX_WORDS] if text else "no reason was given"
