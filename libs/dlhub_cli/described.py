"""A description as people read it: plain lines, the same at a terminal and in a pipe."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Block = Mapping[str, Any]

WIDTH = 100
_LABEL = 12
_MEMBERS_DEEP = 4
"""How deep the members of dicts and tuples are told one by one."""
_EXAMPLE_CHARACTERS = 200
_FLAGS = {"deterministic": "deterministic", "vectorised": "vectorised"}


def described(document: Block) -> Iterator[str]:
    """The lines of a whole description; nothing is left out for being unusual, only for being empty."""
    datacite, hub, servable = (document.get(key) or {} for key in ("datacite", "dlhub", "servable"))
    yield (datacite.get("titles") or [{}])[0].get("title") or hub.get("name") or "(no title)"
    for label, text in _facts(datacite, hub, servable).items():
        yield from _labelled(label, text)
    for block in datacite.get("descriptions") or []:
        yield ""
        yield from textwrap.wrap(str(block.get("description") or ""), WIDTH)
    for number, one in enumerate(servable.get("steps") or [], start=1):
        yield from ("", *_step(number, one)) if number == 1 else _step(number, one)
    for name, method in (servable.get("methods") or {}).items():
        yield ""
        yield from _method(name, method)
    if summary := servable.get("model_summary"):
        yield ""
        yield from str(summary).splitlines()


def type_words(block: Block | None) -> str:
    """A declared type in a few words: `ndarray[any, 4] of float32, in eV, from 0 to 10`."""
    if not block:
        return ""
    words = [_kind(block)]
    if block.get("units"):
        words.append(f"in {block['units']}")
    if limits := _limits(block):
        words.append(limits)
    if block.get("choices"):
        words.append(f"one of {_listed(block['choices'])}")
    if block.get("file_types"):
        words.append(_listed(block["file_types"]))
    return ", ".join(words)


def _kind(block: Block) -> str:
    kind = str(block.get("type"))
    match kind:
        case "ndarray":
            item = block.get("dtype") or type_words(_block(block.get("item_type"))) or "anything"
            return f"ndarray[{_shape(block.get('shape'))}] of {item}"
        case "list":
            return f"list of {type_words(_block(block.get('item_type'))) or 'anything'}"
        case "tuple":
            return f"({', '.join(type_words(one) for one in block.get('element_types') or [])})"
        case "dict":
            return f"{{{', '.join(block.get('properties') or {})}}}"
        case "python object":
            return f"Python object {block.get('python_type') or ''}".rstrip()
    return kind


def _block(item: Any) -> Any:
    """A type's name alone is short for it."""
    return {"type": item} if isinstance(item, str) else item


def _shape(shape: Sequence[Any] | None) -> str:
    if shape is None:
        return "..."
    return ", ".join("any" if length is None else str(length) for length in shape)


def _limits(block: Block) -> str:
    low, high = block.get("minimum"), block.get("maximum")
    if low is not None and high is not None:
        return f"from {low} to {high}"
    if low is not None:
        return f"at least {low}"
    return f"at most {high}" if high is not None else ""


# --- the whole ---


def _facts(datacite: Block, hub: Block, servable: Block) -> dict[str, str]:
    """What fits on a line each; empty ones are left out."""
    dependencies = (hub.get("dependencies") or {}).get("python") or {}
    facts = {
        "name": hub.get("name") or "",
        "type": _type_of_servable(servable),
        "creators": "; ".join(_creator(one) for one in datacite.get("creators") or []),
        "year": str(datacite.get("publicationYear") or ""),
        "licence": _listed(_right(one) for one in datacite.get("rightsList") or []),
        "domains": _listed(hub.get("domains") or []),
        "measured": "; ".join(_performance(one) for one in servable.get("performance") or []),
        "resources": _resources(servable.get("resources") or {}),
        "files": _listed(_files(hub.get("files") or {})),
        "needs": _listed(f"{name} {version or ''}".strip() for name, version in dependencies.items()),
        "visible to": _listed(hub.get("visible_to") or []) or "its owner",
        "runnable by": _listed(hub.get("runnable_by") or []),
    }
    return {label: text for label, text in facts.items() if text}


def _type_of_servable(servable: Block) -> str:
    framework = servable.get("framework") or {}
    count = servable.get("parameter_count")
    parts = [
        str(servable.get("type") or ""),
        str(servable.get("model_type") or ""),
        f"{framework.get('name', '')} {framework.get('version') or ''}".strip(),
        f"{count:,} parameters" if count is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _creator(creator: Block) -> str:
    name = creator.get("name") or creator.get("creatorName")
    parts = (creator.get("familyName"), creator.get("givenName"))
    return str(name or ", ".join(str(part) for part in parts if part))


def _right(right: Block) -> str:
    return str(
        right.get("rightsIdentifier")
        or right.get("rights")
        or right.get("rightsUri")
        or right.get("rightsURI")
    )


def _performance(one: Block) -> str:
    where = f" ({one['split']})" if one.get("split") else ""
    return (
        f"{one.get('metric')} {one.get('value')} {one.get('units') or ''}".rstrip()
        + f" on {one.get('benchmark')}{where}"
    )


def _resources(resources: Block) -> str:
    parts = {
        "cores": "cores",
        "memory_mb": "MB",
        "accelerators": "accelerators",
        "accelerator_memory_mb": "MB each",
    }
    told = [f"{resources[key]:g} {words}" for key, words in parts.items() if resources.get(key)]
    return "" if told == ["1 cores"] else ", ".join(told)


def _files(files: Block) -> Iterator[str]:
    for purpose, names in files.items():
        for name in [names] if isinstance(names, str) else names:
            yield name if purpose == "other" else f"{name} ({purpose})"


def _step(number: int, step: Block) -> Iterator[str]:
    servable = step.get("servable")
    names = [servable] if isinstance(servable, str) else list(servable or [])
    method = step.get("method") or "run"
    words = ", ".join(f"{name}.{method}" if method != "run" else str(name) for name in names)
    if step.get("parameters"):
        words += f" with {_json(step['parameters'])}"
    if len(names) > 1:
        words += f", combined by {step.get('combine') or 'dict'}"
    yield from _labelled(f"step {number}", words)


# --- methods ---


def _method(name: str, method: Block) -> Iterator[str]:
    flags = [words for key, words in _FLAGS.items() if method.get(key)]
    if method.get("map_axis") is not None:
        flags.append(f"independent along axis {method['map_axis']}")
    yield f"{name}{'  ' + ', '.join(flags) if flags else ''}"
    if text := method.get("description") or method.get("title"):
        yield from textwrap.wrap(str(text), WIDTH, initial_indent="  ", subsequent_indent="  ")
    for label in ("input", "output"):
        yield from _argument(label, method.get(label), depth=1)
    types = method.get("parameter_types") or {}
    for parameter, default in (method.get("parameters") or {}).items():
        block = types.get(parameter)
        words = f"{type_words(block)}, " if block else ""
        yield from _labelled(parameter, f"{words}{_json(default)} unless given", indent=2)
    if example := method.get("example"):
        yield from _labelled("example", _cut(_json(example.get("inputs"))), indent=2)


def _argument(label: str, block: Any, depth: int) -> Iterator[str]:
    block = _block(block)
    if not block:
        return
    words = type_words(block)
    if block.get("description"):
        words = f"{words}: {block['description']}"
    yield from _labelled(label, words, indent=2 * depth)
    if depth < _MEMBERS_DEEP:
        for name, member in _members(block):
            yield from _argument(name, member, depth + 1)


def _members(block: Block) -> Iterator[tuple[str, Any]]:
    yield from (block.get("properties") or {}).items()
    for index, member in enumerate(block.get("element_types") or []):
        yield (_block(member).get("name") or f"[{index}]"), member


# --- lines ---


def _labelled(label: str, text: str, indent: int = 0) -> Iterator[str]:
    head = f"{' ' * indent}{label:<{_LABEL - indent}} "
    lines = textwrap.wrap(text, WIDTH - len(head), break_on_hyphens=False) or [""]
    yield f"{head}{lines[0]}".rstrip()
    for line in lines[1:]:
        yield " " * len(head) + line


def _listed(items: Any) -> str:
    return ", ".join(map(str, items))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str) -> str:
    return text if len(text) <= _EXAMPLE_CHARACTERS else f"{text[:_EXAMPLE_CHARACTERS]}..."
