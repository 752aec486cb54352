"""Anybody gets the schema of dlhub.json."""

from __future__ import annotations

import aiohttp
from unit.dlhub_gateway.conftest import Stack

from proto_msgs.json_schema import FILE


async def test_the_schema_needs_no_token(stack: Stack) -> None:
    async with aiohttp.ClientSession() as nobody, nobody.get(f"{stack.url}/schemas/dlhub-1.json") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/schema+json"
        assert await answer.text() == FILE.read_text()


async def test_another_version_is_not_there(stack: Stack) -> None:
    async with stack.http.get(f"{stack.url}/schemas/dlhub-9.json") as answer:
        assert answer.status == 404
