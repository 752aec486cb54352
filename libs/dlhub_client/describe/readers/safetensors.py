"""safetensors: the length of a JSON header, the header, then the numbers.

Source: the format's page in the safetensors documentation; its own reader refuses headers above 100 MB too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.bounded import json_object
from dlhub_client.describe.readers.facts import ModelFacts
from dlhub_client.describe.readers.problems import too_much, truncated, unreadable
from dlhub_client.describe.readers.torch_tensors import NamedTensor, parameter_count, tensor_table

_HEADER_BYTES = 100_000_000
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "BOOL": "bool", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip
_WHAT = "a safetensors file"
_NO_CLASS = (
    'safetensors holds weights alone: give model_class="module.Class", with its file in files, '
    "input_shape=[None, ...] and output_shape"
)


def is_safetensors(path: Path) -> bool:
    """Whether it begins as one: a length, then a JSON object."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**40


def read_safetensors(path: Path) -> ModelFacts:
    """Names, shapes and element types of its tensors. Raises DescribeError."""
    header = _header(path)
    metadata = header.pop("__metadata__", None)
    tensors = [_tensor(name, entry, path) for name, entry in header.items()]
    return ModelFacts(
        path=path,
        kind="Torch Model",
        format="safetensors",
        helper="torch_model",
        framework="torch",
        summary=tensor_table(tensors),
        parameter_count=parameter_count(tensors),
        requirements={"torch": None, "safetensors": None, "numpy": None},
        options={"format": "safetensors"},
        documentation=_text(metadata, "description"),
        missing=(_NO_CLASS,),
    )


def _header(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_BYTES:
            raise too_much(path, f"a header of {length} bytes", f"{_HEADER_BYTES} bytes of header")
        if length > size - 8:
            raise truncated(path, f"{_WHAT} with a header of {length} bytes")
        header = json_object(file.read(length), path, "the header of a safetensors file")
    ends = [entry.get("data_offsets", [0, 0])[-1] for entry in header.values() if isinstance(entry, dict)]
    if any(type(end) is int and end > size - 8 - length for end in ends):
        raise truncated(path, f"{_WHAT} with all its tensors")
    return header


def _tensor(name: str, entry: Any, path: Path) -> NamedTensor:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or not all(type(one) is int and one >= 0 for one in shape):
        raise unreadable(path, f"{_WHAT} that declares the shape of {name}", repr(entry)[:80])
    is_buffer = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    return NamedTensor(name, tuple(shape), _DTYPES.get(str(entry.get("dtype"))), is_buffer)


def _text(metadata: Any, key: str) -> str | None:
    value = metadata.get(key) if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else None
