"""The same POST twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from catalog_stage import Stage, open_stage

from proto_msgs.errors import Conflict
from proto_msgs.idempotency import BeginKey, EndKey, KeyState, StoredResponse

RESPONSE = StoredResponse(status=202, headers={"Location": "/api/v1/tasks/t", "X.y": "$z"}, body=b"{}")


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


async def _begin(stage: Stage, holder: str = "one", **fields: Any) -> KeyState:
    known: dict[str, Any] = {
        "identity": "ada@local",
        "idempotency_key": "k",
        "fingerprint": "f",
        "lease_s": 60,
    }
    return await stage.ask(BeginKey(**(known | fields), holder=holder))


async def _end(stage: Stage, response: StoredResponse | None = RESPONSE, holder: str = "one") -> None:
    await stage.ask(EndKey(identity="ada@local", idempotency_key="k", holder=holder, response=response))


async def test_of_many_at_once_one_does_the_work(stage: Stage) -> None:
    states = await asyncio.gather(*(_begin(stage, f"{n}") for n in range(8)))
    assert sorted(state.state for state in states) == ["new"] + ["running"] * 7


async def test_the_same_holder_may_begin_again(stage: Stage) -> None:
    await _begin(stage)
    assert (await _begin(stage)).state == "new"


async def test_a_holder_renews_its_lease(stage: Stage) -> None:
    await _begin(stage, lease_s=-1)
    await _begin(stage)
    assert (await _begin(stage, "two")).state == "running"


async def test_the_answer_is_given_again(stage: Stage) -> None:
    await _begin(stage)
    await _end(stage)
    state = await _begin(stage, "two")
    assert (state.state, state.response) == ("done", RESPONSE)


async def test_another_body_with_the_same_key_is_a_conflict(stage: Stage) -> None:
    await _begin(stage)
    with pytest.raises(Conflict, match="Idempotency-Key"):
        await _begin(stage, fingerprint="g")


async def test_keys_of_two_people_are_two_keys(stage: Stage) -> None:
    await _begin(stage)
    assert (await _begin(stage, "two", identity="bob@local")).state == "new"


async def test_a_key_that_was_given_back_is_new(stage: Stage) -> None:
    await _begin(stage)
    await _end(stage, None)
    assert (await _begin(stage, "two", fingerprint="g")).state == "new"


async def test_the_key_of_a_holder_that_died_is_taken_over(stage: Stage) -> None:
    await _begin(stage, lease_s=-1)
    assert (await _begin(stage, "two")).state == "new"
    await _end(stage, holder="one")
    assert (await _begin(stage, "three")).state == "running"


async def test_after_a_day_the_key_is_new(stage: Stage) -> None:
    await _begin(stage)
    await _end(stage)
    old = {"created_at": datetime.now(UTC) - timedelta(hours=25)}
    await stage.database.idempotency_keys.update_many({}, {"$set": old})
    assert (await _begin(stage, "two", fingerprint="g")).state == "new"
