"""Sites."""

from __future__ import annotations

from dlhub_catalog.deps import Deps, Handlers
from proto_msgs.messages import Done
from proto_msgs.sites import RegisterSite


async def register_site(request: RegisterSite, deps: Deps) -> Done:
    """Remember what a site can carry."""
    await deps.store.sites.register(request)
    return Done()


HANDLERS: Handlers = {RegisterSite: register_site}
