from __future__ import annotations

import asyncio
import datetime
from typing import Any

import numpy as np
import pytest
from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway, Trouble

from dlhub_client import AsyncDLHubClient
from dlhub_client.errors import (
    Cancelled,
    ConnectionFailed,
    DeadlineExceeded,
    InputMismatch,
    Internal,
    Malformed,
    NotAHub,
    NotFound,
    Overloaded,
    ServableFailed,
    Unauthenticated,
    Unavailable,
)
from dlhub_client.models import Progress
from dlhub_client.retry import RetryPolicy
from proto_msgs.codec import EncodeError


async def test_run_gives_the_output(hub: AsyncDLHubClient) -> None:
    assert await hub.run("ada/double", 21) == 42


async def test_arrays_and_times_travel_both_ways(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.models["ada/echo"] = lambda inputs, _: inputs
    when = datetime.datetime(2026, 11, 3, tzinfo=datetime.UTC)
    output = await hub.run("ada/echo", {"x": np.arange(6.0).reshape(2, 3), "when": when})
    assert output["when"] == when
    np.testing.assert_array_equal(output["x"], np.arange(6.0).reshape(2, 3))


async def test_an_input_larger_than_a_megabyte_travels(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.models["ada/sum"] = lambda inputs, _: float(inputs.sum())
    assert await hub.run("ada/sum", np.ones(300_000)) == 300_000


async def test_parameters_method_and_timeout_are_sent(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.models["ada/double:scale"] = lambda inputs, parameters: inputs * parameters["by"]
    assert await hub.run("ada/double@3", 2, {"by": 5}, timeout_s=7, method="scale") == 10
    (seen,) = gateway.posts("/servables/ada/double@3/methods/scale/run")
    assert seen.value == {"inputs": 2, "parameters": {"by": 5}, "timeout_s": 7}


async def test_the_names_of_wanted_outputs_are_sent(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    await hub.run("ada/double", 2, outputs=["mean"])
    await hub.map("ada/double", [2], outputs=["mean"])
    assert gateway.posts("/servables/ada/double/run")[0].value == {"inputs": 2, "outputs": ["mean"]}
    assert gateway.posts("/servables/ada/double/map")[0].value["outputs"] == ["mean"]


async def test_a_wish_for_a_fresh_run_is_sent(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    await hub.run("ada/double", 2, fresh=True)
    await hub.run_json("ada/double", 2, fresh=True)
    await hub.run_async("ada/double", 2, fresh=True)
    await hub.map("ada/double", [2], fresh=True)
    assert [seen.value["fresh"] for seen in gateway.posts("/servables/ada/double/run")] == [True] * 3
    assert gateway.posts("/servables/ada/double/map")[0].value["fresh"] is True


async def test_debug_gives_the_metadata_too(hub: AsyncDLHubClient) -> None:
    assert await hub.run("ada/double", 1, debug=True) == (2, {"run_id": "r", "site": "here"})


async def test_a_failing_model_raises_with_its_traceback(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    def fail(_: Any, __: Any) -> Any:
        raise ServableFailed("ValueError: no", details={"type": "ValueError", "traceback": "File model.py"})

    gateway.models["ada/bad"] = fail
    with pytest.raises(ServableFailed, match=r"(?s)ValueError: no.*File model\.py") as caught:
        await hub.run("ada/bad", 1)
    assert caught.value.details["type"] == "ValueError"


async def test_an_input_that_cannot_travel_names_its_path(hub: AsyncDLHubClient) -> None:
    with pytest.raises(EncodeError, match="inputs"):
        await hub.run("ada/double", {"a": object()})


@pytest.mark.parametrize("name", ["double", "ada/", "/double", "a/b/c", "ada/double@"])
async def test_what_is_no_name_is_refused_here(hub: AsyncDLHubClient, name: str) -> None:
    with pytest.raises(Malformed, match="owner/name"):
        await hub.run(name, 1)


async def test_servables_run_one_after_another(hub: AsyncDLHubClient) -> None:
    assert await hub.run_serial(["ada/double", "ada/double"], 1) == 4
    with pytest.raises(Malformed, match="list"):
        await hub.run_serial("ada/double", 1)


# --- trying again ---


async def test_a_task_whose_answer_was_lost_is_created_once(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    gateway.troubles.append(Trouble(after_work=True))
    handle = await hub.run_async("ada/double", 1)
    first, second = gateway.posts("/servables/ada/double/run")
    assert first.key == second.key is not None
    assert list(gateway.tasks) == [handle.task_id]


async def test_a_long_run_is_done_once_too(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    await hub.run("ada/double", 1, timeout_s=600)
    await hub.run("ada/double", 1, timeout_s=600)
    first, second = gateway.posts("/servables/ada/double/run")
    assert None is not first.key != second.key is not None


async def test_a_quick_run_is_tried_again_without_a_key(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble(after_work=True))
    assert await hub.run("ada/double", 1) == 2
    assert [seen.key for seen in gateway.posts("/servables/ada/double/run")] == [None, None]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_full_or_absent_hub_is_tried_again(
    hub: AsyncDLHubClient, gateway: FakeGateway, status: int
) -> None:
    gateway.troubles.extend([Trouble(status), Trouble(status)])
    assert await hub.run("ada/double", 2) == 4
    assert len({seen.key for seen in gateway.posts("/servables/ada/double/run")}) == 1


async def test_retry_after_is_honoured(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble(503, retry_after_s="1"))
    started = asyncio.get_running_loop().time()
    await hub.run("ada/double", 2)
    assert asyncio.get_running_loop().time() - started >= 1


async def test_tries_are_bounded(gateway: FakeGateway) -> None:
    gateway.troubles.extend(Trouble(429, body=b'{"code": "overloaded", "detail": "full"}') for _ in range(9))
    policy = RetryPolicy(attempts=3, first_delay_s=0.01)
    async with AsyncDLHubClient(gateway.url, TOKEN, retry=policy) as hub:
        with pytest.raises(Overloaded, match="full"):
            await hub.run("ada/double", 1)
    assert len(gateway.seen) == 3


async def test_more_patience_than_is_sensible_is_not_shown(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    gateway.troubles.append(Trouble(503, retry_after_s="3600"))
    with pytest.raises(Unavailable) as caught:
        await hub.run("ada/double", 1)
    assert caught.value.retry_after_s == 3600
    assert len(gateway.seen) == 1


async def test_an_error_that_will_stay_is_not_tried_again(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    with pytest.raises(NotFound, match="ada/none"):
        await hub.describe_servable("ada/none")
    assert len(gateway.seen) == 1


async def test_an_unfinished_first_try_is_waited_for(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    body = b'{"code": "conflict", "detail": "the first request with this key is at work"}'
    gateway.troubles.append(Trouble(409, retry_after_s="0", body=body))
    assert await hub.run("ada/double", 1) == 2


async def test_nobody_there_says_where_and_what_to_do() -> None:
    async with AsyncDLHubClient("http://127.0.0.1:9", "t", retry=RetryPolicy(attempts=1)) as hub:
        with pytest.raises(ConnectionFailed, match=r"http://127\.0\.0\.1:9/api/v1/whoami.*dlhub up"):
            await hub.whoami()


async def test_an_answer_that_does_not_come_ends_at_the_deadline(
    hub: AsyncDLHubClient, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlhub_client.run_requests.MARGIN_S", 0.1)
    gateway.troubles.extend(Trouble(503, retry_after_s="5") for _ in range(5))
    with pytest.raises(Unavailable):
        await hub.run("ada/double", 1, timeout_s=0.2)
    gateway.troubles.clear()
    monkeypatch.setattr("dlhub_client.connection.CONNECT_TIMEOUT_S", 5)
    gateway.tasks["t9"] = {"id": "t9", "status": "queued", "asked": {}, "name": ""}
    monkeypatch.setattr("dlhub_client.tasks._GRACE_S", -0.5)
    with pytest.raises(DeadlineExceeded, match=r"0\.5 s"):
        await hub.get_task_status("t9", wait_s=1)


async def test_a_web_page_is_no_hub(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble(200, body=b"<html>", content_type="text/html"))
    with pytest.raises(NotAHub, match="text/html"):
        await hub.whoami()


async def test_a_page_of_a_proxy_is_shown(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble(404, body=b"nginx", content_type="text/html"))
    with pytest.raises(NotAHub, match="nginx"):
        await hub.whoami()


async def test_a_missing_token_is_explained(gateway: FakeGateway) -> None:
    async with AsyncDLHubClient(gateway.url) as hub:
        with pytest.raises(Unauthenticated, match="DLHUB_TOKEN"):
            await hub.whoami()


# --- tasks ---


async def test_a_handle_waits_for_the_result(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    handle = await hub.run("ada/double", 4, asynchronous=True)
    waiting = asyncio.ensure_future(handle.result(10))
    gateway.finish.set()
    assert await waiting == 8
    assert (await hub.get_task_status(handle.task_id))["status"] == "succeeded"
    assert await hub.get_result(handle.task_id, verbose=True) == (8, {"site": "here"})


async def test_progress_is_told_in_items(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.steps.extend((2, 7, 10))
    heard: list[Progress] = []
    handle = await hub.run_async("ada/double", 4)
    assert await handle.result(on_progress=heard.append) == 8
    assert [(step.stage, step.done, step.total) for step in heard] == [
        ("run", 2, 10), ("run", 7, 10), ("run", 10, 10),
    ]  # fmt: skip


async def test_a_run_with_progress_is_a_task(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.steps.extend((2, 10))
    heard: list[Progress] = []
    output, metadata = await hub.run("ada/double", 4, debug=True, on_progress=heard.append)
    assert (output, metadata["site"]) == (8, "here")
    assert [step.done for step in heard] == [2, 10]
    assert gateway.posts("/servables/ada/double/run")[0].headers["Prefer"] == "respond-async"


async def test_a_single_run_has_no_progress_to_tell(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.finish.set()
    heard: list[Progress] = []
    assert await hub.run("ada/double", 4, on_progress=heard.append) == 8
    assert heard == []


async def test_a_cancelled_task_raises_cancelled(hub: AsyncDLHubClient) -> None:
    handle = await hub.run_async("ada/double", 4)
    assert await handle.cancel()
    with pytest.raises(Cancelled, match=handle.task_id):
        await handle.result(10)


async def test_a_finished_task_is_not_cancelled(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    handle = await hub.run_async("ada/double", 4)
    gateway.finish.set()
    await handle.result(10)
    assert not await hub.cancel(handle.task_id)
    (asked,) = [seen for seen in gateway.seen if seen.method == "DELETE"]
    assert asked.query == {"only": "cancel"}  # without it, the result would be thrown away


async def test_more_tasks_than_polls_all_come_back(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    handles = [await hub.run_async("ada/double", number) for number in range(70)]
    gateway.finish.set()
    assert await asyncio.gather(*(handle.result(30) for handle in handles)) == list(range(0, 140, 2))


async def test_a_map_that_was_a_task_gives_outputs_and_errors(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    outcomes = [{"output": 1}, {"error": {"code": "servable_failed", "detail": "no"}}]
    gateway.tasks["t1"] = {"id": "t1", "status": "succeeded", "outcomes": outcomes}
    first, second = await hub.get_result("t1")
    assert first == 1
    assert isinstance(second, ServableFailed)


@pytest.mark.parametrize(
    ("status", "kind"), [("expired", DeadlineExceeded), ("cancelled", Cancelled), ("failed", Internal)]
)
async def test_a_task_without_output_or_error_still_raises(
    hub: AsyncDLHubClient, gateway: FakeGateway, status: str, kind: type[Exception]
) -> None:
    gateway.tasks["t1"] = {"id": "t1", "status": status}
    with pytest.raises(kind, match="t1"):
        await hub.get_result("t1")


# --- the catalogue ---


async def test_servables_are_listed_over_all_pages(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.items["/servables"] = [{"name": f"ada/m{number}"} for number in range(250)]
    assert await hub.list_servables() == [f"ada/m{number}" for number in range(250)]


async def test_search_sends_the_criteria_and_stops_at_the_limit(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    gateway.items["/servables"] = [{"name": f"ada/m{number}"} for number in range(250)]
    found = await hub.search("oxide", owner="ada", type="Scikit-learn estimator", limit=3)
    assert len(found) == 3
    expected = {"q": "oxide", "owner": "ada", "type": "Scikit-learn estimator", "limit": "3"}
    assert gateway.seen[-1].query == expected


async def test_methods_are_described_without_internals(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    run = {"input": {"type": "float"}, "output": {"type": "float"}, "method_details": {"module": "m"}}
    gateway.describe["ada/m"] = {"description": {"servable": {"methods": {"run": run}}}}
    assert await hub.describe_methods("ada/m", "run") == {
        "input": {"type": "float"},
        "output": {"type": "float"},
    }
    assert list(await hub.describe_methods("ada/m")) == ["run"]
    with pytest.raises(NotFound, match="it has: run"):
        await hub.describe_methods("ada/m", "train")


async def test_the_quiet_calls_reach_their_paths(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    for path in ("/sites", "/dead-letters", "/tokens", "/builds", "/tasks"):
        gateway.items[path] = [{"path": path}]
    assert await hub.get_username() == "ada"
    assert (await hub.sites())[0]["path"] == "/sites"
    assert (await hub.dead_letters())[0]["path"] == "/dead-letters"
    assert (await hub.list_tokens())[0]["path"] == "/tokens"
    assert (await hub.builds())[0]["path"] == "/builds"
    assert (await hub.list_tasks())[0]["path"] == "/tasks"
    gateway.documents["/servables/a/b/logs"] = {"replicas": [], "unanswered": []}
    assert (await hub.logs("a/b"))["replicas"] == []
    assert (await hub.create_token(user="bob", label="x"))["token"] == "dlh_new"
    assert await hub.put_deployments("a/b", [{"min_replicas": 1}]) == [{"min_replicas": 1}]
    await hub.requeue_dead_letter("l1")
    await hub.revoke_token("t1")
    await hub.cancel_build("b1")
    assert [seen.path for seen in gateway.seen[-2:]] == ["/api/v1/tokens/t1", "/api/v1/builds/b1"]


INEXACT = {"path": "inputs[1]", "came": "int", "became": "float", "times": 2, "loses_digits": True}


async def test_a_check_tells_what_a_run_would_change(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.coercions = [INEXACT]
    found = await hub.check("ada/double@3", [0.5, 2**60], {"by": 2}, "scale", ["mean"])
    (seen,) = gateway.posts("/servables/ada/double@3/methods/scale/check")
    assert seen.value == {"inputs": [0.5, 2**60], "parameters": {"by": 2}, "outputs": ["mean"]}
    assert (found.version, found.method) == (3, "scale")
    assert [str(one) for one in found.coercions] == [
        "inputs[1]: int became float, which loses digits (2 times)"
    ]


async def test_a_check_refuses_as_a_run_does(hub: AsyncDLHubClient) -> None:
    with pytest.raises(InputMismatch, match="inputs: declared as float"):
        await hub.check("ada/double", "bad")


async def test_what_is_no_answer_to_a_check_is_told(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.coercions = [{"where": "inputs"}]
    with pytest.raises(NotAHub, match="does not say what a run would change"):
        await hub.check("ada/double", 1)


async def test_access_lists_are_changed_one_by_one(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    changed = await hub.set_access("ada/double", ["bob@local"])
    assert changed["visible_to"] == ["bob@local"]
    await hub.set_access("ada/double", runnable_by="public")
    first, second = gateway.seen[-2:]
    assert (first.method, first.path) == ("PATCH", "/api/v1/servables/ada/double")
    assert (first.value, second.value) == ({"visible_to": ["bob@local"]}, {"runnable_by": ["public"]})


async def test_a_hub_that_is_not_ready_says_what_is_missing(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    missing = b'{"status": "not ready", "missing": ["no site", "a builder does not answer"]}'
    gateway.troubles.extend(Trouble(503, body=missing, content_type="application/json") for _ in range(6))
    with pytest.raises(Unavailable, match="no site; a builder does not answer"):
        await hub.health()


async def test_what_a_proxy_says_is_tried_again(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble(502, body=b"Bad Gateway", content_type="text/plain"))
    gateway.troubles.append(Trouble(503, retry_after_s="Wed, 21 Oct 2026 07:28:00 GMT"))
    assert await hub.get_username() == "ada"


async def test_broken_bytes_are_no_hub(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.troubles.append(Trouble(200, body=b"\xc1", content_type="application/msgpack"))
    with pytest.raises(NotAHub, match="cannot be read"):
        await hub.whoami()
