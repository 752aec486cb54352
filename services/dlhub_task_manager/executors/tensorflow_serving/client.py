"""TensorFlow Serving's REST API: a model's status, its metadata, and predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import aiohttp

from dlhub_task_manager.executors.elsewhere.service import Gone, ModelFailed
from proto_msgs.errors import Unavailable

LOOK_TIMEOUT_S = 10.0
_MAX_WORDS = 4096


class State(StrEnum):
    """What a server says of a version of a model."""

    UNKNOWN = "UNKNOWN"
    """It has not read the configuration yet, or has no such model any more."""
    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"
    """Unloaded; or, with an error, never loaded."""


@dataclass(frozen=True, slots=True)
class Status:
    """A version's state, and what went wrong."""

    state: State
    error: str = ""


class ModelClient:
    """One version of one model, on one server. Raises Gone wherever the server cannot be reached."""

    def __init__(self, session: aiohttp.ClientSession, url: str, name: str, number: int) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._path = f"{self._url}/v1/models/{name}/versions/{number}"

    async def status(self) -> Status:
        """How the version is."""
        code, body = await self._get(self._path)
        if code == 404:
            return Status(State.UNKNOWN)
        if code != 200:
            raise Gone(f"the server at {self._url} answered {code} for the model's state: {_words(body)}")
        try:
            said = json.loads(body)["model_version_status"][0]
            error = said.get("status") or {}
            failed = str(error.get("error_code", "OK")) not in ("OK", "0")
            return Status(State(said["state"]), str(error.get("error_message")) if failed else "")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Gone(f"what answers at {self._url} is no TensorFlow Serving: {_words(body)}") from error

    async def metadata(self) -> dict[str, Any]:
        """What the server knows of the model: its signatures."""
        code, body = await self._get(f"{self._path}/metadata")
        if code != 200:
            raise Gone(f"the server at {self._url} answered {code} for the metadata: {_words(body)}")
        found: dict[str, Any] = json.loads(body)
        return found

    async def predict(self, body: bytes) -> bytes:
        """Raises ModelFailed with the server's words, Unavailable when it has too much to do."""
        code, answer = await self._request("POST", f"{self._path}:predict", body)
        if code == 200:
            return answer
        said = f"TensorFlow Serving answered {code}: {_words(answer)}"
        if code == 404:
            raise Gone(said)
        if code in (429, 503):
            raise Unavailable(said)
        raise ModelFailed(said)

    async def _get(self, url: str) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=LOOK_TIMEOUT_S)
        return await self._request("GET", url, None, timeout)

    async def _request(
        self, verb: str, url: str, body: bytes | None, timeout: aiohttp.ClientTimeout | None = None
    ) -> tuple[int, bytes]:
        """Status and body; without a timeout the caller has one of its own."""
        try:
            timeout = timeout or aiohttp.ClientTimeout(total=None, connect=LOOK_TIMEOUT_S)
            async with self._session.request(verb, url, data=body, timeout=timeout) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Gone(f"the TensorFlow Serving server at {self._url} does not answer: {reason}") from error


def new_session() -> aiohttp.ClientSession:
    """Connections to one server, as many as there are calls; `concurrent` of the service bounds those."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def _words(body: bytes) -> str:
    """What an answer says went wrong. The server escapes texts as C does, which need not be JSON."""
    text = body.decode(errors="replace").strip()
    try:
        text = str(json.loads(text)["error"])
    except (ValueError, LookupError, TypeError):
        text = text.removeprefix('{ "error": "').removesuffix('" }')
    return text[:_MAX_WORDS]
