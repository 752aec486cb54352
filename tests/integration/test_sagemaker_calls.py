"""Calls of Amazon SageMaker's endpoints: what is sent, and what becomes of the answer.

moto answers with what a test has queued; where a test needs more, a front answers in its place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from doubles.aws import Front
from elsewhere_stage import ARRAY, described, executing, yard
from sagemaker_stage import queue, serving, table

from proto_msgs import codec

ROWS = ARRAY | {"shape": [None]}


async def test_a_call_is_sent_as_documented_and_its_answer_read(tmp_path: Path, aws: Front) -> None:
    async with serving(tmp_path, aws, body="json") as stand:
        replica_id, _ = await stand.replica()
        await queue(aws, [1.5, "NaN"])
        given = np.array([1, np.inf], "float32")
        ok, output, *_ = (await stand.answer(replica_id, "run", a=given))["a"]
        (name,) = [sent.json["EndpointName"] for sent in aws.of("CreateEndpoint")]
    (sent,) = aws.of("InvokeEndpoint")
    assert sent.path == f"/endpoints/{name}/invocations"
    assert sent.json == {"inputs": [1, "Infinity"], "parameters": {}}
    assert sent.headers["Content-Type"] == sent.headers["Accept"] == "application/json"
    assert sent.headers["X-Amzn-SageMaker-Custom-Attributes"] == "dlhub-method=run"
    assert "/eu-central-1/sagemaker/aws4_request" in sent.headers["Authorization"]
    assert ok
    output = np.asarray(output.numpy() if hasattr(output, "numpy") else output)
    assert output.dtype == np.float32
    assert np.array_equal(output, [1.5, np.nan], equal_nan=True)


async def test_by_default_a_call_is_the_codecs_bytes(tmp_path: Path, aws: Front) -> None:
    aws.functions = {"run": lambda x: 2 * x.numpy() if hasattr(x, "numpy") else 2 * x}
    async with serving(tmp_path, aws) as stand:
        replica_id, _ = await stand.replica()
        assert (await stand.answer(replica_id, "run", a=np.ones(3, "float32")))["a"][0]
    (sent,) = aws.of("InvokeEndpoint")
    assert sent.headers["Content-Type"] == "application/x-msgpack"
    assert set(codec.unpack(sent.body)) == {"inputs", "parameters"}


async def test_runs_of_a_vectorised_method_share_a_call(tmp_path: Path, aws: Front) -> None:
    methods = {"run": {"input": ROWS, "output": ROWS, "vectorised": True}}
    site = yard(tmp_path, sagemaker=table(aws, body="json"))
    async with executing("sagemaker", tmp_path, site, described(methods)) as stand:
        replica_id, _ = await stand.replica()
        await queue(aws, [2, 4, 6])
        outcomes = await stand.answer(replica_id, "run", a=np.array([1], "f4"), b=np.array([2, 3], "f4"))
    (sent,) = aws.of("InvokeEndpoint")
    assert sent.json["inputs"] == [1, 2, 3]
    outputs = [np.asarray(getattr(o[1], "numpy", lambda o=o: o[1])()).tolist() for o in outcomes.values()]
    assert outputs == [[2], [4, 6]]


@pytest.mark.parametrize(
    ("refusal", "code", "said"),
    [
        (("ThrottlingException", "Rate exceeded"), "unavailable", "Rate exceeded"),
        (("ValidationError", "Request body is too large"), "servable_failed", "too large"),
    ],
)
async def test_a_call_that_aws_refuses_says_why(
    tmp_path: Path, aws: Front, refusal: tuple[str, str], code: str, said: str
) -> None:
    async with serving(tmp_path, aws, body="json") as stand:
        replica_id, heard = await stand.replica()
        aws.refusals["InvokeEndpoint"] = refusal
        ok, why, *_ = (await stand.answer(replica_id, "run", a=np.ones(1, "float32")))["a"]
        assert (ok, why["code"]) == (False, code)
        assert said in why["message"]
        assert not heard.gone


async def test_an_endpoint_that_others_deleted_is_missed_by_a_call(tmp_path: Path, aws: Front) -> None:
    async with serving(tmp_path, aws, body="json") as stand:
        replica_id, heard = await stand.replica()
        aws.refusals["InvokeEndpoint"] = ("ValidationError", "Endpoint x of account 1 not found.")
        stand.send(replica_id, "run", a=np.ones(1, "float32"))
        await heard.until(lambda: heard.gone)
        assert not heard.outcomes


async def test_an_answer_that_is_no_output_is_the_models_failure(tmp_path: Path, aws: Front) -> None:
    async with serving(tmp_path, aws) as stand:
        replica_id, _ = await stand.replica()
        aws.functions = {}
        aws.refusals["InvokeEndpoint"] = ("ModelError", "odd")
        _, why, *_ = (await stand.answer(replica_id, "run", a=np.ones(1, "float32")))["a"]
        assert why["code"] == "servable_failed"
