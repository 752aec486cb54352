"""What frameworks read from the environment when they are imported: threads, logs, accelerators.

Set before the model's code, and with it NumPy, is imported; what is set already stays.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, Dict

Declared = Dict[str, Any]

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # errors only
    "GRPC_VERBOSITY": "ERROR",
    "KMP_WARNINGS": "0",
    "TQDM_DISABLE": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # else the first replica takes all of a card's memory
    "TF_NUM_INTEROP_THREADS": "1",
}
_BACKENDS = ("tensorflow", "torch", "jax")
_GPUS = "CUDA_VISIBLE_DEVICES"


def prepare(description: Declared) -> None:
    """Set the environment of this process for the servable."""
    for name in _THREADS:
        os.environ.setdefault(name, str(threads(description)))
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if not _resources(description).get("accelerators"):
        # It asked for none: those of the machine belong to replicas that did.
        os.environ.setdefault(_GPUS, "")


def threads(description: Declared) -> int:
    """Threads that fit the replica's share of the machine."""
    cores = _resources(description).get("cores") or 1
    return max(1, min(int(cores), len(os.sched_getaffinity(0))))


def may_use_gpu() -> bool:
    """Whether this replica has an accelerator, if the machine has."""
    return os.environ.get(_GPUS) != ""


def choose_keras_backend() -> None:
    """Let Keras use the framework that is there; its own choice is TensorFlow, there or not."""
    found = next((name for name in _BACKENDS if find_spec(name)), None)
    if found:
        os.environ.setdefault("KERAS_BACKEND", found)


def _resources(description: Declared) -> Declared:
    resources: Declared = (description.get("servable") or {}).get("resources") or {}
    return resources
