"""The client with a real torch; without one, a stand-in has to do (unit/dlhub_client/values)."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

from models.workshop import MAKERS, Workshop

ROOT = Path(__file__).parents[2]


def test_tensors_of_every_kind_travel(workshop: Workshop) -> None:
    places = (str(ROOT), str(ROOT / "libs"), sysconfig.get_paths()["platlib"])

    found = json.loads(workshop.execute("torch", MAKERS / "torch_values.py", *places))

    assert found.pop("scalar") == [2.5]
    assert set(map(tuple, found.values())) == {(1.0, 2.5, -3.0)}
    assert len(found) == 9
