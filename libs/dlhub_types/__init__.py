"""Declared argument types: checking values against them, and the JSON forms of values.

`compile_argument` turns a declaration of dlhub.json into a `Checker`, once per method; `to_json_bytes` writes
values that the codec carries as JSON. Reading that JSON by a value's declared type gives the value back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlhub_types.checkers import Checker, compile_argument

if TYPE_CHECKING:
    from dlhub_types.json_forms import to_json_bytes

__all__ = ["Checker", "compile_argument", "to_json_bytes"]


def __getattr__(name: str) -> Any:
    """JSON only when it is asked for: the client reads pictures and tables here, and has no orjson."""
    if name == "to_json_bytes":
        from dlhub_types.json_forms import to_json_bytes

        return to_json_bytes
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
