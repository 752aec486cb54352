"""Decoding in place: the same values as the codec's, and arrays that are views."""

from __future__ import annotations

import datetime
import mmap
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from proto_msgs import codec, views

LARGE = np.arange(2000, dtype="<f4")
VALUES: list[Any] = [
    None, True, 0, 127, 128, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -1, -32, -33, -129, -40000, -(2**40),
    1.5, float("inf"), "", "iron", "a" * 40, "a" * 300, "a" * 70_000, "Fe₂O₃",
    b"", b"\x00" * 300, b"\x01" * 70_000, 3 + 4j,
    datetime.datetime(2026, 11, 3, 9, 30), datetime.timedelta(days=1, microseconds=5),
    [], {}, [1, [2, {"a": None}]], {"x": {"y": [1.5, "z"]}}, {1: "int key", None: "nil key"},
    list(range(20)), {str(i): i for i in range(20)}, list(range(1000)), [[[]]] * 70_000,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_values_are_those_of_the_codec(value: Any) -> None:
    data = codec.pack(value)

    assert views.unpack(data) == codec.unpack(data)


@pytest.mark.parametrize("dtype", ["b1", "i1", "u8", "f2", "f8", "c16", "M8[us]", "m8[ns]", "U9", "S5"])
def test_arrays_are_those_of_the_codec(dtype: str) -> None:
    array = np.zeros((30, 50), dtype)

    found = views.unpack(codec.pack({"inputs": array}))["inputs"]

    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_what_another_packer_wrote_is_understood() -> None:
    for value in ([1] * 20, {"a": 1.5}, [b"raw", "text"], msgpack.Timestamp(1000)):
        data = msgpack.packb(value, use_single_float=True)

        assert views.unpack(data) == codec.unpack(data)


def test_large_arrays_are_views_and_small_ones_are_not() -> None:
    data = codec.pack([LARGE, LARGE[:3]])

    large, small = views.unpack(data)

    assert np.shares_memory(large, np.frombuffer(data, "u1"))
    assert not np.shares_memory(small, np.frombuffer(data, "u1"))
    assert not large.flags.writeable


def test_arrays_of_a_mapped_file_can_be_written_to_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(_aligned(codec.pack(LARGE)))
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    array = views.unpack(mapped, own_arrays=True)["inputs"]
    array += 1

    assert np.shares_memory(array, np.frombuffer(mapped, "u1"))
    assert np.array_equal(array, LARGE + 1)
    assert path.read_bytes() == _aligned(codec.pack(LARGE))


def test_own_arrays_are_copies_where_the_bytes_must_not_change() -> None:
    data = codec.pack({"inputs": LARGE})

    array = views.unpack(data, own_arrays=True)["inputs"]

    assert array.flags.writeable
    assert not np.shares_memory(array, np.frombuffer(data, "u1"))


def test_own_arrays_at_odd_addresses_are_copies() -> None:
    data = bytearray(b"\0" + _aligned(codec.pack(LARGE)))

    array = views.unpack(memoryview(data)[1:], own_arrays=True)["inputs"]

    assert not np.shares_memory(array, np.frombuffer(data, "u1"))
    assert np.array_equal(array, LARGE)


def test_an_opened_map_says_where_its_entries_lie() -> None:
    data = codec.pack({"inputs": LARGE, "fresh": True})

    opened = views.open_map(data)

    assert opened is not None
    assert opened.value["fresh"] is True
    assert {key: codec.unpack(data[slice(*span)]) for key, span in opened.spans.items()}.keys() == {
        "inputs",
        "fresh",
    }
    assert np.array_equal(codec.unpack(data[slice(*opened.spans["inputs"])]), LARGE)
    assert opened.elements is not None
    assert data[opened.elements :][: LARGE.nbytes] == LARGE.tobytes()


@pytest.mark.parametrize("value", [[1], LARGE, {"inputs": list(range(views.MAX_PARTS))}])
def test_what_is_no_map_of_few_parts_is_left_to_the_codec(value: Any) -> None:
    assert views.open_map(codec.pack(value)) is None


def test_an_opened_value_says_where_the_elements_of_its_first_large_array_lie() -> None:
    data = codec.pack([1, LARGE, LARGE])
    value, elements = views.open_value(data)
    assert elements is not None
    assert data[elements : elements + LARGE.nbytes] == LARGE.tobytes()
    np.testing.assert_array_equal(value[2], LARGE)
    assert views.open_value(codec.pack(list(range(1000)))) == (list(range(1000)), None)


def test_bytes_that_are_no_value_are_refused_as_by_the_codec() -> None:
    whole = codec.pack({"inputs": LARGE, "more": [1, "two"]})
    broken = [b"", b"\xc1", whole + b"\0", b"\x81\x90\x01", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
    for data in [*broken, *(whole[:length] for length in (1, 8, 20, 40, 5000, len(whole) - 1))]:
        with pytest.raises(codec.DecodeError):
            codec.unpack(data)
        with pytest.raises(codec.DecodeError):
            views.unpack(data)


def test_an_array_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(codec.pack(LARGE))
    data[5] += 0x10  # the first byte of its header's offset

    with pytest.raises(codec.DecodeError):
        views.unpack(bytes(data))


def test_deep_values_are_left_to_the_codec() -> None:
    value: Any = LARGE
    for _ in range(views.MAX_DEPTH + 1):
        value = [value]

    found = views.unpack(codec.pack(value))

    for _ in range(views.MAX_DEPTH + 1):
        (found,) = found
    assert np.array_equal(found, LARGE)


ODD = np.arange(4000, dtype="<f4")
PACKED: list[Any] = [
    *VALUES, LARGE, ODD[::2], ODD.reshape(2, 4, 500), np.asfortranarray(ODD.reshape(40, 100)),
    ODD.astype(">f4"), np.zeros(5000, "b1"), np.zeros(3000, "M8[us]"), np.full(900, "text"),
    np.zeros(900, "S9"), np.zeros(70_000, "c16"), np.array([LARGE, None], "O"),
    {"a": LARGE, 1: [LARGE, "x"], "b": (LARGE, {"c": LARGE})}, [LARGE] * 3, [LARGE] * 300,
    np.ma.masked_array(LARGE).filled(0), np.float32(3), {"deep": [[[[[[[[[[[[[[[[[[LARGE]]]]]]]]]]]]]]]]]]},
]  # fmt: skip


@pytest.mark.parametrize("value", PACKED, ids=lambda value: repr(value)[:30])
def test_pieces_joined_are_the_bytes_of_the_codec(value: Any) -> None:
    assert b"".join(views.pack(value)) == codec.pack(value)


def test_a_large_array_is_a_piece_where_it_lies() -> None:
    pieces = views.pack({"a": LARGE, "b": 1})

    assert [len(piece) for piece in pieces[1:]] == [LARGE.nbytes, 3]
    assert np.shares_memory(np.frombuffer(pieces[1], "<f4"), LARGE)


@pytest.mark.parametrize(
    "value",
    [{"a": LARGE, "b": {1}}, [LARGE, [object()]], {(1, 2): LARGE}, LARGE.astype("f16"), np.ma.array(LARGE)],
)
def test_what_cannot_be_packed_is_explained_by_the_codec(value: Any) -> None:
    with pytest.raises(codec.EncodeError) as expected:
        codec.pack(value, "output")
    with pytest.raises(codec.EncodeError) as found:
        views.pack(value, "output")

    assert str(found.value) == str(expected.value)


def _aligned(packed_array: bytes) -> bytes:
    """A map with the array, whose elements begin at a multiple of 16."""
    head = len(packed_array) - LARGE.nbytes
    for length in range(32):
        begin = codec.pack({"pad": "x" * length, "inputs": None})[:-1]
        if (len(begin) + head) % 16 == 0:
            return begin + packed_array
    raise AssertionError("no such length")
