"""Large inputs as they came, large outputs as they lie."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf
from unit.dlhub_gateway.records import version

from dlhub_gateway import bodies
from dlhub_gateway.parcels import ALIGNMENT, Came, Parcel, joined
from proto_msgs import codec, views
from proto_msgs.blobs import BlobRef

RUN = "/api/v1/servables/ada/big@3/run"
MSGPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
FLOATS = {"type": "ndarray", "shape": [None], "dtype": "float32"}
TABLE = {"type": "dict", "properties": {"x": FLOATS, "label": {"type": "string"}}}
ARRAY = np.random.default_rng(0).random(400_000, dtype=np.float32)
ARRAY[:3] = np.nan, np.inf, -np.inf
HEAD = codec.pack({"parameters": {}, "inputs": None})[:-1]


@pytest.fixture
async def big(stack: Stack) -> Stack:
    """A stack with a servable for large values, which gives back what it gets."""
    methods = {"run": {"input": FLOATS, "output": FLOATS}, "table": {"input": TABLE, "output": FLOATS}}
    stack.catalog.add(version("big", 3, methods, version_id="noop-1"))
    return stack


async def post(stack: Stack, body: Any, path: str = RUN, **headers: str) -> tuple[int, bytes]:
    data = io.BytesIO(body if isinstance(body, bytes) else codec.pack(body))
    async with stack.http.post(stack.url + path, data=data, headers={**MSGPACK, **headers}) as answer:
        return answer.status, await answer.read()


async def kept(stack: Stack) -> bytes:
    """The payload of the run that was sent last."""
    blob = stack.site.batches[-1].runs[0].blob
    assert blob is not None
    content = await stack.store.transient().get(blob.sha256)
    assert len(content) == blob.size_bytes
    return content


async def test_a_large_array_reaches_the_replica_as_it_was_sent(big: Stack) -> None:
    big.site.model = lambda method, inputs, parameters: 1

    status, _ = await post(big, {"timeout_s": 30, "inputs": ARRAY, "fresh": False})

    content = await kept(big)
    payload = codec.unpack(content)
    assert status == 200
    assert np.array_equal(payload["inputs"], ARRAY, equal_nan=True)
    assert payload["parameters"] == {}
    assert content.endswith(codec.pack(ARRAY))


async def test_elements_lie_at_even_addresses_of_the_file(big: Stack) -> None:
    for length in (400_000, 400_001, 399_999):
        await post(big, {"inputs": ARRAY[:length]})

        opened = views.open_map(await kept(big))

        assert opened is not None
        assert opened.elements is not None
        assert opened.elements % ALIGNMENT == 0


async def test_an_array_of_another_type_is_cast_as_ever(big: Stack) -> None:
    await post(big, {"inputs": ARRAY.astype("f8")})

    assert codec.unpack(await kept(big))["inputs"].dtype == np.float32


async def test_a_dict_of_arrays_goes_as_it_came_and_in_the_declared_order_otherwise(big: Stack) -> None:
    path = "/api/v1/servables/ada/big@3/methods/table/run"
    await post(big, {"inputs": {"x": ARRAY, "label": "a"}}, path)
    assert (await kept(big)).endswith(codec.pack({"x": ARRAY, "label": "a"}))

    await post(big, {"inputs": {"label": "a", "x": ARRAY}}, path)
    assert list(codec.unpack(await kept(big))["inputs"]) == ["x", "label"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"inputs": ARRAY.reshape(2, -1)}, 422, "inputs"),
        ({"input": ARRAY}, 400, "the field 'input' is not known"),
        ({"inputs": ARRAY, "parameters": {"nothing": 1}}, 422, "parameters.nothing"),
        (codec.pack({"inputs": ARRAY}) + b"\0", 400, "not msgpack"),
        (codec.pack({"inputs": ARRAY})[:-1], 400, "not msgpack"),
        (codec.pack({"fresh": True, "outputs": ["x"] * 500_000}), 400, "'inputs' is missing"),
    ],
)
async def test_large_bodies_that_are_wrong_are_told_so(big: Stack, body: Any, status: int, said: str) -> None:
    found, answer = await post(big, body)

    assert found == status
    assert said in answer.decode(errors="replace")


async def test_a_body_without_a_length_is_refused_when_it_gets_too_long(open_stack: StackOf) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1024)

    async with open_stack(gateway_body_bytes=4096) as stack:
        url = stack.url + "/api/v1/servables/ada/noop/run"
        async with stack.http.post(url, data=pieces(), headers=MSGPACK) as answer:
            assert answer.status == 413


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}, {"Accept": "application/json"}])
async def test_a_large_output_comes_whole(big: Stack, headers: dict[str, str]) -> None:
    output = await big.store.transient().put(codec.pack(ARRAY[3:]))
    big.site.model = lambda method, inputs, parameters: output

    for _ in range(2):
        status, answer = await post(big, {"inputs": ARRAY[:9]}, **headers)

        assert status == 200
        if "Accept" in headers:
            assert answer.count(b",") > len(ARRAY) - 4
        else:
            found = codec.unpack(answer)
            assert np.array_equal(found["output"], ARRAY[3:])
            assert found["metadata"]["site"] == "lab"
            assert list(found) == ["output", "metadata"]


async def test_an_output_that_is_gone_is_not_found(big: Stack) -> None:
    big.site.model = lambda method, inputs, parameters: BlobRef(sha256="0" * 64, size_bytes=10)

    status, answer = await post(big, {"inputs": ARRAY[:9]})

    assert status == 404
    assert b"the output is gone" in answer


async def test_an_output_that_ends_too_early_cuts_the_connection(
    big: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = big.store.transient()
    output = await store.put(codec.pack(ARRAY))
    big.site.model = lambda method, inputs, parameters: output
    path = store.path(output.sha256)
    assert path is not None

    async def cut(*_: Any) -> AsyncIterator[bytes]:
        yield b"half"
        raise OSError("ends at byte 4")

    monkeypatch.setattr(type(store), "stream", cut)

    with pytest.raises(aiohttp.ClientPayloadError):
        await post(big, {"inputs": ARRAY[:9]})
    assert "Stream cut" in caplog.text


async def test_a_large_failure_is_an_error_like_any_other(big: Stack) -> None:
    status, answer = await post(big, {"inputs": ARRAY[:9]}, "/api/v1/servables/ada/big@3/methods/nope/run")

    assert status == 404
    assert b"nope" in answer


def test_a_small_body_is_not_opened_in_place() -> None:
    assert bodies.open_body(codec.pack({"inputs": ARRAY[:9]}), False).inputs is None


def test_inputs_behind_many_parts_are_left_to_the_codec() -> None:
    opened = bodies.open_body(codec.pack({"inputs": list(range(1_200_000))}), False)

    assert opened.inputs is None
    assert len(opened.value["inputs"]) == 1_200_000


def test_an_array_among_the_parameters_is_not_aligned_for() -> None:
    opened = bodies.open_body(codec.pack({"parameters": {"a": ARRAY}, "inputs": 1}), False)

    assert opened.inputs is not None
    assert opened.inputs.elements is None


def test_a_payload_means_the_same_with_padding_and_without() -> None:
    packed = memoryview(codec.pack("x"))
    for elements in (None, 0, 1, 63):
        parcel = Came("x", packed, elements).behind(HEAD)

        found = codec.unpack(joined(parcel))

        assert len(parcel) == len(joined(parcel))
        assert (found["parameters"], found["inputs"]) == ({}, "x")


def test_what_is_joined_already_stays_as_it_is() -> None:
    assert joined(b"abc") == joined(Parcel((b"a", memoryview(b"bc")))) == b"abc"
