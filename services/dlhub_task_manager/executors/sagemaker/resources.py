"""What one version takes up in SageMaker: a model, an endpoint configuration, an endpoint, of one name."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from dlhub_task_manager.executors.elsewhere.service import Gone
from dlhub_task_manager.executors.sagemaker.aws import told

_LISTS = (
    ("list_endpoints", "Endpoints", "EndpointName"),
    ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ("list_models", "Models", "ModelName"),
)
_SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
VARIANT = "dlhub"
"""Name of the only production variant of our endpoints."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What an endpoint is made from."""

    image: str
    role_arn: str
    instance_type: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """How an endpoint is, in SageMaker's words."""

    state: str
    reason: str
    """Why it failed, where it did."""

    @property
    def serves(self) -> bool:
        """Whether it answers calls; while it changes its size it does."""
        return self.state in _SERVING

    @property
    def hopeless(self) -> bool:
        """Whether it will never answer calls."""
        return self.state in ("Failed", "OutOfService", "Deleting")


async def create(control: Any, name: str, wanted: Wanted, instances: int) -> None:
    """Begin to make an endpoint. Raises Unavailable; whatever was made by then is for `remove`."""
    tags = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
    with told(f"SageMaker does not make the endpoint {name}"):
        await control.create_model(
            ModelName=name,
            PrimaryContainer={"Image": wanted.image},
            ExecutionRoleArn=wanted.role_arn,
            Tags=tags,
        )
        variant = {
            "VariantName": VARIANT,
            "ModelName": name,
            "InstanceType": wanted.instance_type,
            "InitialInstanceCount": instances,
        }
        await control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
        await control.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)


async def status(control: Any, name: str) -> EndpointStatus:
    """Raises Gone when there is no such endpoint, Unavailable."""
    with told(f"the endpoint {name} cannot be seen"):
        found = await control.describe_endpoint(EndpointName=name)
    return EndpointStatus(str(found["EndpointStatus"]), str(found.get("FailureReason") or ""))


async def set_instances(control: Any, name: str, instances: int) -> None:
    """Begin to change an endpoint's size. Raises Gone, Unavailable."""
    with told(f"the endpoint {name} cannot get {instances} instances"):
        await control.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": VARIANT, "DesiredInstanceCount": instances}],
        )


async def remove(control: Any, name: str) -> None:
    """Remove all that has this name; what is not there is no error.

    Raises Unavailable while the endpoint is being made or changed: SageMaker deletes none then, and what it
    is made from must stay as long.
    """
    await _delete(control.delete_endpoint, EndpointName=name)
    await _delete(control.delete_endpoint_config, EndpointConfigName=name)
    await _delete(control.delete_model, ModelName=name)


async def _delete(delete: Any, **named: str) -> None:
    with contextlib.suppress(Gone), told(f"SageMaker does not delete {next(iter(named.values()))}"):
        await delete(**named)


async def names(control: Any, prefix: str) -> AsyncIterator[str]:
    """Names of all endpoints, configurations and models that have `prefix` in them. Raises Unavailable."""
    for operation, items, key in _LISTS:
        with told("SageMaker's resources cannot be listed"):
            async for page in control.get_paginator(operation).paginate(NameContains=prefix):
                for item in page[items]:
                    yield item[key]
