"""Figures of a catalog whose database answers, and of one whose database does not."""

from __future__ import annotations

from typing import Any

import pytest

from dlhub_catalog.metrics import CatalogMetrics
from proto_msgs.errors import NotFound, Unavailable


class FakeDatabase:
    """One that can be away."""

    away = False

    async def ping(self) -> None:
        if self.away:
            raise Unavailable("away")


@pytest.fixture
def database() -> Any:
    return FakeDatabase()


async def figures(metrics: CatalogMetrics) -> dict[tuple[str, str], float]:
    families = await metrics.read()
    return {(s.name, s.labels.get("code", "")): s.value for family in families for s in family.samples}


async def test_a_database_that_answers(database: Any) -> None:
    found = await figures(CatalogMetrics(database))
    assert found["dlhub_database_up", ""] == 1
    assert 0 <= found["dlhub_database_ping_seconds", ""] < 1


async def test_a_database_that_does_not(database: Any) -> None:
    database.away = True
    found = await figures(CatalogMetrics(database))
    assert found["dlhub_database_up", ""] == 0
    assert ("dlhub_database_ping_seconds", "") not in found


async def test_requests_are_counted_by_how_they_end(database: Any) -> None:
    metrics = CatalogMetrics(database)
    with metrics.request():
        pass
    for error in (NotFound("no"), RuntimeError("a fault")):
        with pytest.raises(type(error)), metrics.request():
            raise error
    found = await figures(metrics)
    codes = ("ok", "not_found", "internal")
    assert [found["dlhub_catalog_request_seconds_count", code] for code in codes] == [1, 1, 1]
