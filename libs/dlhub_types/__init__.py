"""Declared argument types: checking values against them, and the JSON forms of values.

`compile_argument` turns a declaration of dlhub.json into a `Checker`, once per method; `to_json_bytes` writes
values that the codec carries as JSON. Reading that JSON by a value's declared type gives the value back.
"""

from dlhub_types.checkers import Checker, compile_argument
from dlhub_types.json_forms import to_json_bytes

__all__ = ["Checker", "compile_argument", "to_json_bytes"]
