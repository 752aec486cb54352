"""The HTTP application: every route there is, in one list."""

from __future__ import annotations

from aiohttp import web

from dlhub_gateway.endpoint import errors_as_problems
from dlhub_gateway.hub import Hub
from dlhub_gateway.routes import (
    access,
    accounts,
    blobs,
    builds,
    checks,
    deployments,
    health,
    metrics,
    publish,
    runs,
    schemas,
    servables,
    sites,
    tasks,
)
from dlhub_gateway.siblings import Siblings

NOUNS = (
    runs,
    tasks,
    health,
    accounts,
    publish,
    servables,
    access,
    builds,
    deployments,
    sites,
    blobs,
    checks,
    schemas,
)
"""Runs first: aiohttp looks through the routes in this order."""


def build_app(hub: Hub, siblings: Siblings) -> web.Application:
    """An application that works with `hub`."""
    app = web.Application(client_max_size=hub.settings.gateway_body_bytes, middlewares=[errors_as_problems])
    for noun in NOUNS:
        app.add_routes(noun.routes(hub))
    app.add_routes(metrics.routes(siblings))

    async def let_go(_: web.Application) -> None:
        """Those who wait for a task or follow a log must not keep the gateway from stopping."""
        hub.signals.close()

    app.on_shutdown.append(let_go)
    return app
