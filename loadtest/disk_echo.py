"""The yardstick of payloads: an aiohttp server that writes each body to a file and answers what it reads.

python -m loadtest.disk_echo FOLDER PORT
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

import uvloop
from aiohttp import web

MOST_BYTES = 1024**3


class Echo:
    """Answers what it gets, by way of the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        path = self._folder / f"body-{next(self._numbers)}"
        return web.Response(body=await asyncio.to_thread(_through_disk, path, body))


def _through_disk(path: Path, body: bytes) -> bytes:
    path.write_bytes(body)
    try:
        return path.read_bytes()
    finally:
        path.unlink()


def main(folder: Path, port: int) -> None:
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/echo", Echo(folder).answer)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
