"""Is the catalog there, and its database?"""

from __future__ import annotations

from dlhub_catalog.deps import Deps, Handlers
from proto_msgs.errors import Unavailable
from proto_msgs.health import AskCatalog, Health


async def ask_catalog(request: AskCatalog, deps: Deps) -> Health:
    """What the catalog misses."""
    try:
        await deps.store.database.ping()
    except Unavailable:
        return Health(missing=("the catalog's database does not answer",))
    return Health()


HANDLERS: Handlers = {AskCatalog: ask_catalog}
