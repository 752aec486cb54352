from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from unit.dlhub_client.fake_gateway import FakeGateway, Trouble

from dlhub_client import AsyncDLHubClient, Progress
from dlhub_client.errors import DeadlineExceeded, InputMismatch, Overloaded, ServableFailed
from dlhub_client.mapping import AsJson, AsMsgpack, Bounds, Pace, chunks
from proto_msgs import codec
from proto_msgs.codec import EncodeError


def sizes(gateway: FakeGateway) -> list[int]:
    return [len(seen.value["inputs"]) for seen in gateway.posts("/servables/ada/double/map")]


async def test_outputs_come_in_the_order_of_the_inputs(hub: AsyncDLHubClient) -> None:
    assert await hub.map("ada/double", range(2500)) == [2 * number for number in range(2500)]


async def test_no_inputs_give_no_outputs_and_no_request(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    assert await hub.map("ada/double", []) == []
    assert gateway.seen == []


async def test_requests_are_bounded_in_items(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    await hub.map("ada/double", range(100), bounds=Bounds(first_items=8, most_items=10))
    assert sum(sizes(gateway)) == 100
    assert max(sizes(gateway)) <= 10


async def test_requests_are_bounded_in_bytes(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    bounds = Bounds(first_items=100, most_bytes=4000)
    outputs = await hub.map("ada/double", [np.ones(100) for _ in range(20)], bounds=bounds)
    assert len(outputs) == 20
    assert max(len(seen.body) for seen in gateway.seen) < 5000


async def test_an_item_above_the_bound_travels_alone() -> None:
    pace = Pace(Bounds(first_items=10, most_bytes=100))
    assert [list(chunk.indices) async for chunk in chunks(["a", "b" * 200, "c"], pace, AsMsgpack())] == [
        [0],
        [1],
        [2],
    ]


async def test_no_more_requests_than_allowed_are_in_flight() -> None:
    from dlhub_client.mapping import MapCall
    from dlhub_client.retry import NEVER

    under_way, most = 0, 0

    async def post(make_body: Any, _: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return {"outcomes": [{"output": item} for item in codec.unpack(make_body())["inputs"]]}

    call = MapCall(
        post, {"timeout_s": 5}, AsMsgpack(), Bounds(first_items=1, most_items=1, in_flight=3), NEVER
    )
    assert await call.run(iter(range(30)), "raise", None) == list(range(30))
    assert most == 3


def test_requests_grow_while_they_are_quick_and_shrink_when_slow() -> None:
    pace = Pace(Bounds(first_items=8, most_items=1000, wanted_s=1.0))
    pace.learn(8, 0.001)
    assert pace.items == 16
    pace.learn(16, 160.0)
    assert pace.items == 1


async def test_parameters_and_method_are_sent(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.models["ada/double"] = lambda inputs, parameters: inputs * parameters["by"]
    assert await hub.map("ada/double", [1, 2], {"by": 3}) == [3, 6]


def fail_at_three(inputs: int, _: Any) -> int:
    if inputs == 3:
        raise ServableFailed("three", details={"traceback": "line 1"})
    return inputs


async def test_the_first_failure_is_raised_with_its_index(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    gateway.models["ada/double"] = fail_at_three
    with pytest.raises(ServableFailed, match=r"(?s)inputs\[3\]: three.*line 1"):
        await hub.map("ada/double", range(10))


async def test_failures_can_be_returned_in_their_places(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.models["ada/double"] = fail_at_three
    outputs = await hub.map("ada/double", range(5), on_error="return")
    assert [*outputs[:3], outputs[4]] == [0, 1, 2, 4]
    assert isinstance(outputs[3], ServableFailed)


async def test_an_input_of_the_wrong_type_is_named_by_its_place_in_the_whole_map(
    hub: AsyncDLHubClient,
) -> None:
    inputs = [1.0] * 10 + ["bad", 2.0]
    with pytest.raises(InputMismatch, match=r"^inputs\[10\]: float expected"):
        await hub.map("ada/double", inputs)
    outputs = await hub.map("ada/double", inputs, on_error="return")
    assert [*outputs[:10], outputs[11]] == [2.0] * 10 + [4.0]
    assert isinstance(outputs[10], InputMismatch)


async def test_items_without_room_are_sent_again(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    refused: set[int] = set()

    def sometimes(inputs: int, _: Any) -> int:
        if inputs % 2 and inputs not in refused:
            refused.add(inputs)
            raise Overloaded("full")
        return inputs

    gateway.models["ada/double"] = sometimes
    assert await hub.map("ada/double", range(8)) == list(range(8))
    assert sizes(gateway) == [8, 4]


async def test_a_cut_request_is_repeated_with_its_key(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble())
    assert await hub.map("ada/double", [1, 2, 3]) == [2, 4, 6]
    first, second = gateway.posts("/servables/ada/double/map")
    assert first.key == second.key


async def test_progress_counts_items(hub: AsyncDLHubClient) -> None:
    seen: list[Progress] = []
    await hub.map("ada/double", list(range(20)), on_progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (20, 20)


async def test_an_item_that_cannot_travel_is_named(hub: AsyncDLHubClient) -> None:
    with pytest.raises(EncodeError, match=r"inputs\[2\]"):
        await hub.map("ada/double", [1, 2, object()])


async def test_the_whole_map_has_a_deadline(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.extend(Trouble(503, retry_after_s="1") for _ in range(3))
    with pytest.raises(DeadlineExceeded, match="ada/double"):
        await hub.map("ada/double", [1], timeout_s=0.1)


async def test_a_map_in_json_sends_and_gets_json(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    assert await hub.map("ada/double", ["a", "b"], {"x": None}, form=AsJson()) == ["aa", "bb"]
    assert gateway.seen[0].headers["Content-Type"] == "application/json"
    assert gateway.seen[0].value["parameters"] == {"x": None}
