"""The facts about types are whole: each type has an entry, and what it needs is explained."""

from __future__ import annotations

import typing

from proto_msgs.servable_block import ServableType
from proto_msgs.servable_types import SERVABLE_TYPES


def test_every_type_has_facts():
    assert list(SERVABLE_TYPES) == list(typing.get_args(ServableType))


def test_what_a_type_needs_is_among_its_files():
    for facts in SERVABLE_TYPES.values():
        assert set(facts.needs_one_of) <= set(facts.files)
        assert facts.runs and all(facts.files.values())
