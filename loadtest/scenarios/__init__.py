"""The scenarios, each a module with TITLE and `measure(bench, report)`; in the order of the record."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.bench import Bench, Report

NAMES = (
    "throughput", "latency", "executor", "scaling", "scaling_alone", "peers", "tasks", "batching", "cache",
    "split", "pipeline", "fairness", "autoscale", "coldstart", "payload", "footprint", "soak",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that can be measured."""

    name: str
    title: str
    measure: Callable[[Bench, Report], None]


def find(name: str) -> Scenario:
    """Load a scenario; only then its imports are needed. Raises KeyError for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    module = importlib.import_module(f"loadtest.scenarios.{name}")
    return Scenario(name, module.TITLE, module.measure)
