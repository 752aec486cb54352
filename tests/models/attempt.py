"""Loads models through the shim, and runs them, in the environment of their framework; prints what happened.

python attempt.py SHIM CASES      # JSON: [{folder, description, inputs?, parameters?}]
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from dlhub_shim import failures, surroundings
from dlhub_shim.loaders import load_methods


def attempt(case):
    """The failure of loading or running, or the output as text."""
    os.chdir(case["folder"])
    sys.path.insert(0, case["folder"])
    surroundings.prepare(case["description"])
    try:
        methods = load_methods(Path(case["folder"]), case["description"])
    except Exception as error:
        return failures.of_load(error)
    if "inputs" not in case:
        return {"loaded": sorted(methods)}
    try:
        output = methods["run"](case["inputs"], case.get("parameters") or {})
        return {"output": str(output), "threads": torch_threads()}
    except Exception as error:
        return failures.of_run(error)


def torch_threads():
    return sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None


print(json.dumps([attempt(case) for case in json.loads(Path(sys.argv[2]).read_text())]))
