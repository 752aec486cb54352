"""Bodies that are neither JSON nor MessagePack: a form with parts, or one file or array as it is.

Both become the envelope that JSON would have made. The value of each part is read by the declared type of
its input; the whole is checked by the method afterwards, as any input is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import BodyPartReader, MultipartReader, web

from dlhub_gateway.bodies import read_body
from dlhub_gateway.envelope import Envelope, read_envelope
from dlhub_gateway.http_errors import UnsupportedType
from dlhub_gateway.idempotency import HEADER
from dlhub_gateway.media.reading import Content, array_of, check_file_type
from dlhub_gateway.media.slots import Slot, Slots
from dlhub_gateway.media.spool import CHUNK_BYTES, Budget, Limits, as_file, chunks_of, in_memory
from dlhub_gateway.negotiation import JSON_TYPE, MSGPACK_TYPE, decode
from dlhub_runtime.blobs import BlobStore
from dlhub_types import compile_argument
from dlhub_types.media import BYTES, OF_ARRAYS, named
from dlhub_types.mismatch import describe
from proto_msgs.arguments import Argument
from proto_msgs.errors import Malformed

FORM = "multipart/form-data"
ENVELOPES = (JSON_TYPE, MSGPACK_TYPE, "application/x-msgpack")
CURLS_DEFAULT = "application/x-www-form-urlencoded"
MAX_PARTS = 1000
_SLOW_PICTURE_BYTES = 64 * 1024
"""A larger content is read in a thread: pictures unpack to many times their size."""
_TEXT = "text/plain"
_SETTINGS = ("parameters", "timeout_s", "outputs", "fresh")
_INPUTS = "inputs"


def is_envelope(content_type: str | None) -> bool:
    """Whether a body is the JSON or MessagePack object that says it all; nothing said means JSON."""
    return content_type is None or named(content_type) in ENVELOPES


@dataclass(slots=True)
class BodyReader:
    """Reads one request's body for a method with this input."""

    declared: Argument
    store: BlobStore
    limits: Limits
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(self.limits)

    async def read(self, request: web.Request) -> Envelope:
        """The envelope. Raises Malformed, UnsupportedType, InputMismatch and TooLarge."""
        try:
            if named(request.headers.get("Content-Type")) == FORM:
                return await self._form(request)
            return await self._bare(request)
        except (ValueError, aiohttp.http.HttpProcessingError) as error:
            raise Malformed(f"the body is no {FORM} as it should be: {error}") from error

    # --- one file or array ---

    async def _bare(self, request: web.Request) -> Envelope:
        kind = named(request.headers.get("Content-Type"))
        if not self._may_be_bare(kind):
            raise UnsupportedType(_unread(kind, self.declared))
        slots = Slots(self.declared)
        slot = slots.only()
        for value in await self._values(slot, chunks_of(request), kind, None):
            slots.fill(slot, value)
        return _envelope(slots.value(None, False), _of_query(request))

    def _may_be_bare(self, kind: str) -> bool:
        inner = (
            self.declared,
            *(self.declared.properties or {}).values(),
            *(self.declared.element_types or ()),
        )
        types = {one.item_type.type if one.type == "list" and one.item_type else one.type for one in inner}
        takes_files = "file" in types and kind not in (FORM, CURLS_DEFAULT)
        return takes_files or ("ndarray" in types and kind in (BYTES, *OF_ARRAYS))

    # --- a form ---

    async def _form(self, request: web.Request) -> Envelope:
        slots, settings = Slots(self.declared), _of_query(request)
        inputs: Any = None
        came = False
        parts = 0
        async for part in await _parts(request):
            parts += 1
            name, kind = _checked(part, parts)
            assert isinstance(part, BodyPartReader)
            if name in _SETTINGS and name not in (self.declared.properties or {}):
                settings[name] = (await self._text(part)).strip()
            elif name == _INPUTS and kind in (None, JSON_TYPE, _TEXT) and part.filename is None:
                inputs, came = self._from_json(self.declared, await self._text(part), _INPUTS), True
            else:
                slot = slots.only() if name == _INPUTS else slots.named(name)
                for value in await self._values(slot, _chunks(part), kind, part.filename):
                    slots.fill(slot, value)
        return _envelope(slots.value(inputs, came), settings)

    async def _text(self, part: BodyPartReader) -> str:
        return (await in_memory(_chunks(part), self.budget)).decode()

    # --- what both hold ---

    async def _values(
        self, slot: Slot, chunks: AsyncIterator[bytes], kind: str | None, filename: str | None
    ) -> list[Any]:
        """What one part holds for its input, read by the declared type; several only of a list in JSON."""
        declared, path = slot.item, slot.path
        if declared.type == "file" and (kind != JSON_TYPE or filename is not None):
            check_file_type(kind or BYTES, declared, path)
            return [await as_file(chunks, self.budget, self.store)]
        data = await in_memory(chunks, self.budget)
        is_text = kind in (None, _TEXT) and filename is None
        if declared.type == "string" and (is_text or kind == _TEXT):
            return [data.decode()]
        if kind == JSON_TYPE or is_text:
            return self._of_json(slot, data.decode())
        if declared.type != "ndarray":
            raise UnsupportedType(f"{path}: {_unread(kind or BYTES, declared)}")
        content = Content(data, kind or BYTES, filename)
        if len(data) <= _SLOW_PICTURE_BYTES:
            return [array_of(content, declared, path, self.limits.max_pixels)]
        return [await asyncio.to_thread(array_of, content, declared, path, self.limits.max_pixels)]

    def _of_json(self, slot: Slot, text: str) -> list[Any]:
        if slot.takes_several and text.lstrip().startswith("["):
            return list(self._from_json(slot.declared, text, slot.path))
        return [self._from_json(slot.item, text, slot.path)]

    def _from_json(self, declared: Argument, text: str, path: str) -> Any:
        value = decode(text.encode(), True)
        if declared.type != "dict" or not declared.properties or not isinstance(value, dict):
            return compile_argument(declared).from_json(value, path)
        inner = declared.properties  # one by one, as other parts may hold the rest of them
        return {
            name: compile_argument(inner[name]).from_json(item, f"{path}[{name!r}]")
            if name in inner
            else item
            for name, item in value.items()
        }


def _of_query(request: web.Request) -> dict[str, str]:
    return {name: text for name, text in request.query.items() if name in _SETTINGS}


def _checked(part: Any, number: int) -> tuple[str, str | None]:
    """Name and media type of a part. Raises Malformed for one that is odd."""
    if number > MAX_PARTS:
        raise Malformed(f"the form has more than {MAX_PARTS} parts")
    if not isinstance(part, BodyPartReader) or not part.name:
        raise Malformed(f"part {number} of the form has no name, or is a form itself")
    if "Content-Encoding" in part.headers or "Content-Transfer-Encoding" in part.headers:
        raise Malformed(f"the part {part.name!r} is encoded; send it as it is")
    return part.name, named(part.headers["Content-Type"]) if "Content-Type" in part.headers else None


def _envelope(inputs: Any, settings: Mapping[str, str]) -> Envelope:
    return read_envelope({_INPUTS: inputs, **_settings(settings)})


def _settings(given: Mapping[str, str]) -> dict[str, Any]:
    """What stands beside the inputs, from texts."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        if name == "outputs" and not text.startswith("["):
            found[name] = [one.strip() for one in text.split(",")]
            continue
        try:
            found[name] = decode(text.encode(), True)
        except Malformed as error:
            raise Malformed(f"{name}: JSON was expected, not {text!r:.80}") from error
    return found


async def _parts(request: web.Request) -> MultipartReader:
    """The parts of a form, from the connection or from a body that had to be read before."""
    if HEADER not in request.headers:
        return await request.multipart()
    body = await read_body(request)
    content = aiohttp.StreamReader(request.protocol, 2 * len(body) + 1, loop=asyncio.get_running_loop())
    content.feed_data(body)
    content.feed_eof()
    return MultipartReader(request.headers, content)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield chunk


def _unread(kind: str, declared: Argument) -> str:
    advice = f"{JSON_TYPE} or {MSGPACK_TYPE} ({_INPUTS}, parameters), or {FORM} with a part for each input"
    if kind == CURLS_DEFAULT:
        advice += f"; curl's -d and --data-binary need -H 'Content-Type: {JSON_TYPE}', or that of the file"
    return f"a body of type {kind!r} cannot be read as input of type {describe(declared)}: send {advice}"
