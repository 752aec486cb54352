"""Figures for Prometheus, about this gateway and the other processes behind its port.

No token is needed, so nothing here names a user, a servable or a site. One question is answered for
all processes, whichever of them it reaches: each series carries the number of its process. They are
not added up here: a process that starts again starts at 0, which a sum would hide.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from aiohttp import web
from prometheus_client import Metric

from dlhub_gateway.hub import Hub
from dlhub_gateway.result_cache import LEVEL
from dlhub_gateway.siblings import Siblings
from dlhub_runtime.metrics import CONTENT_TYPE, Page, cache_families, counter, gauge, histogram
from proto_msgs.errors import Overloaded


def routes(siblings: Siblings) -> list[web.RouteDef]:
    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
        return web.Response(body=await siblings.text(), headers=headers)

    return [web.get("/metrics", metrics)]


def own_page(hub: Hub) -> Page:
    """The figures of this process alone."""
    labels = {"service": "gateway", "process": str(hub.settings.gateway_number)}
    return Page(labels, [partial(figures, hub), hub.vitals.read])


async def figures(hub: Hub) -> Iterable[Metric]:
    """What the gateway has counted, and how it is now."""
    requests = hub.metrics.requests
    refused = [({"kind": kind}, h.count) for (kind, code), h in requests.items() if code == Overloaded.code]
    return [
        histogram(
            "dlhub_gateway_request_seconds",
            "From the head of a request for a run, a map or a task to its answer, by outcome.",
            requests.rows("kind", "code"),
        ),
        counter("dlhub_gateway_refused_total", "Requests answered 429: something was full.", refused),
        histogram(
            "dlhub_gateway_step_seconds",
            "What servables within pipelines took, those that are pipelines included, by outcome.",
            hub.metrics.steps.rows("code"),
        ),
        gauge(
            "dlhub_gateway_pipeline_runs",
            "Runs of pipelines' tasks that this process has taken.",
            [({}, hub.pipeline_tasks.running)],
        ),
        gauge("dlhub_gateway_waiting_runs", "Runs that somebody waits for.", [({}, hub.runs.waiting)]),
        gauge("dlhub_gateway_sites", "Sites that were heard of lately.", [({}, len(hub.sites.names()))]),
        *cache_families(LEVEL, hub.results),
    ]
