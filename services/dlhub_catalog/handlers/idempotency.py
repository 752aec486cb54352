"""The same POST twice."""

from __future__ import annotations

from dlhub_catalog.deps import Deps, Handlers
from dlhub_catalog.store.idempotency import KeyDocument
from proto_msgs.errors import Conflict
from proto_msgs.idempotency import BeginKey, EndKey, KeyState
from proto_msgs.messages import Done


async def begin_key(request: BeginKey, deps: Deps) -> KeyState:
    """Reserve a key, or tell what has become of it; its holder renews its lease in this way."""
    keys = deps.store.keys
    stored = await keys.add(request)
    if stored is not None and await keys.forget_expired(request, deps.settings.idempotency_s):
        stored = await keys.add(request)
    state = decide(request, stored)
    if state.state == "running" and await keys.hold(request):
        return KeyState(state="new")
    return state


def decide(request: BeginKey, stored: KeyDocument | None) -> KeyState:
    """What a request with a key may do, when `stored` is what was known of the key before.

    Raises Conflict when the key came with another request.
    """
    if stored is None:
        return KeyState(state="new")
    if stored.fingerprint != request.fingerprint:
        raise Conflict(
            "this Idempotency-Key came with another method, path or body before; "
            "use a new key for a new request"
        )
    return KeyState(state="done" if stored.response else "running", response=stored.response)


async def end_key(request: EndKey, deps: Deps) -> Done:
    """Keep a response, or give the key back."""
    await deps.store.keys.end(request)
    return Done()


HANDLERS: Handlers = {BeginKey: begin_key, EndKey: end_key}
