"""HDF5 files through h5py: attributes, and the shapes of what is stored; never the numbers.

h5py is imported when the first such file is read. It belongs to the extra `describe`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers.problems import DescribeError, truncated, unreadable

MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_DATASETS = 1_000_000


@dataclass(frozen=True)
class Dataset:
    """An array in the file: where, which shape, which kind."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@contextmanager
def opened(path: Path, content: io.RawIOBase | None = None) -> Iterator[Any]:
    """The root of an HDF5 file; `content` when it lies inside another file. Raises DescribeError."""
    h5py = _h5py(path)
    try:
        file = h5py.File(content if content is not None else path, "r")
    except OSError as error:
        if "truncated" in str(error) or "eof" in str(error).lower():
            raise truncated(path, "an HDF5 file") from error
        raise unreadable(path, "an HDF5 file", f"something else ({error})") from error
    with file:
        try:
            yield file
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise unreadable(path, "an HDF5 file, whole", f"damage ({error})", "Save it again.") from error


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise DescribeError(
            f"{path} is an HDF5 file, which is read with h5py, and h5py is not installed here: "
            "pip install 'dlhub[describe]'"
        ) from error
    return h5py


def datasets(group: Any) -> list[Dataset]:
    """Every array below a group. Links to other files are not followed."""
    found: list[Dataset] = []

    def visit(name: str, node: Any) -> bool | None:
        shape = getattr(node, "shape", None)
        if isinstance(shape, tuple):
            found.append(Dataset(name, tuple(int(length) for length in shape), str(node.dtype)))
        return True if len(found) > _MAX_DATASETS else None

    group.visititems(visit)
    return found


def text_attribute(node: Any, name: str) -> str | None:
    """A text attribute; h5py gives bytes for some of them."""
    value = node.attrs.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None
