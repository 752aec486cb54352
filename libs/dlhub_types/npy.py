"""NumPy's .npy files, read without unpickling anything and without believing their heads."""

from __future__ import annotations

import io

import numpy as np
from numpy.lib import format as npy_format

from dlhub_types.arrays import Array
from dlhub_types.unreadable import unreadable

MAGIC = b"\x93NUMPY"
_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def read(data: bytes | bytearray | memoryview, path: str = "inputs") -> Array:
    """The array in a .npy file. Raises InputMismatch for a broken one, and for one of objects."""
    file = io.BytesIO(data)
    try:
        version = npy_format.read_magic(file)
        shape, fortran, dtype = _READERS[version](file)
    except (ValueError, KeyError) as error:
        raise unreadable(path, "a .npy file", f"it cannot be read as one: {error}") from error
    if dtype.hasobject or dtype.names:
        raise unreadable(path, "a .npy file of numbers, texts or times", f"this one is of {dtype}")
    start, count = file.tell(), 1
    for length in shape:
        count *= length
    wanted, came = count * dtype.itemsize, len(data) - start
    if wanted != came:
        why = f"its head promises {wanted:,} bytes ({dtype}, shape {list(shape)}), and {came:,} follow"
        raise unreadable(path, "a whole .npy file", why)
    flat = np.frombuffer(data, dtype, count, start) if wanted else np.empty(count, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def write(array: Array) -> bytes:
    """A .npy file. Raises ValueError for an array of objects."""
    file = io.BytesIO()
    npy_format.write_array(file, np.asarray(array), allow_pickle=False)
    return file.getvalue()
