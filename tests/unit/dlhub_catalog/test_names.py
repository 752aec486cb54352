"""Names of people, servables and runs."""

from __future__ import annotations

import pytest

from dlhub_catalog.names import identity_of, namespace_of, run_id_parts
from proto_msgs.errors import Malformed


@pytest.mark.parametrize(
    ("user", "namespace"),
    [
        ("ada", "ada"),
        ("Ada Lovelace", "ada_lovelace"),
        ("ada@uni.example", "ada_uni_example"),
        ("ada@local", "ada"),
        ("../../etc", "etc"),
        ("x" * 100, "x" * 64),
    ],
)
def test_namespace_of(user: str, namespace: str) -> None:
    assert namespace_of(user) == namespace


@pytest.mark.parametrize("user", ["", "@local", "...", "///"])
def test_a_name_without_letters_is_refused(user: str) -> None:
    with pytest.raises(Malformed, match="user's name"):
        namespace_of(user)


def test_identity_is_local() -> None:
    assert identity_of("ada") == "ada@local"


@pytest.mark.parametrize(
    ("run_id", "parts"),
    [
        ("t", ("t", None)),
        ("t:0", ("t", 0)),
        ("t:12", ("t", 12)),
        ("t:x", ("t:x", None)),
        ("t:", ("t:", None)),
    ],
)
def test_run_id_parts(run_id: str, parts: tuple[str, int | None]) -> None:
    assert run_id_parts(run_id) == parts
