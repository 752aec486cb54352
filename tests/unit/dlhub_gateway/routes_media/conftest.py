"""A hub that serves what is in `stage`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.records import version
from unit.dlhub_gateway.routes_media.stage import METHODS, model


@pytest.fixture
async def hub(stack: Stack) -> AsyncIterator[Stack]:
    stack.site.model = model
    for name, methods in METHODS.items():
        stack.catalog.add(version(name, methods=methods))
    contexts = [stack.site.serving(f"{name}-1") for name in METHODS]
    for context in contexts:
        await context.__aenter__()
    await stack.site.beat("noop-1", *(f"{name}-1" for name in METHODS))
    yield stack
    for context in reversed(contexts):
        await context.__aexit__(None, None, None)
