"""How a servable is found: what a search shows of it, and the words and people it is found by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from proto_msgs.description import Description
from proto_msgs.identity import Access
from proto_msgs.servables import ServableSummary, VersionStatus

ABSTRACT_LENGTH = 2000
"""Characters of the abstract that a search result carries."""


def access_of(description: Description, owner: str) -> Access:
    """Who may use a servable, as its owner describes it."""
    block = description.dlhub
    return Access(owner=owner, visible_to=block.visible_to, runnable_by=block.runnable_by)


def maintained_by(access: Access) -> tuple[str, ...]:
    """Names by which somebody may maintain it."""
    return tuple(dict.fromkeys((access.owner, *access.maintainers)))


def seen_by(access: Access, status: VersionStatus) -> tuple[str, ...]:
    """Names by which somebody finds it: until a version is ready, its maintainers alone do."""
    visible_to = access.visible_to if status == "ready" else ()
    return tuple(dict.fromkeys((*maintained_by(access), *visible_to)))


def summary(
    description: Description,
    *,
    servable: str,
    number: int,
    version_id: str,
    status: VersionStatus,
    created_at: datetime,
) -> ServableSummary:
    """The line of a search result for one version."""
    return ServableSummary(
        name=servable,
        version=number,
        version_id=version_id,
        title=description.datacite.titles[0].title,
        creators=tuple(creator.label for creator in description.datacite.creators),
        description=description.datacite.abstract[:ABSTRACT_LENGTH],
        type=description.servable.type,
        domains=description.dlhub.domains,
        methods=tuple(description.servable.methods),
        status=status,
        created_at=created_at,
    )


WEIGHTS = {"name": 10, "title": 8, "creators": 5, "topics": 5, "methods": 3, "description": 1}
"""How much a word counts in a search, by where it stands; the keys are those of `words`."""


def words(servable: str, description: Description) -> dict[str, str]:
    """The text that a search looks at. Plain texts, not lists: an index holds one list only."""
    methods = description.servable.methods
    return {
        "name": _spelt_out([servable]),
        "title": _spelt_out(title.title for title in description.datacite.titles),
        "creators": _spelt_out(creator.label for creator in description.datacite.creators),
        "topics": _spelt_out(
            (
                *description.dlhub.domains,
                *description.dlhub.tags,
                *(subject.subject for subject in description.datacite.subjects),
                description.servable.type,
            )
        ),
        "methods": _spelt_out(_method_text(name, method.description) for name, method in methods.items()),
        "description": description.datacite.abstract,
    }


def _method_text(name: str, text: str | None) -> str:
    return f"{name} {text or ''}".strip()


def _spelt_out(texts: Iterable[str]) -> str:
    """All texts, and the parts of names that are joined (`bulk_modulus`, `RandomForest`) once more."""
    whole = "\n".join(texts)
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_/.-]", " ", whole)
    return whole if parts == whole else f"{whole}\n{parts}"
