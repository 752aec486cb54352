"""The servables of the load tests: folders of this repository, published with small changes.

A change is part of the published description (another name, batching off, results remembered), so that what
is compared differs in nothing else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDERS = Path(__file__).with_name("servables")
LIGHT: Mapping[str, Any] = {"cores": 0.001}
"""A replica of these needs next to nothing; a site's cores must not bound how many there are."""


@dataclass(frozen=True, slots=True)
class Model:
    """A servable to be published."""

    name: str
    folder: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Put into every method of the description."""

    def write(self, folder: Path) -> Path:
        """A folder that can be published."""
        target = folder / self.name
        shutil.copytree(self.folder, target, ignore=shutil.ignore_patterns("__pycache__"))
        path = target / "dlhub.json"
        path.write_text(json.dumps(changed(json.loads(path.read_text()), self.name, self.changes)))
        return target


def changed(description: dict[str, Any], name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same description under another name, with changes to every method."""
    servable = description["servable"]
    methods = {key: {**method, **changes} for key, method in servable["methods"].items()}
    return {
        **description,
        "dlhub": {**description["dlhub"], "name": name},
        "servable": {**servable, "methods": methods, "resources": dict(LIGHT)},
    }


NOOP = Model("noop", ROOT / "examples" / "noop")
QUIET = Model("noop-quiet", ROOT / "examples" / "noop")
REMEMBERED = Model("noop-remembered", ROOT / "examples" / "noop", {"deterministic": True})
WAITS = Model("waits", FOLDERS / "waits")
ECHO = Model("echo", FOLDERS / "echo")
FRAMES = Model("frames", FOLDERS / "frames")
NETWORK = Model("network", FOLDERS / "network")
NETWORK_ALONE = Model("network-alone", FOLDERS / "network", {"vectorised": False})
