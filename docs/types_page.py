"""Writes types.md from the code that reads descriptions: `python docs/types_page.py`; a test compares."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dlhub_types.forms import TYPE_FORMS
from proto_msgs.arguments import NEEDED_FIELDS, OWN_FIELDS
from proto_msgs.json_schema import FILE, dlhub_schema
from proto_msgs.servable_types import SERVABLE_TYPES, TypeFacts

PAGE = Path(__file__).with_name("types.md")
HEAD = f"""\
# Types

What a `dlhub.json` declares, and what values of it look like. Everything on this page is read from the
code. The [JSON Schema](../proto_msgs/schemas/{FILE.name}) of a whole `dlhub.json` is part of the package and
needs no network; every hub serves it without a token: `GET /schemas/{FILE.name}`. Editors check a document
that names it in its field `$schema`. `python -m proto_msgs.json_schema` writes the schema, and
`python docs/types_page.py` this page.
"""
ARGUMENTS = """\
## Types of inputs, outputs and parameters

They nest. JSON is what travels with `Content-Type: application/json`; MessagePack carries the Python values
as they are. A value that does not fit is refused (HTTP 422, `input_mismatch`) with its path, what was
declared and what came: `inputs[2]['x']: declared as float, but the str 'warm' came`. Bold fields are needed.
"""
CHANGES = """\
What a check may change, and nothing else: integers become floats and numbers complex where these are
declared, lists and tuples become arrays, tuples lists and lists tuples, and arrays take the declared `dtype`.
Never the other way round: a float is no integer, a text is no number, and a number that does not fit the
declared `dtype` is refused. `hub.check(...)` tells each change of a value: [inputs.md](inputs.md).

Integers beyond 64 bits have no form. `NaN` and the infinities have theirs in JSON both ways; `NaN` is outside
every `minimum` and `maximum`.

A symbol in a `shape` stands for one length: `["atoms", 3]` in one input and `["atoms"]` in another, or in
the output, belong together. Inputs and parameters are checked in every run, outputs when an example runs in
a build.
"""
SERVABLES = """\
## Types of servables

`dlhub.files` names the files, `servable.options` the options; of bold files one must be there. The
environment comes from `dlhub.dependencies` and the archive's requirements: what is listed here must be among
them.
"""
REST = """\
## Fields of a description

Fields that are not listed are kept as they came. A document that the original DLHub wrote is read as well: it
is converted when it is published, and what was changed is in the answer (`converted`), in the build's log and
in `dlhub.converted`. The fields of `datacite` are those of DataCite's schema 4.5; what 4.6 and 4.7 added is
kept as well.
"""
PARTS = {
    "dlhub": "DLHub",
    "servable": "Servable",
    "servable.resources": "Resources",
    "servable.methods.*": "Method",
    "servable.methods.*.method_details": "MethodDetails",
    "servable.methods.*.example": "Example",
    "servable.performance": "Performance",
    "servable.steps": "Step",
    "datacite": "DataCite",
    "datacite.creators": "Creator",
}


def page() -> str:
    """The whole page as Markdown."""
    parts = dlhub_schema()["$defs"]
    sections = [
        HEAD,
        ARGUMENTS,
        _arguments(),
        _fields(parts["Argument"], parts),
        CHANGES,
        SERVABLES,
        _servables(),
        REST,
    ]
    sections += [f"### `{where}`\n\n{_fields(parts[name], parts)}" for where, name in PARTS.items()]
    return "\n".join(sections)


def _arguments() -> str:
    rows = (
        (f"`{name}`", forms.json, forms.python, _own_fields(name), f"`{json.dumps(forms.sample)}`")
        for name, forms in TYPE_FORMS.items()
    )
    return _table(("type", "in JSON", "in Python", "fields", "sample"), rows)


def _own_fields(name: str) -> str:
    needed = NEEDED_FIELDS.get(name)
    fields = [field for field, types in OWN_FIELDS.items() if name in types]
    return ", ".join(f"**`{field}`**" if field == needed else f"`{field}`" for field in fields)


def _servables() -> str:
    rows = (
        (f"`{name}`", facts.runs, _files(facts), _options(facts), ", ".join(facts.environment))
        for name, facts in SERVABLE_TYPES.items()
    )
    return _table(("type", "a method calls", "files", "options", "environment"), rows)


def _files(facts: TypeFacts) -> str:
    return "; ".join(
        f"**`{name}`** {text}" if name in facts.needs_one_of else f"`{name}` {text}"
        for name, text in facts.files.items()
    )


def _options(facts: TypeFacts) -> str:
    return "; ".join(
        f"`{name}` {option.meaning}{_values(option.values)}" for name, option in facts.options.items()
    )


def _values(values: tuple[str, ...]) -> str:
    return f": {', '.join(f'`{value}`' for value in values)}" if values else ""


def _fields(part: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    needed = part.get("required", ())
    rows = (
        (f"**`{name}`**" if name in needed else f"`{name}`", _type(field), _meaning(field, parts))
        for name, field in part["properties"].items()
    )
    return _table(("field", "JSON", "meaning"), rows)


def _meaning(field: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    """The field's own text, else that of the block that it holds."""
    blocks = [parts[word] for word in _type(field).split() if word in parts]
    return str(field.get("description") or (blocks[0].get("description", "") if blocks else ""))


def _type(field: Mapping[str, Any]) -> str:
    """A field's type in a few words."""
    kinds = field.get("anyOf", [field])
    names = [_kind(kind) for kind in kinds if kind.get("type") != "null"]
    return " or ".join(dict.fromkeys(names))


def _kind(kind: Mapping[str, Any]) -> str:
    if "$ref" in kind:
        return str(kind["$ref"]).rpartition("/")[2]
    if kind.get("type") == "array":
        inner = kind.get("items") or {}
        return f"list of {_type(inner)}" if inner else "list"
    if kind.get("type") == "object":
        inner = next(iter(kind.get("patternProperties", {}).values()), kind.get("additionalProperties"))
        return f"object of {_type(inner)}" if isinstance(inner, dict) and inner else "object"
    return str(kind.get("type", "anything"))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
