"""People and servables that the tests of the gateway know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from proto_msgs import servables
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.identity import Access, Principal

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ADA = Principal(identity="ada@local", namespace="ada")
BOB = Principal(identity="bob@local", namespace="bob")
ROOT = Principal(identity="root@local", namespace="root", admin=True)
PEOPLE = {"ada": ADA, "bob": BOB, "root": ROOT}
"""Their tokens are their names."""
ARCHIVE = BlobRef(sha256="a" * 64, size_bytes=10)


def description(name: str = "noop", methods: Mapping[str, Any] | None = None, **dlhub: Any) -> Description:
    """A valid dlhub.json."""
    string = {"type": "string"}
    return Description.model_validate(
        {
            "datacite": {"titles": [{"title": name}], "creators": [{"name": "Lovelace, Ada"}]},
            "dlhub": {"name": name, **dlhub},
            "servable": {
                "type": "Python static method",
                "methods": methods or {"run": {"input": string, "output": string, "parameters": {"n": 1}}},
            },
        }
    )


def version(
    name: str = "noop", number: int = 1, methods: Mapping[str, Any] | None = None, **changes: Any
) -> servables.VersionRecord:
    """A ready, public version of one of Ada's servables."""
    fields: dict[str, Any] = {
        "version_id": f"{name}-{number}",
        "servable": f"ada/{name}",
        "number": number,
        "status": "ready",
        "build_id": f"build-{name}-{number}",
        "access": Access(owner=ADA.identity, visible_to=("public",)),
        "description": description(name, methods),
        "archive": ARCHIVE,
        "environment": Environment(kind="venv", key="k", python="3.11", lock="", archive=ARCHIVE),
        "created_at": NOW,
    }
    return servables.VersionRecord(**{**fields, **changes})
