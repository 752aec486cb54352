"""`/metrics` of a gateway: no token, no names, and the figures of every process behind the port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from unit.dlhub_gateway.conftest import Stack, StackOf
from unit.dlhub_gateway.records import version

from dlhub_bus import MemoryTransport
from dlhub_gateway.service import gateway
from dlhub_gateway.settings import GatewaySettings

RUN = "/api/v1/servables/ada/noop/run"
MAP = "/api/v1/servables/ada/noop/map"
Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(url: str) -> Found:
    """All samples of a page, asked for without a token."""
    async with aiohttp.request("GET", f"{url}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found: Found, name: str, **labels: str) -> float:
    """The sum of the samples of this name with at least these labels."""
    return sum(v for (n, has), v in found.items() if n == name and has >= frozenset(labels.items()))


def requests(found: Found, kind: str, code: str) -> float:
    return value(found, "dlhub_gateway_request_seconds_count", kind=kind, code=code)


async def test_requests_are_counted_by_kind_and_outcome(stack: Stack) -> None:
    ask = stack.json
    for _ in range(3):
        await ask("POST", RUN, json={"inputs": "x"})
    await ask("POST", RUN, json={"inputs": "raise"}, status=422)
    await ask("POST", RUN, json={"inputs": "x", "wrong": 1}, status=400)
    await ask("POST", "/api/v1/servables/ada/none/run", json={"inputs": "x"}, status=404)
    await ask("POST", MAP, json={"inputs": ["x", "raise"]})
    await ask("POST", RUN, json={"inputs": "x"}, headers={"Prefer": "respond-async"}, status=202)
    found = await scraped(stack.url)
    expected = {
        ("run", "ok"): 3, ("run", "servable_failed"): 1, ("run", "malformed"): 1, ("run", "not_found"): 1,
        ("map", "ok"): 1, ("task", "ok"): 1,
    }  # fmt: skip
    assert {key: requests(found, *key) for key in expected} == expected
    assert 0 < value(found, "dlhub_gateway_request_seconds_sum", code="ok") < 60


async def test_what_was_refused_is_counted(open_stack: StackOf) -> None:
    async with open_stack(gateway_waiting_runs=1) as stack:
        stack.site.answering.clear()
        first = asyncio.create_task(stack.json("POST", RUN, json={"inputs": "x"}))
        while not stack.hub.runs.waiting:
            await asyncio.sleep(0.005)
        await stack.json("POST", RUN, json={"inputs": "y"}, status=429)
        found = await scraped(stack.url)
        assert value(found, "dlhub_gateway_refused_total", kind="run") == 1
        assert value(found, "dlhub_gateway_waiting_runs") == 1
        stack.site.answering.set()
        await first


async def test_the_page_names_nobody(stack: Stack) -> None:
    await stack.json("POST", RUN, json={"inputs": "x"})
    found = await scraped(stack.url)
    labels = {name for _, has in found for name, _ in has}
    assert labels == {"service", "process", "kind", "code", "level", "le"}
    values = {text for _, has in found for name, text in has if name != "le"}
    assert values == {"gateway", "0", "run", "ok"}


async def test_states_are_read_when_asked_for(stack: Stack) -> None:
    found = await scraped(stack.url)
    assert value(found, "dlhub_broker_connected") == value(found, "dlhub_gateway_sites") == 1
    stack.transport.lose()
    assert value(await scraped(stack.url), "dlhub_broker_connected") == 0
    stack.transport.restore()
    assert value(await scraped(stack.url), "dlhub_broker_reconnects_total") == 1


async def test_any_process_answers_for_all_of_them(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "siblings"
    folder.mkdir()
    (folder / "2.sock").touch()  # of one that has ended
    async with child(stack, folder, 0) as first, child(stack, folder, 1) as second:
        await stack.site.beat("noop-1")
        for url, times in ((first, 1), (second, 2)):
            for _ in range(times):
                async with stack.http.post(f"{url}{RUN}", json={"inputs": "x"}) as answer:
                    assert answer.status == 200
        for url in (first, second):
            found = await scraped(url)
            counts = {p: value(found, "dlhub_gateway_request_seconds_count", process=p) for p in "01"}
            up = {p: value(found, "dlhub_gateway_process_up", process=p) for p in "012"}
            assert (counts, up) == ({"0": 1, "1": 2}, {"0": 1, "1": 1, "2": 0})


@asynccontextmanager
async def child(stack: Stack, folder: Path, number: int) -> AsyncIterator[str]:
    """One more gateway on the stack's broker, as the parent process would start it."""
    settings = GatewaySettings(
        gateway_port=0, blob_url=stack.folder.as_uri(), gateway_siblings=str(folder), gateway_number=number
    )
    async with (
        MemoryTransport(stack.broker, f"gateway-{number}b") as transport,
        gateway(transport, settings) as opened,
    ):
        yield f"http://127.0.0.1:{opened.port}"


async def test_hits_of_the_cache_are_counted(stack: Stack) -> None:
    string = {"type": "string"}
    stack.catalog.add(
        version("same", methods={"run": {"input": string, "output": string, "deterministic": True}})
    )
    async with stack.site.serving("same-1"):
        await stack.site.beat("noop-1", "same-1")
        for _ in range(3):
            await stack.json("POST", "/api/v1/servables/ada/same/run", json={"inputs": "x"})
        found = await scraped(stack.url)
    assert value(found, "dlhub_cache_hits_total", level="gateway") == 2
    assert value(found, "dlhub_cache_misses_total", level="gateway") == 1
    assert 0 < value(found, "dlhub_cache_bytes") < value(found, "dlhub_cache_limit_bytes")
