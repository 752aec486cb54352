"""The same POST twice, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack, until
from unit.dlhub_gateway.records import version

from proto_msgs.errors import Overloaded, Unavailable
from proto_msgs.idempotency import BeginKey, EndKey
from proto_msgs.servables import ResolveVersion

RUN = "/api/v1/servables/ada/noop/run"
KEY = {"Idempotency-Key": "k1"}
ASYNC = {"Prefer": "respond-async"}


async def post(stack: Stack, body: Any, headers: dict[str, str], path: str = RUN) -> tuple[int, Any, Any]:
    async with stack.http.post(stack.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def test_the_same_request_is_done_once(stack: Stack) -> None:
    first = await post(stack, {"inputs": "x"}, KEY)
    second = await post(stack, {"inputs": "x"}, KEY)

    assert first[:2] == second[:2]
    assert len(stack.site.batches) == 1
    assert "Idempotency-Replayed" not in first[2]
    assert second[2]["Idempotency-Replayed"] == "true"
    assert second[2]["Content-Type"] == "application/json"


async def test_a_repeated_task_has_the_same_address(stack: Stack) -> None:
    first = await post(stack, {"inputs": "x"}, KEY | ASYNC)
    second = await post(stack, {"inputs": "x"}, KEY | ASYNC)

    assert (first[0], second[0]) == (202, 202)
    assert first[2]["Location"] == second[2]["Location"]
    assert second[2]["Preference-Applied"] == "respond-async"
    assert len(stack.catalog.tasks) == 1


async def test_another_body_with_the_same_key_is_a_conflict(stack: Stack) -> None:
    await post(stack, {"inputs": "x"}, KEY)
    status, problem, _ = await post(stack, {"inputs": "y"}, KEY)
    assert (status, problem["code"]) == (409, "conflict")


async def test_another_path_with_the_same_key_is_a_conflict(stack: Stack) -> None:
    await post(stack, {"inputs": "x"}, KEY)
    path = "/api/v1/servables/ada/noop@1/run"
    assert (await post(stack, {"inputs": "x"}, KEY, path))[0] == 409


async def test_keys_belong_to_one_person(stack: Stack) -> None:
    await post(stack, {"inputs": "x"}, KEY)
    assert (await post(stack, {"inputs": "y"}, KEY | stack.as_person("bob")))[0] == 200


async def test_an_error_of_the_caller_is_given_again(stack: Stack) -> None:
    first = await post(stack, {"inputs": 1}, KEY)
    second = await post(stack, {"inputs": 1}, KEY)

    assert (first[0], first[1]) == (second[0], second[1])
    assert first[0] == 422
    assert second[2]["Content-Type"] == "application/problem+json"


async def test_an_error_that_a_retry_may_better_gives_the_key_back(stack: Stack) -> None:
    stack.catalog.fail[ResolveVersion] = Overloaded("busy", retry_after_s=1)
    assert (await post(stack, {"inputs": "x"}, KEY))[0] == 429
    stack.catalog.fail.clear()

    assert (await post(stack, {"inputs": "x"}, KEY))[0] == 200


async def test_concurrent_requests_share_one_run(stack: Stack) -> None:
    stack.site.answering.clear()
    both = [asyncio.ensure_future(post(stack, {"inputs": "x"}, KEY)) for _ in range(2)]
    await until(lambda: len(stack.site.batches) == 1)
    stack.site.answering.set()

    first, second = await asyncio.gather(*both)

    assert first[1] == second[1]
    assert len(stack.site.batches) == 1
    assert [("Idempotency-Replayed" in answer[2]) for answer in (first, second)].count(True) == 1


async def test_a_concurrent_request_with_another_body_is_a_conflict(stack: Stack) -> None:
    stack.site.answering.clear()
    first = asyncio.ensure_future(post(stack, {"inputs": "x"}, KEY))
    await until(lambda: len(stack.site.batches) == 1)

    assert (await post(stack, {"inputs": "y"}, KEY))[0] == 409

    stack.site.answering.set()
    assert (await first)[0] == 200


async def test_a_key_held_elsewhere_is_waited_for(stack: Stack) -> None:
    await post(stack, {"inputs": "x"}, {"Idempotency-Key": "other"})
    mark = stack.catalog.keys[("ada@local", "other")].fingerprint
    elsewhere = BeginKey(
        identity="ada@local", idempotency_key="k1", fingerprint=mark, holder="another gateway", lease_s=30
    )
    stack.catalog.keys[("ada@local", "k1")] = elsewhere
    waiting = asyncio.ensure_future(post(stack, {"inputs": "x"}, KEY))
    await until(lambda: stack.catalog.asked["BeginKey"] >= 3)

    stack.catalog.responses[("ada@local", "k1")] = stack.catalog.responses[("ada@local", "other")]

    assert (await waiting)[2]["Idempotency-Replayed"] == "true"
    assert len(stack.site.batches) == 1


async def test_waiting_for_a_key_ends(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.idempotency.WAIT_S", 0.1)
    await post(stack, {"inputs": "x"}, {"Idempotency-Key": "other"})
    stack.catalog.keys[("ada@local", "k1")] = stack.catalog.keys[("ada@local", "other")].model_copy(
        update={"holder": "another gateway"}
    )
    status, problem, headers = await post(stack, {"inputs": "x"}, KEY)
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "still under way" in problem["detail"]


async def test_a_long_request_keeps_its_key(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.idempotency.RENEW_S", 0.01)
    stack.site.answering.clear()
    waiting = asyncio.ensure_future(post(stack, {"inputs": "x"}, KEY))

    await until(lambda: stack.catalog.asked["BeginKey"] >= 3)

    holders = {request.holder for request in stack.catalog.requests if isinstance(request, BeginKey)}
    assert len(holders) == 1
    stack.site.answering.set()
    assert (await waiting)[0] == 200


async def test_a_large_answer_is_kept_as_a_blob(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.idempotency.INLINE_BYTES", 10)

    first = await post(stack, {"inputs": "x"}, KEY)
    second = await post(stack, {"inputs": "x"}, KEY)

    assert first[1] == second[1]
    assert stack.catalog.responses[("ada@local", "k1")].blob is not None


async def test_an_answer_that_cannot_be_kept_is_given_nevertheless(stack: Stack) -> None:
    stack.catalog.fail[EndKey] = Unavailable("no database")
    assert (await post(stack, {"inputs": "x"}, KEY))[0] == 200


async def test_a_fault_gives_the_key_back(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    stack.hub.runs.admit = broken  # type: ignore[method-assign] # a bug in the gateway
    status, problem, _ = await post(stack, {"inputs": "x"}, KEY)
    del stack.hub.runs.admit

    assert (status, problem["code"]) == (500, "internal")
    assert "a bug" in caplog.text
    assert "a bug" not in str(problem)
    assert (await post(stack, {"inputs": "x"}, KEY))[0] == 200


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_bounded_length(stack: Stack, key: str) -> None:
    status, problem, _ = await post(stack, {"inputs": "x"}, {"Idempotency-Key": key})
    assert status == 400
    assert "1 to 255" in problem["detail"]


async def test_a_new_version_does_not_change_a_given_answer(stack: Stack) -> None:
    first = await post(stack, {"inputs": "x"}, KEY)
    stack.catalog.add(version("noop", 2))
    assert (await post(stack, {"inputs": "x"}, KEY))[1] == first[1]


async def test_a_token_is_shown_again_and_stored_nowhere(stack: Stack) -> None:
    path = "/api/v1/tokens"
    first = await post(stack, {"label": "laptop"}, KEY, path)
    second = await post(stack, {"label": "laptop"}, KEY, path)

    token = first[1]["token"]
    assert second[1]["token"] == token
    assert second[2]["Idempotency-Replayed"] == "true"
    assert stack.catalog.responses[("ada@local", "k1")].body == b""
    assert token not in repr(stack.catalog.requests)
    other = await post(stack, {"label": "laptop"}, {"Idempotency-Key": "k2"}, path)
    assert other[1]["token"] != token
    await stack.json("GET", "/api/v1/whoami", headers=stack.as_person(token))
