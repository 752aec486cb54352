"""What the page of types says of each type is what its check does."""

from __future__ import annotations

import typing

import orjson
import pytest

from dlhub_types import compile_argument, to_json_bytes
from dlhub_types.forms import TYPE_FORMS
from proto_msgs.description import Argument, ArgumentType


def test_every_type_has_its_forms():
    assert list(TYPE_FORMS) == list(typing.get_args(ArgumentType))


@pytest.mark.parametrize("name", TYPE_FORMS)
def test_the_sample_becomes_what_is_said(name):
    forms = TYPE_FORMS[name]
    checker = compile_argument(Argument.model_validate(forms.declared))
    value = checker.from_json(forms.sample)
    assert forms.declared["type"] == name
    assert type(value).__name__ == forms.kind
    again = orjson.loads(to_json_bytes(value))
    assert to_json_bytes(checker.from_json(again)) == to_json_bytes(value)
