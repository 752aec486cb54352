"""Amazon SageMaker for tests: moto's server, and a front before it that keeps what is sent.

moto makes and removes models, endpoint configurations and endpoints like AWS, but at once, and its answers to
calls are canned. Where a test needs more, the front answers instead: calls by functions of the test, states
that take time, refusals.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from proto_msgs import codec

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDFORTESTS",
    "AWS_SECRET_ACCESS_KEY": "secret-for-tests",
    "AWS_SESSION_TOKEN": "token-for-tests",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_CALL = re.compile(r"/endpoints/([^/]+)/invocations")


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a moto server of the test's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process)
            yield url
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "moto's server has ended"
        try:
            with urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=10):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("moto's server did not answer within 60 s")


@dataclass
class Sent:
    """A request that the executor made."""

    path: str
    operation: str
    """SageMaker's name for it, such as CreateModel."""
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Front:
    """What stands between an executor and moto."""

    moto: str
    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    """By method: they answer calls, in the codec's form; none: moto does."""
    states: list[dict[str, str]] = field(default_factory=list)
    """What DescribeEndpoint says of an endpoint instead, one after the other; the last one stays."""
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By operation: AWS' code and message."""

    def of(self, operation: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.operation == operation]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        call = _CALL.fullmatch(request.path)
        operation = "InvokeEndpoint" if call else request.headers.get("X-Amz-Target", "").partition(".")[2]
        self.sent.append(Sent(request.path, operation, dict(request.headers), body))
        if refusal := self.refusals.get(operation):
            text = json.dumps({"__type": refusal[0], "message": refusal[1]})
            headers = {"x-amzn-ErrorType": refusal[0]}
            return web.Response(
                status=400, text=text, headers=headers, content_type="application/x-amz-json-1.1"
            )
        if call and self.functions:
            return await self._call(request, body)
        return await self._pass_on(request, operation, body)

    async def _call(self, request: web.Request, body: bytes) -> web.Response:
        method = request.headers["X-Amzn-SageMaker-Custom-Attributes"].removeprefix("dlhub-method=")
        try:
            output = await asyncio.to_thread(self.functions[method], codec.unpack(body)["inputs"])
        except ValueError as error:
            said = {"OriginalMessage": str(error), "OriginalStatusCode": 400, "Message": "see the original"}
            headers = {"x-amzn-ErrorType": "ModelError"}
            return web.Response(
                status=424, text=json.dumps(said), headers=headers, content_type="application/json"
            )
        return web.Response(body=codec.pack(output), content_type="application/x-msgpack")

    async def _pass_on(self, request: web.Request, operation: str, body: bytes) -> web.Response:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, f"{self.moto}{request.path_qs}", headers=request.headers, data=body
            ) as answer,
        ):
            found = await answer.read()
            if operation == "DescribeEndpoint" and self.states and answer.status == 200:
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                found = json.dumps({**json.loads(found), **state}).encode()
            headers = {k: v for k, v in answer.headers.items() if k.lower().startswith("x-amz")}
            return web.Response(
                status=answer.status, body=found, headers=headers, content_type=answer.content_type
            )


@asynccontextmanager
async def front(moto: str) -> AsyncIterator[Front]:
    """A front before that server, which begins empty."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{moto}/moto-api/reset") as answer:
            assert answer.status == 200
        found = Front(moto)
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", found.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield found
        finally:
            await runner.cleanup()
