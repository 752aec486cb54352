"""The codec: what goes in comes out, what cannot go in says where it is, what comes in broken is refused."""

from __future__ import annotations

import datetime
import decimal
import math
import struct
import sys

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from proto_msgs import arrays, codec

UTC = datetime.UTC


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas()
)
keys = st.text() | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.none() | st.binary() | st.datetimes()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)
dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(endianness="?", sizes=(64, 128))
    | hnp.datetime64_dtypes(endianness="?")
    | hnp.timedelta64_dtypes(endianness="?")
    | hnp.unicode_string_dtypes(endianness="?", min_len=1)
    | hnp.byte_string_dtypes(min_len=1)
)
ndarrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


def same(left, right):
    """Equal, type for type: 1 is not True, and arrays agree in dtype and shape."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


class TestRoundTrip:
    @given(values)
    def test_a_value_comes_back_as_it_went_in(self, value):
        assert same(codec.unpack(codec.pack(value)), value)

    @given(ndarrays)
    def test_an_array_comes_back_with_dtype_shape_and_bytes(self, array):
        back = codec.unpack(codec.pack(array))
        assert back.dtype == array.dtype.newbyteorder("<")
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)

    @given(ndarrays)
    def test_without_numpy_an_array_comes_back_as_lists(self, array):
        array = array.astype(array.dtype.newbyteorder("<"))
        raw = arrays.RawArray(array.dtype.str, array.shape, array.tobytes())
        expected = array.view("i8") if array.dtype.kind in "Mm" and array.size else array
        assert_equal_lists(raw.tolist(), expected.tolist())

    def test_nan_and_infinity_survive(self):
        back = codec.unpack(codec.pack([math.nan, math.inf, -math.inf]))
        assert math.isnan(back[0])
        assert back[1:] == [math.inf, -math.inf]

    def test_tuples_come_back_as_lists(self):
        assert codec.unpack(codec.pack((1, (2, 3)))) == [1, [2, 3]]

    def test_bytes_like_objects_come_back_as_bytes(self):
        assert codec.unpack(codec.pack([bytearray(b"x"), memoryview(b"y")])) == [b"x", b"y"]

    @pytest.mark.parametrize("value", [(2, 3), [[1, 2], [3, 4]]])
    def test_an_array_that_is_not_contiguous_is_copied(self, value):
        array = np.asarray(value).T[::-1]
        np.testing.assert_array_equal(codec.unpack(codec.pack(array)), array)

    @pytest.mark.parametrize(
        ("scalar", "plain"),
        [
            (np.bool_(True), True),
            (np.int8(-3), -3),
            (np.uint64(2**64 - 1), 2**64 - 1),
            (np.float16(0.5), 0.5),
            (np.float32(0.5), 0.5),
            (np.float64(0.5), 0.5),
            (np.longdouble(0.5), 0.5),
            (np.complex64(1 + 2j), 1 + 2j),
            (np.str_("x"), "x"),
            (np.bytes_(b"x"), b"x"),
            (np.datetime64("2026-11-03", "ns"), datetime.datetime(2026, 11, 3)),
            (np.timedelta64(1500, "ms"), datetime.timedelta(seconds=1.5)),
        ],
    )
    def test_a_numpy_scalar_comes_back_as_a_python_scalar(self, scalar, plain):
        assert same(codec.unpack(codec.pack(scalar)), plain)

    @pytest.mark.parametrize(
        ("items", "plain"),
        [
            ([{"a": 1}, [np.int32(2)]], [{"a": 1}, [2]]),
            (np.int32(5), 5),
            ({"a": 1}, {"a": 1}),
            (None, None),
        ],
    )
    def test_an_array_of_objects_comes_back_as_lists(self, items, plain):
        assert codec.unpack(codec.pack(np.array(items, dtype=object))) == plain

    def test_an_offset_from_utc_is_kept(self):
        moment = datetime.datetime(2026, 11, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=5.5)))
        assert codec.unpack(codec.pack(moment)).isoformat() == "2026-11-03T00:00:00+05:30"

    def test_a_raw_array_can_be_forwarded(self):
        array = np.arange(6.0).reshape(2, 3)
        raw = arrays.RawArray("<f8", (2, 3), array.tobytes())
        assert codec.pack(raw) == codec.pack(array)


def assert_equal_lists(left, right):
    if isinstance(right, list):
        assert isinstance(left, list)
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_equal_lists(one, other)
    else:
        assert left == right or (left != left and right != right)


class TestBytes:
    """What other languages rely on."""

    def test_an_array_is_header_and_elements(self):
        body = b'\x10\x00\x07\x00\x92\xa3<f4\x91\x02' + b"\0" * 5 + struct.pack("<ff", 1, 2)  # fmt: skip
        assert codec.pack(np.array([1, 2], dtype="f4")) == b"\xc7\x18\x01" + body

    def test_elements_are_aligned_in_memory(self):
        array = codec.unpack(codec.pack({"x": np.arange(10.0)}))["x"]
        assert array.flags.aligned
        assert array.ctypes.data % 16 == 0

    @pytest.mark.parametrize(
        ("value", "code", "body"),
        [
            (datetime.datetime(2026, 11, 3, 9, 30), 2, b"2026-11-03T09:30:00"),
            (datetime.timedelta(days=-1, seconds=5, microseconds=7), 3, b"\x93\xff\x05\x07"),
            (1.5 - 2j, 4, struct.pack("<dd", 1.5, -2)),
        ],
    )
    def test_an_extension_is_as_documented(self, value, code, body):
        assert msgpack.unpackb(codec.pack(value)) == msgpack.ExtType(code, body)

    def test_a_datetime_may_end_in_z(self):
        data = msgpack.packb(msgpack.ExtType(2, b"2026-11-03T09:30:00.250Z"))
        assert codec.unpack(data) == datetime.datetime(2026, 11, 3, 9, 30, 0, 250000, UTC)

    def test_the_timestamp_of_msgpack_is_a_datetime(self):
        data = msgpack.packb(msgpack.Timestamp(0, 500_000_000))
        assert codec.unpack(data) == datetime.datetime(1970, 1, 1, 0, 0, 0, 500000, UTC)


class TestViews:
    def test_an_array_is_not_copied(self):
        array = codec.unpack(codec.pack(np.arange(4)))
        assert not array.flags.owndata
        assert not array.flags.writeable

    def test_an_own_array_can_be_written_to(self):
        array = codec.unpack(codec.pack([np.arange(4)]), own_arrays=True)[0]
        array += 1
        assert array.tolist() == [1, 2, 3, 4]

    def test_the_packer_lets_go_of_a_large_value(self):
        before = codec._local.packer
        codec.pack(b"x" * (1 << 21))
        assert codec._local.packer is not before


class TestWithoutNumpy:
    @pytest.fixture(autouse=True)
    def _no_numpy(self, monkeypatch):
        self.array = codec.pack(np.arange(6.0).reshape(2, 3))
        arrays._layouts.clear()
        monkeypatch.setitem(sys.modules, "numpy", None)
        yield
        arrays._layouts.clear()

    def test_an_array_is_raw(self):
        raw = codec.unpack(self.array)
        assert (raw.dtype, raw.shape, len(raw.data)) == ("<f8", (2, 3), 48)
        assert repr(raw) == "RawArray('<f8', (2, 3), 48 bytes)"

    def test_an_own_array_is_nested_lists(self):
        assert codec.unpack(self.array, own_arrays=True) == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]

    def test_plain_values_need_none(self):
        assert codec.unpack(codec.pack({"a": [1, 2j]})) == {"a": [1, 2j]}


class Opaque:
    pass


class Loud:
    def __repr__(self):
        raise RuntimeError("no repr")


class TestEncodeError:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({1, 2}, "output: a value of type set cannot be encoded; use sorted(...)"),
            (
                [1, {"a": [2, {3}]}],
                "output[1]['a'][1]: a value of type set cannot be encoded; use sorted(...)",
            ),
            (Opaque(), "test_codec.Opaque cannot be encoded; use None, bool"),
            (
                {"x": -(2**64)},
                "output['x']: a value of type int cannot be encoded; use a float or a str, as it",
            ),
            ({"a": {(1, 2): 3}}, "output['a']: the key (1, 2) cannot be encoded: use a str or an int"),
            ({frozenset(): 1}, "output: the key frozenset() cannot be encoded"),
            ({Loud(): 1}, "test_codec.Loud cannot be encoded: use a str or an int"),
            (["a", "\udfff"], "output[1]: a value of type str cannot be encoded; use bytes"),
            (decimal.Decimal(1), "use a float or a str"),
            (datetime.date(2026, 1, 1), "use a datetime"),
            ((x for x in ()), "use list(...)"),
            (np.ma.array([1.0], mask=[True]), "use array.filled(...)"),
            (np.zeros(1, "i4,i4"), "numpy.ndarray with dtype [('f0'"),
            (np.zeros(1, np.longdouble), "with dtype float128 cannot be encoded"),
            (np.array([[0, {2}]], dtype=object), "output[0][1]: a value of type set"),
            ([np.array([{(1,): 2}], dtype=object)], "output[0][0]: the key (1,) cannot be encoded"),
            (np.array([2**80]), "output[0]: a value of type int"),
            (np.datetime64("NaT", "us"), "it is no time that a datetime can hold"),
            (np.datetime64(10**18, "s"), "it is no time that a datetime can hold"),
            (nested(101), "nested more than 100 deep"),
            (nested(600), "nested more than 100 deep"),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
    )
    def test_it_names_the_place_and_what_to_use_instead(self, value, message):
        with pytest.raises(codec.EncodeError) as caught:
            codec.pack(value, "output")
        assert message in str(caught.value)

    def test_a_value_inside_itself_is_refused(self):
        value = {"a": []}
        value["a"].append(value)
        with pytest.raises(codec.EncodeError, match=r"^value\['a'\]\[0\]\['a'\].*inside itself"):
            codec.pack(value)

    def test_whatever_a_value_raises_is_an_encode_error(self):
        class Unruly(dict):
            def items(self):
                raise RuntimeError("unruly")

        with pytest.raises(codec.EncodeError):
            codec.pack([Unruly(a=1)])

    def test_the_next_value_is_not_harmed(self):
        with pytest.raises(codec.EncodeError):
            codec.pack(["spoilt", Opaque()])
        assert codec.unpack(codec.pack("good")) == "good"


def extension(code, body):
    return msgpack.packb(msgpack.ExtType(code, body))


def array_extension(fields, data, offset=None, pad=b"\0"):
    header = msgpack.packb(fields)
    offset = -(-(4 + len(header)) // 16) * 16 if offset is None else offset
    return extension(1, (struct.pack("<HH", offset, len(header)) + header).ljust(offset, pad) + data)


class TestDecodeError:
    @given(st.binary())
    def test_arbitrary_bytes_raise_nothing_else(self, data):
        try:
            codec.unpack(data)
        except codec.DecodeError as error:
            assert str(error)

    @given(st.integers(0, 8), st.binary())
    def test_arbitrary_extensions_raise_nothing_else(self, code, body):
        try:
            codec.unpack(extension(code, body))
        except codec.DecodeError as error:
            assert str(error)

    @given(values | ndarrays, st.data())
    def test_a_flipped_byte_raises_nothing_else(self, value, data):
        damaged = bytearray(codec.pack([value]))
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
        try:
            codec.unpack(damaged)
        except codec.DecodeError as error:
            assert str(error)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "not an encoded value"),
            (b"\x01\x01", "extra data"),
            (b"\xc1", "not an encoded value"),
            (b"\x81\x90\x01", "unhashable"),
            (b"\xa1\xff", "utf-8"),
            (b"\x91" * 2000, "not an encoded value"),
            (extension(9, b""), "extension type 9 is not one of ours"),
            (extension(4, b"\0" * 8), "a complex number takes 16 bytes; 8 came"),
            (extension(2, b"yesterday"), "yesterday"),
            (extension(3, b"\x91\x01"), "not enough values"),
            (extension(1, b"\0"), "header is cut off"),
            (extension(1, struct.pack("<HH", 17, 2) + b"\0" * 40), "offset 17"),
            (array_extension(["<f8"], b""), "is not [dtype, shape]"),
            (array_extension(["<f8", 3], b""), "not a list of at most 32 lengths"),
            (array_extension(["<f8", [0] * 33], b""), "not a list of at most 32 lengths"),
            (array_extension(["<f8", [-1]], b""), "impossible length"),
            (array_extension(["<f8", [2]], b"\0" * 8), "dtype <f8 and shape [2] takes 16 bytes; 8 came"),
            (array_extension(["<f8", [2**60, 2**60]], b""), "0 came"),
            (array_extension(["|O", [1]], b"\0" * 8), "dtype '|O' do not travel"),
            (array_extension([">f8", [1]], b"\0" * 8), "little-endian ones do"),
            (array_extension(["|f8", [1]], b"\0" * 8), "little-endian ones do"),
            (array_extension(["<f16", [1]], b"\0" * 16), "do not travel"),
            (array_extension(["f8,f8", [1]], b"\0" * 16), "do not travel"),
            (array_extension(["<M8[parsec]", [1]], b"\0" * 8), "parsec"),
            (array_extension(["|b1", [2]], b"\0\2"), "something else than 0 and 1"),
            (array_extension(["<U1", [1]], b"\xff\xff\xff\xff"), "something else than Unicode"),
        ],
    )
    def test_it_says_what_is_wrong(self, data, message):
        with pytest.raises(codec.DecodeError) as caught:
            codec.unpack(data)
        assert message in str(caught.value)

    def test_lengths_that_multiply_to_nothing_are_bounded(self):
        with pytest.raises(codec.DecodeError):
            codec.unpack(array_extension(["<f8", [0, 2**61, 2**61]], b""))
