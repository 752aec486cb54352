"""Files of request bodies, one per line, for wrk and for the generator."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def body_file(inputs: Iterable[Any]) -> Iterator[Path]:
    """A file with the JSON body of a run per input."""
    with tempfile.NamedTemporaryFile("w", suffix=".bodies") as file:
        for value in inputs:
            file.write(json.dumps({"inputs": value}) + "\n")
        file.flush()
        yield Path(file.name)


def distinct(count: int, prefix: str = "input") -> list[str]:
    """Inputs that are all different."""
    return [f"{prefix} {index}" for index in range(count)]
