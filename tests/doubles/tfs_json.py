"""Tensors in JSON, read and written as TensorFlow Serving does."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

DTYPES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_INT8": "int8", "DT_INT16": "int16",
    "DT_INT32": "int32", "DT_INT64": "int64", "DT_UINT8": "uint8", "DT_UINT32": "uint32",
    "DT_UINT64": "uint64", "DT_BOOL": "bool", "DT_STRING": "object", "DT_HALF": "float16",
}  # fmt: skip


class Refused(Exception):
    """An HTTP status and what the server says with it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def tensor(value: Any, dtype: str) -> np.ndarray:
    shape = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        if not level:
            break
        level = level[0]
    return np.array(filled(value, dtype, shape), dtype=DTYPES[dtype]).reshape(shape)


def filled(value: Any, dtype: str, shape: list[int]) -> Any:
    if isinstance(value, list):
        if not shape:
            raise Refused(400, "Encountered list at unexpected level: 1 expected < 1")
        if len(value) != shape[0]:
            raise Refused(
                400,
                f"Encountered list at unexpected size: {len(value)} at level: 0 expected size: {shape[0]}",
            )
        return [filled(item, dtype, shape[1:]) for item in value]
    if shape:
        raise Refused(400, f"JSON Value: {json.dumps(value)} found at incorrect level: 1 in the JSON DOM.")
    if dtype == "DT_STRING" and isinstance(value, dict) and list(value) == ["b64"]:
        return base64.b64decode(value["b64"], validate=True)
    return scalar(value, dtype)


def scalar(value: Any, dtype: str) -> Any:
    fits = {
        "DT_FLOAT": isinstance(value, (int, float)) and not isinstance(value, bool),
        "DT_DOUBLE": isinstance(value, (int, float)) and not isinstance(value, bool),
        "DT_STRING": isinstance(value, str),
        "DT_BOOL": isinstance(value, bool),
    }.get(dtype, isinstance(value, int) and not isinstance(value, bool) and "INT" in dtype)
    if not fits:
        raise Refused(400, f"JSON Value: {json.dumps(value)} is not of expected type: {dtype[3:].lower()}")
    return value.encode() if dtype == "DT_STRING" else value


def written(value: Any, name: str) -> str:
    """A tensor as the server writes it: floats with as many digits as it takes, a point in each."""
    if isinstance(value, np.ndarray):
        if value.ndim:
            return "[" + ", ".join(written(item, name) for item in value) + "]"
        value = value.item() if value.dtype.kind == "O" else value[()]
    if isinstance(value, bytes):
        if name.endswith("_bytes"):
            return json.dumps({"b64": base64.b64encode(value).decode()})
        return json.dumps(value.decode())
    if isinstance(value, (np.floating, float)):
        return decimal(value)
    if isinstance(value, np.generic):
        value = value.item()
    return json.dumps(value)


def decimal(value: Any) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{float(value):.6g}"
    if type(value)(text) != value:
        text = f"{float(value):.{9 if isinstance(value, np.float32) else 17}g}"
    return text if "." in text or "e" in text else f"{text}.0"
