"""What handlers work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dlhub_bus import Bus, RunPublisher
from dlhub_catalog.metrics import CatalogMetrics
from dlhub_catalog.settings import Settings
from dlhub_catalog.store import Store
from dlhub_catalog.store.search import Search
from proto_msgs.messages import Message, Request


@dataclass(frozen=True, kw_only=True, slots=True)
class Deps:
    """The catalog's open resources."""

    settings: Settings
    store: Store
    search: Search
    bus: Bus
    runs: RunPublisher
    metrics: CatalogMetrics


CatalogHandler = Callable[[Any, Deps], Awaitable[Message]]
Handlers = Mapping[type[Request[Any]], CatalogHandler]
"""The function for each kind of request."""
