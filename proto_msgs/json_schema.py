"""The JSON Schema of dlhub.json: `python -m proto_msgs.json_schema` writes it; a test compares.

The file travels in the package, so that nobody needs a network to check a description. Its version changes
when a document that was valid is so no more.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proto_msgs import arguments, datacite, description, methods, servable_block
from proto_msgs.arguments import NEEDED_FIELDS, OWN_FIELDS
from proto_msgs.description import Description
from proto_msgs.original import changes

VERSION = 1
FILE = Path(__file__).with_name("schemas") / f"dlhub-{VERSION}.json"
_MODULES = (arguments, datacite, description, methods, servable_block, changes)

Schema = dict[str, Any]


def dlhub_schema() -> Schema:
    """The whole schema, with the explanations that stand beside the fields in the code."""
    made = Description.model_json_schema(by_alias=False)
    parts: dict[str, Schema] = made["$defs"]
    _explain(made, "Description")
    for name, part in parts.items():
        _explain(part, name)
    _complete_arguments(parts["Argument"])
    _complete_servables(parts["Servable"])
    _allow_short_forms(made)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:dlhub:schema:dlhub-{VERSION}",
        "title": f"dlhub.json, version {VERSION}",
    }
    return {**head, **{key: value for key, value in made.items() if key != "title"}}


def schema_text() -> str:
    """The file's content."""
    return json.dumps(dlhub_schema(), indent=1, ensure_ascii=False) + "\n"


def _complete_arguments(part: Schema) -> None:
    """What depends on the type, which the models check by themselves."""
    part["allOf"] = [_if_type([kind], _needs(field)) for kind, field in NEEDED_FIELDS.items()]
    for field, types in OWN_FIELDS.items():
        others = {"not": {"enum": list(types)}}
        none = {"properties": {field: {"type": "null"}}}
        part["allOf"].append({"if": {"properties": {"type": others}}, "then": none})


def _needs(field: str) -> Schema:
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}


def _if_type(kinds: list[str], then: Schema) -> Schema:
    return {"if": {"properties": {"type": {"enum": kinds}}}, "then": then}


def _complete_servables(part: Schema) -> None:
    run = {"required": ["methods"], "properties": {"methods": {"required": ["run"]}}}
    pipeline = {"required": ["steps"], "properties": {"steps": {"type": "array", "minItems": 1}}}
    part["allOf"] = [{**_if_type(["Pipeline"], pipeline), "else": run}]


def _allow_short_forms(made: Schema) -> None:
    """Texts in the place of objects, and numbers in that of texts, that the models take as well."""
    parts = made["$defs"]
    parts["Argument"]["properties"]["item_type"]["anyOf"].append(parts["Argument"]["properties"]["type"])
    parts["DataCite"]["properties"]["publisher"]["anyOf"].append({"type": "string"})
    places = parts["Creator"]["properties"]["affiliation"], parts["Contributor"]["properties"]["affiliation"]
    for place in places:
        place["items"] = {"anyOf": [place["items"], {"type": "string"}]}
    for part in ("DataCite", "RelatedItem"):
        years: list[Schema] = parts[part]["properties"]["publicationYear"]["anyOf"]
        years[0]["pattern"] = "^([0-9]{4})?$"
        years.append({"type": "integer", "minimum": 1000, "maximum": 9999})


def _explain(part: Schema, name: str) -> None:
    """A model's docstrings as descriptions of its fields. Read from the source: importing it stays quick."""
    texts = _docstrings().get(name, {})
    for field, schema in part.get("properties", {}).items():
        schema.pop("title", None)
        if field in texts:
            schema["description"] = texts[field]


def _docstrings() -> dict[str, dict[str, str]]:
    """Model to field to the text behind it, bases included."""
    own: dict[str, dict[str, str]] = {}
    bases: dict[str, list[str]] = {}
    for module in _MODULES:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                own[node.name] = dict(_texts(node))
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return {name: _with_bases(name, own, bases) for name in own}


def _with_bases(name: str, own: dict[str, dict[str, str]], bases: dict[str, list[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in bases.get(name, ()):
        found |= _with_bases(base, own, bases)
    return found | own.get(name, {})


def _texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, " ".join(str(text.value.value).split())


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
