"""Executors on Amazon SageMaker, for tests: moto's server behind a front that keeps what is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
from doubles.aws import Front
from elsewhere_stage import ARRAY, IMAGE, ROLE, described, executing, yard

from dlhub_task_manager.site_file import SageMakerTable
from proto_msgs.servables import VersionRecord

METHODS = {"run": {"input": ARRAY, "output": ARRAY}}
DESCRIPTION = described(METHODS, "Keras Model")
TABLE: dict[str, Any] = {"region": "eu-central-1", "role_arn": ROLE, "images": {"ada/test": IMAGE}}


def table(aws: Front, **more: Any) -> SageMakerTable:
    return SageMakerTable(**{**TABLE, "endpoint_url": aws.url, **more})


def serving(folder: Path, aws: Front, record: VersionRecord | None = None, **more: Any) -> Any:
    """An executor of a version on SageMaker."""
    site = yard(folder, sagemaker=table(aws, **more))
    return executing("sagemaker", folder, site, DESCRIPTION, record)


async def there(aws: Front) -> dict[str, list[dict[str, Any]]]:
    """What AWS has: descriptions of models, endpoint configurations and endpoints."""
    found = {}
    for kind in ("Model", "EndpointConfig", "Endpoint"):
        async with aiohttp.ClientSession() as session:
            listed = (await _ask(session, aws, f"List{kind}s", {}))[f"{kind}s"]
            names = [{f"{kind}Name": item[f"{kind}Name"]} for item in listed]
            found[kind] = [await _ask(session, aws, f"Describe{kind}", name) for name in names]
    return found


async def _ask(session: aiohttp.ClientSession, aws: Front, operation: str, body: Any) -> Any:
    credential = "Credential=x/20261101/eu-central-1/sagemaker/aws4_request, SignedHeaders=host, Signature=x"
    headers = {
        "X-Amz-Target": f"SageMaker.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 {credential}",
    }
    async with session.post(aws.moto, headers=headers, data=json.dumps(body)) as answer:
        return json.loads(await answer.read())


async def nothing(aws: Front) -> bool:
    return not any((await there(aws)).values())


async def queue(aws: Front, *bodies: Any) -> None:
    """Have moto answer calls with these, one after the other."""
    results = [{"Body": json.dumps(body), "ContentType": "application/json"} for body in bodies]
    async with aiohttp.ClientSession() as session:
        url = f"{aws.moto}/moto-api/static/sagemaker/endpoint-results"
        async with session.post(url, json={"region": "eu-central-1", "results": results}) as answer:
            assert answer.status == 201
