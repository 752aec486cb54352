"""Two gateways side by side."""

from __future__ import annotations

import asyncio

import aiohttp
from unit.dlhub_gateway.conftest import Stack

from dlhub_bus import MemoryTransport
from dlhub_gateway.service import gateway
from dlhub_gateway.settings import GatewaySettings

RUN = "/api/v1/servables/ada/noop/run"


async def post(http: aiohttp.ClientSession, port: int, body: object, **headers: str) -> tuple[int, object]:
    async with http.post(f"http://127.0.0.1:{port}{RUN}", json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_each_gets_its_own_answers_and_both_share_tasks_and_keys(stack: Stack) -> None:
    first = stack.http, int(stack.url.rpartition(":")[2])
    settings = GatewaySettings(gateway_port=0, blob_url=stack.folder.as_uri())
    async with (
        MemoryTransport(stack.broker, "gateway-2") as transport,
        gateway(transport, settings) as opened,
    ):
        await stack.site.beat("noop-1")
        second = stack.http, opened.port

        runs = [post(*at, {"inputs": f"{i}"}) for i in range(20) for at in (first, second)]
        outputs = [body["output"] for _, body in await asyncio.gather(*runs)]  # type: ignore[index] # JSON
        assert outputs == [f"run:{i}:1" for i in range(20) for _ in (first, second)]

        status, made = await post(*first, {"inputs": "x"}, Prefer="respond-async")
        assert (status, isinstance(made, dict)) == (202, True)
        url = f"http://127.0.0.1:{opened.port}{made['location']}?wait=10"  # type: ignore[index] # JSON
        async with stack.http.get(url) as answer:
            assert (await answer.json())["output"] == "run:x:1"

        keyed = [await post(*at, {"inputs": "k"}, **{"Idempotency-Key": "k1"}) for at in (first, second)]
        assert keyed[0] == keyed[1]
