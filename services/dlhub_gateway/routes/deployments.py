"""Where and how a servable is served, and what its replicas print: for its maintainers."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlhub_gateway.auth import Scope
from dlhub_gateway.endpoint import guarded, malformed, query_int
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import answer_form, decode, is_json
from proto_msgs.errors import DLHubError, Malformed
from proto_msgs.identity import Principal
from proto_msgs.sites import Deployment, GetDeployments, GetReplicaLogs, PutDeployments, ReplicaLogs

MAX_DEPLOYMENTS = 100


class WantedDeployments(BaseModel):
    """Body of PUT .../deployments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployments: tuple[Deployment, ...] = Field(max_length=MAX_DEPLOYMENTS)


def routes(hub: Hub) -> list[web.RouteDef]:
    base = "/api/v1/servables/{owner}/{name}"
    return [
        web.get(f"{base}/deployments", guarded(hub, get_deployments)),
        web.put(f"{base}/deployments", guarded(hub, put_deployments, Scope.PUBLISH)),
        web.get(f"{base}/logs", guarded(hub, logs)),
    ]


async def get_deployments(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    match = request.match_info
    found = await hub.directory.maintained(caller, match["owner"], match["name"])
    deployments = await hub.ask(GetDeployments(servable=found.record.servable))
    form = answer_form(request)
    return form.response(form.plain(deployments.model_dump(mode="json")))


async def put_deployments(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    match = request.match_info
    found = await hub.directory.maintained(caller, match["owner"], match["name"])
    if found.steps:
        raise Malformed(
            f"{found.record.servable} is a pipeline, which the hub itself runs: there is nothing to deploy; "
            "deploy the servables that are its steps"
        )
    value = decode(await request.read(), is_json(request.headers.get("Content-Type")))
    wanted = read_deployments(value)
    deployments = await hub.ask(PutDeployments(servable=found.record.servable, deployments=wanted))
    form = answer_form(request)
    return form.response(form.plain(deployments.model_dump(mode="json")))


def read_deployments(value: Any) -> tuple[Deployment, ...]:
    """The checked deployments. Raises Malformed; a misspelt field is one reason."""
    try:
        wanted = WantedDeployments.model_validate(value).deployments
    except ValidationError as error:
        raise malformed(error, "the body") from error
    for index, (given, read) in enumerate(zip(value["deployments"], wanted, strict=True)):
        for name in given:
            if name not in Deployment.model_fields:
                known = ", ".join(Deployment.model_fields)
                raise Malformed(f"deployments.{index}.{name}: there is no such field; there are: {known}")
        if read.max_replicas is not None and read.max_replicas < read.min_replicas:
            raise Malformed(f"deployments.{index}: max_replicas is below min_replicas")
    return wanted


async def logs(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """What replicas printed, at every live site."""
    match = request.match_info
    found = await hub.directory.maintained(caller, match["owner"], match["name"])
    wanted = int(found.record.number) if "@" in match["name"] else None
    max_bytes = query_int(request, "max_bytes", 65_536, 1, 1_048_576)
    questions = [
        GetReplicaLogs(site=site, servable=found.record.servable, version=wanted, max_bytes=max_bytes)
        for site in hub.sites.names()
    ]
    answers = await asyncio.gather(*(_logs_of(hub, question) for question in questions))
    form = answer_form(request)
    return form.response(form.plain(_merged(answers)))


async def _logs_of(hub: Hub, question: GetReplicaLogs) -> ReplicaLogs | tuple[str, str]:
    try:
        return await hub.ask(question)
    except DLHubError as error:
        return question.site, error.message


def _merged(answers: list[ReplicaLogs | tuple[str, str]]) -> dict[str, Any]:
    """All replicas with their site; a site that did not answer is named."""
    replicas: list[dict[str, Any]] = []
    silent: list[dict[str, str]] = []
    for answer in answers:
        if isinstance(answer, ReplicaLogs):
            replicas += [{"site": answer.site, **replica.model_dump()} for replica in answer.replicas]
        else:
            silent.append({"site": answer[0], "detail": answer[1]})
    return {"replicas": replicas, "unanswered": silent}
