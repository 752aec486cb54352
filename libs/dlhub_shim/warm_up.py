"""The first call of many models takes far longer than the next: it is made before the replica takes work.

The examples of the description serve for that. They ran when the version was built; one that fails here says
that this machine is not like that one, so it is a `LoadError`, not a failure of whoever calls first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import msgpack

from dlhub_shim import payloads
from dlhub_shim.complaints import LoadError, brief
from dlhub_shim.loaders import Method

EXAMPLES = "examples"
"""File beside the description: a map from method to the payload of its example."""


def warm_up(methods: Dict[str, Method], examples: Path) -> None:
    """Run each method's example once, if the file is there. Raises LoadError."""
    if not examples.is_file():
        return
    for name, payload in msgpack.unpackb(examples.read_bytes()).items():
        _run(name, methods[name], payload)


def _run(name: str, method: Method, payload: bytes) -> None:
    inputs, parameters, _ = payloads.read(payload)
    try:
        method(inputs, parameters)
    except (Exception, SystemExit) as error:
        raise LoadError(
            f"the example of method {name!r}, which ran when the version was built, fails in this "
            f"replica: {brief(error)}"
        ) from error
