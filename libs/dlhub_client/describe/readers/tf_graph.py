"""Whether what a graph gives depends on its inputs alone: no dice, and no variable that a call changes.

Source: `graph.proto`, `function.proto`, `node_def.proto`, `attr_value.proto` of TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dlhub_client.describe.readers.protobuf import Message

_CHANGES = re.compile(
    r"(Random|Multinomial|TruncatedNormal|ParameterizedTruncatedNormal|StatefulRandom|StatefulStandardNormal"
    r"|StatefulTruncatedNormal|StatefulUniform|RngReadAndSkip|RngSkip|NonDeterministicInts|Assign|ResourceApply"
    r"|AnonymousRandomSeedGenerator|ResourceScatter|ResourceSparseApply|Scatter(Nd)?(Add|Sub|Mul|Div|Min|Max|Update)"
    r"|PyFunc|EagerPyFunc|Timestamp|LookupTable(Insert|Import|Remove)|Mutable|Iterator|Queue|Stage|Unstage)"
)
"""How the names of operations begin that throw dice, change a variable or look at the world outside."""


@dataclass(frozen=True)
class _Node:
    op: str
    inputs: tuple[str, ...]
    functions: tuple[str, ...]

    @property
    def changes(self) -> bool:
        return _CHANGES.match(self.op) is not None


def is_frozen(graph: Message) -> dict[str, bool]:
    """For each node of a graph's top level that a signature may give: whether it is the same every time."""
    definition = graph.message(2)
    if definition is None:
        return {}
    nodes = dict(map(_node, definition.messages(1)))
    library = definition.message(2)
    functions = dict(_function(one) for one in library.messages(1)) if library is not None else {}
    restless = _restless(functions)
    return {name: not _reaches(name, nodes, restless) for name in nodes}


def _node(message: Message) -> tuple[str, _Node]:
    inputs = tuple(_source(text) for text in message.texts(3))
    return message.text(1), _Node(message.text(2), inputs, tuple(_called(message)))


def _source(text: str) -> str:
    """The node behind `name:0`, `^name` or, inside a function, `name:out:0`."""
    return text.lstrip("^").partition(":")[0]


def _called(node: Message) -> Iterable[str]:
    """Functions that a node names: a call, or the branches of a condition."""
    for entry in node.messages(5):
        value = entry.message(2)
        if value is None:
            continue
        functions = list(value.messages(10))
        several = value.message(1)
        if several is not None:
            functions.extend(several.messages(9))
        yield from (one.text(1) for one in functions)


def _function(message: Message) -> tuple[str, list[_Node]]:
    """A function's name and those of its nodes that matter."""
    signature = message.message(1)
    name = signature.text(1) if signature is not None else ""
    nodes = [node for _, node in map(_node, message.messages(3)) if node.changes or node.functions]
    return name, nodes


def _restless(functions: Mapping[str, list[_Node]]) -> frozenset[str]:
    """Functions that change something or throw dice, themselves or by what they call."""
    found = {name for name, nodes in functions.items() if any(node.changes for node in nodes)}
    grown = True
    while grown:
        calling = {
            name
            for name, nodes in functions.items()
            if name not in found and any(found.intersection(node.functions) for node in nodes)
        }
        found |= calling
        grown = bool(calling)
    return frozenset(found)


def _reaches(name: str, nodes: Mapping[str, _Node], restless: frozenset[str]) -> bool:
    """Whether a node, or one that it is made from, is not the same every time."""
    waiting, seen = [name], set[str]()
    while waiting:
        one = waiting.pop()
        node = nodes.get(one)
        if one in seen or node is None:
            continue
        seen.add(one)
        if node.changes or restless.intersection(node.functions):
            return True
        waiting.extend(node.inputs)
    return False
