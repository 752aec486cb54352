"""The figures of all processes behind one port.

A question for figures reaches one of them by chance. Each of them tells its own page at a Unix socket
in a folder that belongs to their parent; who is asked over HTTP asks the others there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dlhub_gateway.settings import GatewaySettings
from dlhub_runtime.exposition import answering_at, asked
from dlhub_runtime.metrics import Page, exposition, gauge

PATIENCE_S = 1.0
SUFFIX = ".sock"
ENDED = "0 when a process behind this port did not answer: it has ended, or is stuck."


class Siblings:
    """The processes behind this port, seen from one of them."""

    def __init__(self, page: Page, settings: GatewaySettings) -> None:
        self._page = page
        self._folder = Path(settings.gateway_siblings) if settings.gateway_siblings else None
        self._number = str(settings.gateway_number)

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Tell the others our page when they ask."""
        if self._folder is None:
            yield
            return
        async with answering_at(self._page, self._folder / f"{self._number}{SUFFIX}"):
            yield

    async def text(self) -> bytes:
        """The figures of all of them."""
        own = await self._page.families()
        others = self._others()
        pages = await asyncio.gather(*(_page_at(path) for path in others))
        up = [({"process": self._number}, 1.0)]
        up += [({"process": path.stem}, page is not None) for path, page in zip(others, pages, strict=True)]
        found = [family for page in pages if page for family in text_string_to_metric_families(page)]
        return exposition(merged([*own, *found, gauge("dlhub_gateway_process_up", ENDED, up)]))

    def _others(self) -> list[Path]:
        if self._folder is None:
            return []
        return sorted(path for path in self._folder.glob(f"*{SUFFIX}") if path.stem != self._number)


async def _page_at(path: Path) -> str | None:
    try:
        return await asked(path, PATIENCE_S)
    except OSError:  # TimeoutError is one
        return None


def merged(families: Iterable[Metric]) -> list[Metric]:
    """Families of the same name put together: a page must not have one twice."""
    by_name: dict[str, Metric] = {}
    for family in families:
        if known := by_name.get(family.name):
            known.samples = [*known.samples, *family.samples]
        else:
            by_name[family.name] = family
    return list(by_name.values())
