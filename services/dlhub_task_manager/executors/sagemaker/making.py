"""Executors of Amazon SageMaker from what the site file says; and what is left of earlier ones."""

from __future__ import annotations

import json

from dlhub_task_manager.executors.elsewhere.choice import Needs, Yard
from dlhub_task_manager.executors.sagemaker import resources
from dlhub_task_manager.executors.sagemaker.aws import connected
from dlhub_task_manager.executors.sagemaker.resources import Wanted
from dlhub_task_manager.executors.sagemaker.service import Endpoint, SageMaker
from dlhub_task_manager.site_file import SageMakerTable
from proto_msgs.errors import Unavailable
from proto_msgs.servables import VersionRecord


async def make(needs: Needs) -> SageMaker:
    """The service for one version. Raises Unavailable."""
    table = _table(needs.yard)
    version, marks = needs.version, needs.yard.marks
    description = json.loads(version.description.model_dump_json())
    if existing := table.endpoints.get(version.servable):
        return SageMaker(Endpoint(name=existing, wanted=None), description, table, lambda: None)
    wanted = _wanted(version, table, needs.yard.site.name)
    name = marks.take(needs.label)
    endpoint = Endpoint(name=name, wanted=wanted)
    return SageMaker(endpoint, description, table, lambda: marks.give_back(name))


async def sweep(yard: Yard) -> list[str]:
    """Remove what is ours and nobody looks after; its names. Raises Unavailable."""
    removed, refused = [], []
    async with connected(_table(yard)) as clients:
        found = {name async for name in resources.names(clients.control, yard.marks.prefix)}
        for name in sorted(filter(yard.marks.is_left, found)):
            try:
                await resources.remove(clients.control, name)
                removed.append(name)
            except Unavailable as error:
                refused.append(str(error))
    if refused:
        raise Unavailable("; ".join(refused))
    return removed


def _table(yard: Yard) -> SageMakerTable:
    table = yard.site.sagemaker
    if table is None:
        raise Unavailable(
            f"the site {yard.site.name} has no SageMaker: its site file has no table [sagemaker]"
        )
    return table


def _wanted(version: VersionRecord, table: SageMakerTable, site: str) -> Wanted:
    """What an endpoint of a version is made from. Raises Unavailable when something of it is missing."""
    label = f"{version.servable}@{version.number}"
    if table.role_arn is None:
        raise Unavailable(
            f"no endpoint can be made for {label}: the site file has no sagemaker.role_arn, the role that "
            "its container runs with"
        )
    return Wanted(
        image=_image(version, table),
        role_arn=table.role_arn,
        instance_type=table.instance_type,
        tags={"dlhub:servable": version.servable, "dlhub:version": version.version_id, "dlhub:site": site},
    )


def _image(version: VersionRecord, table: SageMakerTable) -> str:
    environment = version.environment
    if environment is not None and environment.image is not None:
        return environment.image
    named = table.images.get(version.servable)
    if named is not None:
        return named
    found = f"its environment is of kind {environment.kind!r}" if environment else "it has no environment"
    raise Unavailable(
        f"SageMaker runs container images, and {version.servable}@{version.number} has none: {found}. Build "
        f'it as an image, or name one in the site file: sagemaker.images."{version.servable}"'
    )
