"""One function per request, `(request, deps) -> reply`; a module per noun.

Every one may be called twice with the same request and then changes nothing more, because a request
is repeated when the connection is lost before the reply came. Events are sent again in that case:
they are hints to look, and harmless twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dlhub_bus import Handler
from dlhub_catalog.deps import CatalogHandler, Deps, Handlers
from dlhub_catalog.handlers import (
    accounts,
    builds,
    dead_letters,
    deployments,
    health,
    idempotency,
    servables,
    sites,
    tasks,
)
from dlhub_catalog.store.database import translated
from proto_msgs.messages import Message, Request

HANDLERS: Handlers = {
    **accounts.HANDLERS,
    **servables.HANDLERS,
    **builds.HANDLERS,
    **deployments.HANDLERS,
    **sites.HANDLERS,
    **tasks.HANDLERS,
    **dead_letters.HANDLERS,
    **idempotency.HANDLERS,
    **health.HANDLERS,
}


def bound(deps: Deps) -> dict[type[Request[Any]], Handler]:
    """The handlers, as the bus calls them."""
    return {kind: partial(_answer, handler, deps) for kind, handler in HANDLERS.items()}


async def _answer(handler: CatalogHandler, deps: Deps, request: Any) -> Message:
    with deps.metrics.request(), translated():
        return await handler(request, deps)
