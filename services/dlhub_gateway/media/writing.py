"""An output as the file that the header `Accept` asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiohttp import web

from dlhub_gateway.http_errors import NotAcceptable
from dlhub_gateway.media.accept import choose
from dlhub_gateway.negotiation import JSON_TYPE, MSGPACK_TYPE
from dlhub_types import csv_tables, npy, picture_files
from dlhub_types.media import BYTES, CSV, NPY, OF_ARRAYS, PICTURES, PNG, recognised
from dlhub_types.mismatch import describe, describe_value
from proto_msgs import codec
from proto_msgs.arguments import Argument
from proto_msgs.arrays import RawArray
from proto_msgs.errors import Internal

_SLOW_BYTES = 64 * 1024
"""A larger output is turned into a file in a thread."""
ALWAYS = (JSON_TYPE, MSGPACK_TYPE)
_NAMES_OF_MSGPACK = {"application/x-msgpack": MSGPACK_TYPE}


def wanted_media(accept: str | None, output: Argument) -> str | None:
    """The media type of the file that a caller wants an output as; None: JSON or MessagePack.

    Raises NotAcceptable when the output can have none of the forms that were asked for.
    """
    if accept is None or accept == "*/*":
        return None
    offers = (*ALWAYS, *_NAMES_OF_MSGPACK, *offered(output))
    chosen = choose(accept, offers)
    if chosen is None:
        raise NotAcceptable(
            f"Accept: {accept:.200} asks for nothing that this output can be sent as; it is declared as "
            f"{describe(output)} and can be sent as {', '.join((*ALWAYS, *offered(output)))}"
        )
    return None if chosen in ALWAYS or chosen in _NAMES_OF_MSGPACK else chosen


def offered(output: Argument) -> tuple[str, ...]:
    """Media types that an output of this declaration may be sent as, the likeliest first."""
    match output.type:
        case "ndarray":
            return OF_ARRAYS
        case "file":
            return tuple(dict.fromkeys((*_types_of(output), *PICTURES, NPY, CSV, BYTES)))
        case "python object":
            return (*OF_ARRAYS, BYTES)
        case "dict" if output.properties:  # of which the caller may ask for one entry
            kinds = [kind for entry in output.properties.values() for kind in offered(entry)]
            return tuple(dict.fromkeys(kinds))
        case "list" | "dict":
            return (*OF_ARRAYS, BYTES)
        case _:
            return ()


def _types_of(output: Argument) -> tuple[str, ...]:
    return tuple(kind.lower() for kind in output.file_types or () if not kind.endswith("/*"))


def written(packed: bytes, kind: str, output: Argument) -> bytes:
    """The file of this media type that holds a packed output. Raises NotAcceptable."""
    try:
        value = codec.unpack(packed)
    except codec.DecodeError as error:
        raise Internal(f"a site sent an output that cannot be read: {error}") from error
    value, declared = _only_entry(value, output)
    if isinstance(value, bytes):
        return _file(value, kind, declared)
    return _of_array(_array(value, kind), kind, declared)


def _only_entry(value: Any, output: Argument) -> tuple[Any, Argument | None]:
    """Of a dict with one entry, that entry."""
    if not isinstance(value, dict) or len(value) != 1:
        return value, output
    name, entry = next(iter(value.items()))
    return entry, (output.properties or {}).get(name)


def _file(data: bytes, kind: str, declared: Argument | None) -> bytes:
    """A file as it is, if it is one of this type."""
    types = _types_of(declared) if declared is not None else ()
    found = recognised(data)
    if kind in (BYTES, found) or kind in types[:1] or (found == BYTES and kind in types):
        return data
    came = found if found != BYTES else (", ".join(types) or "of a type that nobody declared")
    raise NotAcceptable(
        f"the output is a file, {came}, and is sent as it is; {kind} was asked for: ask for {BYTES}"
    )


def _array(value: Any, kind: str) -> Any:
    """The array that an output is, lists of numbers included."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, RawArray):
        return np.asarray(value.tolist())
    if isinstance(value, list):
        try:
            array = np.array(value)
        except (ValueError, OverflowError):
            array = np.array(None)
        if array.dtype.kind in "biufc":
            return array
    advice = "ask for one entry with outputs, or ask" if isinstance(value, dict) else "ask"
    raise NotAcceptable(
        f"the output cannot be sent as {kind}: it is no array and no file, but {describe_value(value)}; "
        f"{advice} for {JSON_TYPE}"
    )


def _of_array(array: Any, kind: str, declared: Argument | None) -> bytes:
    try:
        if kind in PICTURES:
            shown = declared if declared is not None and declared.type == "ndarray" else None
            return picture_files.of_array(array, kind, shown)
        if kind == CSV:
            return csv_tables.write(array).encode()
        if kind == NPY:
            return npy.write(array)
    except ValueError as error:
        raise NotAcceptable(f"the output cannot be sent as {kind}: {error}") from error
    raise NotAcceptable(f"the output is an array and cannot be sent as {kind}; ask for {PNG} or {NPY}")


async def as_file(packed: bytes, kind: str, output: Argument, metadata: Mapping[str, Any]) -> web.Response:
    """The answer with an output as a file of this media type. Raises NotAcceptable."""
    if len(packed) > _SLOW_BYTES:
        body = await asyncio.to_thread(written, packed, kind, output)
    else:
        body = written(packed, kind, output)
    return file_response(body, kind, metadata)


def file_response(body: bytes, kind: str, metadata: Mapping[str, Any]) -> web.Response:
    """An answer that is a file; what else there is to say stands in headers."""
    headers = {"Vary": "Accept"}
    for name, field in (("Run-Id", "run_id"), ("Version", "version"), ("Site", "site")):
        if metadata.get(field):
            headers[f"DLHub-{name}"] = str(metadata[field])
    if "cached" in metadata:
        headers["DLHub-Cached"] = str(metadata["cached"]).lower()
    timings = metadata.get("timings_ms") or {}
    if timings:
        headers["Server-Timing"] = ", ".join(f"{name};dur={spent}" for name, spent in timings.items())
    return web.Response(body=body, content_type=kind, headers=headers)
