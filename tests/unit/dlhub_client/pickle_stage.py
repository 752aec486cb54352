"""Pickles for tests of what is read from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any


def pickled(folder: Path, value: Any, protocol: int = 5) -> Path:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    return path
