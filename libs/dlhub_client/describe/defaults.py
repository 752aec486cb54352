"""Defaults of parameters: the forms that JSON has for them, and the types that these must be declared as."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from dlhub_client.describe.arguments import ArgumentBlock, from_hint

_FORMS: Mapping[type, Callable[[Any], Any]] = {
    complex: lambda value: [value.real, value.imag],
    datetime.datetime: datetime.datetime.isoformat,
    datetime.timedelta: datetime.timedelta.total_seconds,
}
"""Of values that are no JSON themselves: without a declared type the model would get the form."""


def can_be_told(value: Any) -> bool:
    """Whether a description can hold this default."""
    return value is None or isinstance(value, (bool, int, float, str, list, dict)) or type(value) in _FORMS


def forms(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults as dlhub.json holds them."""
    return {name: _FORMS.get(type(value), _same)(value) for name, value in defaults.items()}


def types_needed(defaults: Mapping[str, Any]) -> dict[str, ArgumentBlock]:
    """Declarations by which the model gets back what such a form stands for."""
    return {name: from_hint(type(value)) for name, value in defaults.items() if type(value) in _FORMS}


def _same(value: Any) -> Any:
    return value
