"""The table of all messages in README.md: `python -m proto_msgs.table` prints it, a test compares."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import proto_msgs
from proto_msgs.messages import Event, Request
from proto_msgs.topics import Exchange

RUN_PATH = (
    (Exchange.RUNS, "run.{version_id}.interactive", "RunBatch", "", "Runs that somebody waits for."),
    (Exchange.RUNS, "run.{version_id}.durable", "RunBatch", "", "Runs of tasks; on disk, confirmed."),
    (Exchange.RUNS, "run.hub.durable", "RunBatch", "", "Runs of pipelines' tasks, for the gateways."),
    (Exchange.RESULTS, "reply.{site}.{gateway}", "ResultBatch", "", "Outcomes for a gateway that waits."),
    (
        Exchange.RESULTS,
        "result.{site}.{task_id}",
        "ResultBatch",
        "",
        "Outcomes of tasks; stored, then acked.",
    ),
    (Exchange.RESULTS, "reply.{service}.{instance}", "the reply's", "", "Replies to requests, or Failure."),
    (Exchange.DEAD, "dead.{site}.{version_id}", "DeadLetter", "", "A run that could not be delivered."),
)


def requests() -> list[type[Request[Any]]]:
    """Every kind of request, in the order of the routing keys."""
    return sorted((kind for kind in _below(Request) if hasattr(kind, "key")), key=lambda kind: kind.key)


def events() -> list[type[Event]]:
    """Every kind of event, in the order of the routing keys."""
    return sorted(_below(Event), key=lambda kind: kind.template)


def rows() -> list[str]:
    """The table as Markdown, line by line."""
    lines = ["| exchange | routing key | message | reply | what it says |", "| --- | --- | --- | --- | --- |"]
    body = [
        *((Exchange.RPC, r.key, r.__name__, r.reply.__name__, _first_line(r)) for r in requests()),
        *RUN_PATH,
        *((Exchange.EVENTS, e.template, e.__name__, "", _first_line(e)) for e in events()),
    ]
    for exchange, key, name, reply, words in body:
        lines.append(f"| {exchange.value} | `{key}` | {name} | {reply} | {words} |")
    return lines


def _below(kind: type[Any]) -> Iterator[Any]:
    """All message types below `kind`, in all modules of this package."""
    for module in pkgutil.iter_modules(proto_msgs.__path__):
        importlib.import_module(f"proto_msgs.{module.name}")
    seen: set[Any] = set()
    pending = list(kind.__subclasses__())
    while pending:
        child = pending.pop()
        pending += child.__subclasses__()
        parametrised = child.__pydantic_generic_metadata__["origin"] is not None
        if not parametrised and child.__module__.startswith("proto_msgs.") and child not in seen:
            seen.add(child)
            yield child


def _first_line(kind: type[Any]) -> str:
    return (kind.__doc__ or "").split("\n")[0].replace("|", "\\|")


if __name__ == "__main__":
    print("\n".join(rows()))  # noqa: T201
