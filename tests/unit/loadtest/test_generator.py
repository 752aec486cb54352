"""The generator against a small server: all that is due is sent, answered and counted from its due time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest.generator import Run
from loadtest.openloop import Latencies, Load

Answer = Callable[[bytes], bytes]
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nHello World"


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    """Answers each request, a head and a body of a stated length; an empty answer closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.rpartition(b"Content-Length: ")[2].split()[0])
                reply = answer(await reader.readexactly(length))
                if not reply:
                    return
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the generator has closed
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        yield f"http://{host}:{port}/run"


async def run(answer: Answer, bodies: Path, **given: float) -> Latencies:
    bodies.write_text('{"inputs": 1}\n{"inputs": 2}\n')
    async with server(answer) as url:
        load = Load(
            url=url,
            headers={},
            bodies=bodies,
            expect="Hello World",
            **{"rate": 200.0, "seconds": 0.3, "warm_s": 0.0, **given},
        )
        return await Run(load, asyncio.get_running_loop()).run()


async def test_everything_due_is_answered(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(body: bytes) -> bytes:
        seen.append(body)
        return HELLO

    found = await run(answer, tmp_path / "bodies")
    assert found.done == len(seen) > 20
    assert found.wrong == 0
    assert set(seen) == {b'{"inputs": 1}', b'{"inputs": 2}'}


async def test_runs_of_the_warm_up_are_not_counted(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(body: bytes) -> bytes:
        seen.append(body)
        return HELLO

    found = await run(answer, tmp_path / "bodies", warm_s=0.2)
    assert 0 < found.done < len(seen)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 500 Oh\r\nContent-Length: 11\r\n\r\nHello World",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nBye",
        b"no answer at all\r\n\r\n",
        b"",
    ],
)
async def test_wrong_answers_are_counted(reply: bytes, tmp_path: Path) -> None:
    found = await run(lambda _: reply, tmp_path / "bodies", rate=50.0)
    assert found.wrong == found.done > 0
    assert found.void


async def test_what_waits_for_a_connection_is_on_the_server_s_account(tmp_path: Path) -> None:
    found = await run(lambda _: HELLO, tmp_path / "bodies", most_connections=1)
    assert found.done > 20
    assert found.wrong == 0
