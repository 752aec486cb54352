"""Endpoints of Amazon SageMaker: what is made, changed and removed, and what is there afterwards.

moto's server stands in for AWS: it keeps models, endpoint configurations and endpoints.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.aws import CREDENTIALS, Front
from elsewhere_stage import IMAGE, ROLE, executing, gone, version, yard
from sagemaker_stage import DESCRIPTION, nothing, queue, serving, table, there

from dlhub_task_manager.executors.elsewhere import choice
from dlhub_task_manager.executors.elsewhere.choice import sweep_forever
from dlhub_task_manager.executors.sagemaker.service import SageMaker
from proto_msgs.environment import Environment
from proto_msgs.errors import Unavailable

DENIED = ("AccessDeniedException", "User is not authorized to perform sagemaker:CreateEndpoint")


async def test_an_endpoint_is_made_from_the_versions_image_and_leaves_nothing_behind(
    tmp_path: Path, aws: Front
) -> None:
    environment = Environment(
        kind="venv", key="k", python="3.11", lock="", image=f"{IMAGE}-3", archive=version(DESCRIPTION).archive
    )
    record = version(DESCRIPTION).model_copy(update={"environment": environment})
    async with serving(tmp_path, aws, record, initial_instances=2, instance_type="ml.c5.xlarge") as stand:
        await stand.replica()
        found = await there(aws)
        (model,), (config,), (endpoint,) = found["Model"], found["EndpointConfig"], found["Endpoint"]
    name = model["ModelName"]
    assert (config["EndpointConfigName"], endpoint["EndpointName"]) == (name, name)
    assert model["PrimaryContainer"]["Image"] == f"{IMAGE}-3"
    assert model["ExecutionRoleArn"] == ROLE
    (variant,) = config["ProductionVariants"]
    assert (variant["ModelName"], variant["InitialInstanceCount"]) == (name, 2)
    assert variant["InstanceType"] == "ml.c5.xlarge"
    assert endpoint["EndpointConfigName"] == name
    tags = {tag["Key"]: tag["Value"] for tag in aws.of("CreateEndpoint")[0].json["Tags"]}
    assert tags == {"dlhub:servable": "ada/test", "dlhub:version": record.version_id, "dlhub:site": "lab"}
    assert await nothing(aws)


async def test_there_are_as_many_instances_as_replicas(tmp_path: Path, aws: Front) -> None:
    def wanted() -> list[int]:
        sent = [
            one.json["DesiredWeightsAndCapacities"] for one in aws.of("UpdateEndpointWeightsAndCapacities")
        ]
        assert all(variant["VariantName"] == "dlhub" for (variant,) in sent)
        return [variant["DesiredInstanceCount"] for (variant,) in sent]

    async with serving(tmp_path, aws) as stand:
        first, _ = await stand.replica()
        assert wanted() == []
        second, _ = await stand.replica()
        await stand.replica()
        assert wanted() == [2, 3]
        await asyncio.gather(stand.executor.end(first), stand.executor.end(second))
        await gone(lambda: wanted()[-1] != 1)
        (endpoint,) = (await there(aws))["Endpoint"]
        assert endpoint["ProductionVariants"][0]["DesiredInstanceCount"] == 1


async def test_a_replica_is_ready_when_the_endpoint_is_in_service(tmp_path: Path, aws: Front) -> None:
    aws.states = [{"EndpointStatus": "Creating"}] * 3 + [{"EndpointStatus": "InService"}]
    async with serving(tmp_path, aws) as stand:
        await stand.replica()
    assert len(aws.of("DescribeEndpoint")) >= 4


async def test_an_endpoint_that_failed_is_made_again_for_the_next_replica(tmp_path: Path, aws: Front) -> None:
    aws.states = [{"EndpointStatus": "Failed", "FailureReason": "no such image"}]
    async with serving(tmp_path, aws) as stand:
        replica_id = await stand.executor.launch(stand.listen)
        await stand.heard[replica_id].until(lambda: stand.heard[replica_id].why)
        assert "no such image" in stand.heard[replica_id].why["message"]
        await stand.executor.end(replica_id)
        aws.states = []
        await stand.replica()
    assert [len(aws.of(operation)) for operation in ("CreateEndpoint", "DeleteEndpoint")] == [2, 2]
    assert await nothing(aws)


async def test_what_was_made_before_a_refusal_is_removed(tmp_path: Path, aws: Front) -> None:
    aws.refusals["CreateEndpoint"] = DENIED
    async with serving(tmp_path, aws) as stand:
        with pytest.raises(Unavailable, match=f"{DENIED[0]}: {DENIED[1]}"):
            await stand.executor.launch(stand.listen)
        assert (await there(aws))["Model"]
    assert await nothing(aws)


async def test_what_a_crash_has_left_is_removed_at_the_next_start(
    tmp_path: Path, aws: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "SWEEP_S", 0.05)
    others = yard(tmp_path / "another hub", sagemaker=table(aws))
    async with (
        serving(tmp_path, aws) as crashed,
        executing("sagemaker", tmp_path / "another hub", others, DESCRIPTION) as theirs,
    ):
        await crashed.replica()
        await theirs.replica()
        aws.refusals["DeleteEndpoint"] = ("ValidationException", "Cannot update in-progress endpoint")
        restarted = yard(tmp_path, sagemaker=table(aws))
        sweeping = asyncio.ensure_future(sweep_forever(restarted))
        await gone(lambda: not aws.of("DeleteEndpoint"))
        assert len((await there(aws))["Model"]) == 2  # what an endpoint is made from stays as long as it does
        del aws.refusals["DeleteEndpoint"]
        await gone(lambda: len(aws.of("DeleteModel")) < 1)
        sweeping.cancel()
        (left,) = (await there(aws))["Endpoint"]
        assert left["EndpointName"].startswith(others.marks.prefix)


async def test_an_endpoint_that_is_there_already_is_called_and_left_alone(tmp_path: Path, aws: Front) -> None:
    async with serving(tmp_path / "owner", aws) as owner:
        await owner.replica()
        (name,) = [sent.json["EndpointName"] for sent in aws.of("CreateEndpoint")]
        made = len(aws.of("CreateEndpoint"))
        async with serving(
            tmp_path, aws, endpoints={"ada/test": name}, role_arn=None, images={}, body="json"
        ) as stand:
            replica_id, _ = await stand.replica()
            await stand.replica()
            await queue(aws, [1])
            assert (await stand.answer(replica_id, "run", a=np.ones(1, "float32")))["a"][0]
        assert len(aws.of("CreateEndpoint")) == made
        assert not aws.of("UpdateEndpointWeightsAndCapacities")
        assert not aws.of("DeleteEndpoint")
        assert (await there(aws))["Endpoint"]


async def test_an_endpoint_that_the_site_file_names_must_be_there(tmp_path: Path, aws: Front) -> None:
    async with serving(tmp_path, aws, endpoints={"ada/test": "nowhere"}) as stand:
        with pytest.raises(Unavailable, match=r"site file names an endpoint that is not there.*nowhere"):
            await stand.executor.launch(stand.listen)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"images": {}}, r"ada/test@3 has none: it has no environment.*sagemaker\.images"),
        ({"role_arn": None}, "no sagemaker.role_arn"),
    ],
)
async def test_what_is_missing_to_make_an_endpoint_is_named(
    tmp_path: Path, aws: Front, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with serving(tmp_path, aws, **more):
            pass
    with pytest.raises(Unavailable, match=said):
        raise raised.value.exceptions[0]


async def test_credentials_are_in_no_error_and_no_log(
    tmp_path: Path, aws: Front, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.refusals["CreateModel"] = (
        "SignatureDoesNotMatch",
        "The request signature does not match\nCanonical: x",
    )
    async with serving(tmp_path, aws) as stand:
        with pytest.raises(Unavailable) as raised:
            await stand.executor.launch(stand.listen)
    texts = [str(raised.value), *(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert not [text for text in texts if CREDENTIALS[name] in text]
    assert "Canonical" not in str(raised.value)


async def test_missing_credentials_are_named(
    tmp_path: Path, aws: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    async with serving(tmp_path, aws) as stand:
        with pytest.raises(Unavailable, match="Unable to locate credentials"):
            await stand.executor.launch(stand.listen)


async def test_an_endpoint_that_is_lost_is_noticed_without_a_call(
    tmp_path: Path, aws: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SageMaker, "look_s", 0.05)
    async with serving(tmp_path, aws) as stand:
        _, heard = await stand.replica()
        aws.states = [{"EndpointStatus": "OutOfService"}]
        await heard.until(lambda: heard.gone)
