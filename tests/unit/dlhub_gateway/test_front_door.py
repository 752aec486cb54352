"""Connections on which plain runs and everything else take turns, as bytes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until
from unit.dlhub_gateway.records import version

from dlhub_gateway.fast_lane import FastLane
from dlhub_gateway.front_door import FOR_GOOD, _missing
from dlhub_runtime.blobs import BlobWriter
from proto_msgs import codec

RUN = "/api/v1/servables/ada/noop/run"


@dataclass
class Line:
    """A connection to the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers by lower-case name, body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(first.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def ask(self, data: bytes) -> tuple[int, Any]:
        """Send a request; status and JSON body of the answer."""
        self.writer.write(data)
        status, _, body = await self.answer()
        return status, json.loads(body)


def post(inputs: Any, path: str = RUN, *, token: str = "ada", **headers: str) -> bytes:
    return post_body(json.dumps({"inputs": inputs}).encode(), path, token=token, **headers)


def post_body(body: bytes, path: str = RUN, *, token: str = "ada", **headers: str) -> bytes:
    lines = {
        "Host": "hub",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(stack.url.rpartition(":")[2]))
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def line(stack: Stack) -> AsyncIterator[Line]:
    """A connection to a gateway that knows the caller and the servable."""
    await stack.json("POST", RUN, json={"inputs": "first"})
    async with connected(stack) as opened:
        yield opened


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request that the fast lane looked at: whether it took it."""
    seen: list[bool] = []
    begin = FastLane.begin

    def spy(*arguments: Any) -> Any:
        result = begin(*arguments)
        seen.append(result is not False)
        return result

    monkeypatch.setattr(FastLane, "begin", spy)
    return seen


async def test_a_plain_run_takes_the_fast_lane(line: Line, taken: list[bool]) -> None:
    status, body = await line.ask(post("Fe"))
    assert (status, body["output"], body["metadata"]["site"], taken) == (200, "run:Fe:1", "lab", [True])


async def test_both_ways_give_the_same_answer(line: Line, taken: list[bool]) -> None:
    answers = []
    for request in (post("Fe"), post("Fe", Connection="keep-alive, x")):
        line.writer.write(request)
        status, headers, raw = await line.answer()
        body = json.loads(raw)
        assert len(body["metadata"].pop("run_id")) == 32
        body["metadata"].pop("timings_ms")
        answers.append((status, headers["content-type"], body))
    assert answers[0] == answers[1]
    assert taken == [True]


async def test_errors_are_the_same_both_ways(line: Line, taken: list[bool]) -> None:
    bodies = (
        b"{",
        b"[1]",
        b'{"inputs": 5}',
        b'{"inputs": "x", "parameters": {"no": 1}}',
        b'{"inputs": "raise"}',
    )
    for body in bodies:
        quick, slow = [
            await line.ask(post_body(body, **headers)) for headers in ({}, {"Connection": "keep-alive, x"})
        ]
        for _, problem in (quick, slow):
            problem.get("details", {}).pop("run_id", None)
        assert quick == slow
        assert quick[0] in (400, 422)
    assert taken == [True] * len(bodies)


async def test_all_kinds_of_requests_take_turns(line: Line, stack: Stack, taken: list[bool]) -> None:
    whoami = b"GET /api/v1/whoami HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ada\r\n\r\n"
    for _ in range(3):
        assert (await line.ask(post("Fe")))[1]["output"] == "run:Fe:1"
        assert (await line.ask(whoami))[1]["identity"]
        status, body = await line.ask(post("Fe", Prefer="respond-async"))
        assert (status, body["status"]) == (202, "queued")
    assert taken == [True] * 6


async def test_a_body_that_comes_in_pieces(line: Line, taken: list[bool]) -> None:
    request = post("x" * 5000)
    for piece in (request[:30], request[30:1000], request[1000:]):
        line.writer.write(piece)
        await line.writer.drain()
        await asyncio.sleep(0)
    assert (await line.answer())[0] == 200
    line.writer.write(post("y")[:-3])
    await line.writer.drain()
    line.writer.write(post("y")[-3:])
    assert (await line.answer())[0] == 200


async def test_requests_sent_ahead_are_answered_in_order(line: Line) -> None:
    slow = post("slow", Connection="keep-alive, x")
    line.writer.write(post("a") + post("b") + slow + post("c"))
    outputs = [json.loads((await line.answer())[2])["output"] for _ in range(4)]
    assert outputs == ["run:a:1", "run:b:1", "run:slow:1", "run:c:1"]


async def test_a_request_ahead_of_a_waiting_one_keeps_its_place(line: Line, stack: Stack) -> None:
    stack.site.answering.clear()
    line.writer.write(post("a"))
    await until(lambda: len(stack.site.batches) == 2)
    line.writer.write(b"GET /api/v1/whoami HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ada\r\n\r\n")
    await line.writer.drain()
    stack.site.answering.set()
    assert json.loads((await line.answer())[2])["output"] == "run:a:1"
    assert "identity" in json.loads((await line.answer())[2])


@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency_Key": "k"},
        {"Content_Encoding": "identity"},
        {"Connection": "close"},
        {"Expect": "100-continue"},
    ],
)
async def test_unusual_headers_leave_it_to_the_routes(
    line: Line, taken: list[bool], headers: dict[str, str]
) -> None:
    line.writer.write(post("Fe", **headers))
    if "Expect" in headers:
        assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    assert (await line.answer())[0] == 200
    assert taken == []


async def test_a_chunked_body_keeps_the_connection_with_aiohttp(line: Line, taken: list[bool]) -> None:
    head = (
        f"POST {RUN} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ada\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = b'{"inputs": "Fe"}'
    status, answer = await line.ask(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert (status, answer["output"]) == (200, "run:Fe:1")
    assert (await line.ask(post("Cu")))[1]["output"] == "run:Cu:1"
    assert taken == []


async def test_two_lengths_are_refused(line: Line, taken: list[bool]) -> None:
    request = post("Fe").replace(b"Host: hub\r\n", b"Host: hub\r\nContent-Length: 3\r\n")
    line.writer.write(request)
    assert (await line.answer())[0] == 400
    assert taken == []


async def test_a_stranger_is_told_nothing(line: Line, stack: Stack) -> None:
    status, problem = await line.ask(post("Fe", token="nobody-knows"))
    assert (status, problem["code"]) == (401, "unauthenticated")


async def test_a_revoked_token_stops_working_here_too(line: Line, stack: Stack) -> None:
    assert (await line.ask(post("Fe")))[0] == 200
    stack.hub.tokens.forget_all()
    stack.catalog.tokens.clear()
    assert (await line.ask(post("Fe")))[0] == 401


async def test_msgpack_both_ways(line: Line, taken: list[bool]) -> None:
    msgpack = "application/msgpack"
    body = codec.pack({"inputs": "Fe"})
    line.writer.write(post_body(body, Content_Type=msgpack, Accept=msgpack))
    _, headers, raw = await line.answer()
    assert (headers["content-type"], codec.unpack(raw)["output"], taken) == (msgpack, "run:Fe:1", [True])


async def test_a_large_output_is_fetched(line: Line, stack: Stack, taken: list[bool]) -> None:
    long = "x" * 10_000
    output = await stack.store.transient().put(codec.pack(long))
    stack.site.model = lambda method, inputs, parameters: output
    assert (await line.ask(post("Fe")))[1]["output"] == long
    assert taken == [True]


async def test_a_large_input_is_left_to_the_routes(line: Line, stack: Stack, taken: list[bool]) -> None:
    assert (await line.ask(post("x" * 5000)))[0] == 200
    assert taken == [False]
    assert stack.site.batches[-1].runs[0].blob is not None


async def test_a_caller_who_leaves_is_forgotten(stack: Stack, line: Line) -> None:
    stack.site.answering.clear()
    async with connected(stack) as other:
        other.writer.write(post("a"))
        await until(lambda: len(stack.site.batches) == 2)
    await until(lambda: not stack.hub.runs.waiting)
    stack.site.answering.set()
    assert (await line.ask(post("b")))[0] == 200


async def test_a_stopping_gateway_answers_what_it_took(open_stack: StackOf) -> None:
    async with open_stack() as stack:
        await stack.json("POST", RUN, json={"inputs": "first"})
        reader, writer = await asyncio.open_connection("127.0.0.1", int(stack.url.rpartition(":")[2]))
        stack.site.answering.clear()
        writer.write(post("last"))
        await until(lambda: len(stack.site.batches) == 2)
        asyncio.get_running_loop().call_later(0.05, stack.site.answering.set)
    status, _, body = await Line(reader, writer).answer()
    assert (status, json.loads(body)["output"]) == (200, "run:last:1")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_method_of_its_own(stack: Stack, line: Line, taken: list[bool]) -> None:
    string = {"type": "string"}
    both = {"run": {"input": string, "output": string}, "explain": {"input": string, "output": string}}
    stack.catalog.add(version("noop", 2, both, version_id="noop-1"))
    path = "/api/v1/servables/ada/noop@2/methods/explain/run"
    outputs = [(await line.ask(post("Fe", path)))[1]["output"] for _ in range(2)]
    assert outputs == ["explain:Fe:1"] * 2
    assert taken == [False, True]


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab", 3),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", 0),
        (b"POST / HTTP/1.1\r\nHost", FOR_GOOD),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", FOR_GOOD),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", FOR_GOOD),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", FOR_GOOD),
    ],
)
def test_what_a_request_still_lacks(data: bytes, missing: int) -> None:
    assert _missing(data) == missing


async def test_a_large_body_that_comes_faster_than_it_is_kept(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp stops reading for a moment, and goes on with what its parser still has."""
    write = BlobWriter.write

    async def write_slowly(writer: BlobWriter, chunk: bytes) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        await write(writer, chunk)

    monkeypatch.setattr(BlobWriter, "write", write_slowly)
    content = bytes(range(256)) * 3_400
    sha256 = hashlib.sha256(content).hexdigest()
    head = f"PUT /api/v1/blobs/{sha256} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ada\r\n"
    async with asyncio.timeout(20):
        line.writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        status, _, body = await line.answer()

    assert (status, json.loads(body)["size_bytes"]) == (201, len(content))
