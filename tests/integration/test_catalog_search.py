"""Finding servables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from catalog_stage import ADA, ADMIN, BOB, Stage, open_stage

from proto_msgs.errors import Malformed
from proto_msgs.identity import Principal
from proto_msgs.servables import Found, SearchServables

PUBLIC = ("public",)


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


async def _find(stage: Stage, caller: Principal = BOB, **fields: Any) -> Found:
    return await stage.ask(SearchServables(caller=caller, **fields))


def _names(found: Found) -> list[str]:
    return [item.name.partition("/")[2] for item in found.items]


async def test_a_public_ready_servable_is_found(stage: Stage) -> None:
    published = await stage.publish_ready(visible_to=PUBLIC, title="Bulk moduli")
    found = await _find(stage)
    (item,) = found.items
    assert (found.total, item.name, item.title) == (1, "ada/model", "Bulk moduli")
    assert (item.version_id, item.status) == (published.version_id, "ready")


async def test_what_is_not_ready_is_found_by_its_owner_only(stage: Stage) -> None:
    await stage.publish(visible_to=PUBLIC)
    assert not (await _find(stage)).items
    assert (await _find(stage, ADA)).items[0].status == "building"


@pytest.mark.parametrize(
    ("visible_to", "caller", "seen"),
    [
        ([], BOB, False),
        ([], ADA, True),
        ([], ADMIN, True),
        (["bob@local"], BOB, True),
        (["team"], BOB, False),
        (["team"], BOB.model_copy(update={"groups": ("team",)}), True),
    ],
)
async def test_who_finds_it(stage: Stage, visible_to: list[str], caller: Principal, seen: bool) -> None:
    await stage.publish_ready(visible_to=visible_to)
    assert (await _find(stage, caller)).total == int(seen)


async def test_one_item_for_each_servable_its_newest_ready_version(stage: Stage) -> None:
    await stage.publish_ready(visible_to=PUBLIC)
    await stage.publish_ready(visible_to=PUBLIC, archive=2)
    await stage.publish(visible_to=PUBLIC, archive=3)
    found = await _find(stage)
    assert [item.version for item in found.items] == [2]


async def test_hiding_works_before_the_new_version_is_built(stage: Stage) -> None:
    await stage.publish_ready(visible_to=PUBLIC)
    await stage.publish(archive=2)
    assert (await _find(stage)).total == 0


@pytest.mark.parametrize(
    "q",
    [
        "moduli",
        "modulus",
        "Lovelace",
        "elasticity",
        "ceramics",
        "bulk",
        "bulk_modulus",
        "featurised",
        "run",
        "ada",
    ],
)
async def test_words_are_found_wherever_they_stand(stage: Stage, q: str) -> None:
    await stage.publish_ready(
        "bulk_modulus",
        visible_to=PUBLIC,
        title="Elastic moduli",
        abstract="Works on featurised compositions.",
        tags=["ceramics"],
        domains=["elasticity"],
    )
    await stage.publish_ready("other", visible_to=PUBLIC, title="Galaxies", creators=("Leavitt, Henrietta",))
    assert "bulk_modulus" in _names(await _find(stage, q=q))


async def test_words_that_stand_nowhere_find_nothing(stage: Stage) -> None:
    await stage.publish_ready(visible_to=PUBLIC)
    assert (await _find(stage, q="zeppelin")).total == 0


async def test_the_best_match_comes_first(stage: Stage) -> None:
    await stage.publish_ready("a", visible_to=PUBLIC, title="Galaxies", abstract="Not about perovskites.")
    await stage.publish_ready("b", visible_to=PUBLIC, title="Perovskites")
    await stage.publish_ready("c", visible_to=PUBLIC, title="Stars", abstract="Not about perovskites either.")
    assert _names(await _find(stage, q="perovskite"))[0] == "b"


async def test_filters(stage: Stage) -> None:
    sklearn = "Scikit-learn estimator"
    await stage.publish_ready("a", visible_to=PUBLIC, kind=sklearn, domains=["physics"])
    await stage.publish_ready("b", visible_to=PUBLIC, domains=["biology", "physics"])
    await stage.publish_ready("c", visible_to=PUBLIC, caller=BOB)
    assert _names(await _find(stage, type=sklearn)) == ["a"]
    assert _names(await _find(stage, domain="biology")) == ["b"]
    assert _names(await _find(stage, owner="bob")) == ["c"]
    assert _names(await _find(stage, owner="ada", domain="physics", q="model")) in (["a", "b"], ["b", "a"])


@pytest.mark.parametrize("q", [None, "perovskite"])
async def test_pages_show_everything_once(stage: Stage, q: str | None) -> None:
    for number in range(5):
        await stage.publish_ready(f"m{number}", visible_to=PUBLIC, title="Perovskites " * (1 + number % 2))
    pages = [await _find(stage, q=q, limit=2)]
    await stage.publish_ready("late", visible_to=PUBLIC, title="Perovskites first of all perovskites")
    while pages[-1].next:
        pages.append(await _find(stage, q=q, limit=2, cursor=pages[-1].next))
    names = [name for page in pages for name in _names(page) if name != "late"]
    assert sorted(names) == ["m0", "m1", "m2", "m3", "m4"]
    assert pages[0].total == 5


async def test_without_words_the_newest_comes_first(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        await stage.publish_ready(name, visible_to=PUBLIC)
    assert _names(await _find(stage)) == ["c", "b", "a"]


async def test_a_bad_cursor_is_malformed(stage: Stage) -> None:
    with pytest.raises(Malformed, match="cursor"):
        await _find(stage, cursor="nonsense")
