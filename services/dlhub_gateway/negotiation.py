"""JSON or MessagePack, both ways: what a body means, and how an answer is written.

A model's output reaches the gateway as packed bytes. In MessagePack it is copied into the answer
as it is; in JSON it is unpacked and written in the JSON forms (NaN as text, arrays as lists, ...).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgpack
import orjson
from aiohttp import web

from dlhub_gateway.http_errors import UnsupportedType
from dlhub_gateway.media.accept import choose
from dlhub_types import to_json_bytes
from proto_msgs import codec
from proto_msgs.errors import InputMismatch, Internal, Malformed, OutputUnencodable

JSON_TYPE = "application/json"
MSGPACK_TYPE = "application/msgpack"
_NAMES = (JSON_TYPE, MSGPACK_TYPE, "application/x-msgpack")
_LONG_NUMBER = re.compile(rb"\d{19}")
_SHOWN_BYTES = 80


class Form(ABC):
    """A way to write an answer."""

    content_type: str

    @abstractmethod
    def value(self, packed: bytes) -> bytes:
        """A packed value in this form. Raises OutputUnencodable."""

    @abstractmethod
    def plain(self, value: Any) -> bytes:
        """The hub's own data in this form: text, numbers, lists and maps."""

    @abstractmethod
    def mapping(self, members: Mapping[str, bytes]) -> bytes:
        """A map whose values are in this form already."""

    @abstractmethod
    def array(self, items: Iterable[bytes]) -> bytes:
        """A list whose items are in this form already."""

    def response(
        self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """An answer with a body in this form."""
        return web.Response(body=body, status=status, content_type=self.content_type, headers=headers)


class _Json(Form):
    content_type = JSON_TYPE

    def value(self, packed: bytes) -> bytes:
        try:
            return to_json_bytes(codec.unpack(packed), "output")
        except codec.EncodeError as error:
            raise OutputUnencodable(f"{error}; ask for {MSGPACK_TYPE} to get it as it is") from error
        except codec.DecodeError as error:
            raise Internal(f"a site sent an output that cannot be read: {error}") from error

    def plain(self, value: Any) -> bytes:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)

    def mapping(self, members: Mapping[str, bytes]) -> bytes:
        return b"{" + b",".join([b'"%s":%s' % (k.encode(), v) for k, v in members.items()]) + b"}"

    def array(self, items: Iterable[bytes]) -> bytes:
        return b"[" + b",".join(items) + b"]"


class _MessagePack(Form):
    content_type = MSGPACK_TYPE

    def value(self, packed: bytes) -> bytes:
        return packed

    def plain(self, value: Any) -> bytes:
        return codec.pack(value)

    def mapping(self, members: Mapping[str, bytes]) -> bytes:
        pieces = [msgpack.Packer().pack_map_header(len(members))]
        for key, value in members.items():
            pieces += (msgpack.packb(key), value)
        return b"".join(pieces)

    def array(self, items: Iterable[bytes]) -> bytes:
        pieces = list(items)
        return b"".join([msgpack.Packer().pack_array_header(len(pieces)), *pieces])


JSON: Form = _Json()
MESSAGEPACK: Form = _MessagePack()


def answer_form(request: web.BaseRequest) -> Form:
    """The form that the caller prefers; JSON when they do not say."""
    return form_for(request.headers.get("Accept"))


def form_for(accept: str | None) -> Form:
    """The form that a header `Accept` prefers; JSON when there is none."""
    return JSON if accept is None or accept == "*/*" else _preferred(accept)


@lru_cache(maxsize=256)
def _preferred(accept: str) -> Form:
    return MESSAGEPACK if choose(accept, _NAMES) not in (None, JSON_TYPE) else JSON


def is_json(content_type: str | None) -> bool:
    """Whether a body of this type is JSON, not MessagePack. Raises UnsupportedType for anything else."""
    if content_type is None or content_type == JSON_TYPE:
        return True
    name = content_type.partition(";")[0].strip().lower()
    if name == JSON_TYPE:
        return True
    if name in (MSGPACK_TYPE, "application/x-msgpack"):
        return False
    raise UnsupportedType(
        f"a body of type {name!r} cannot be read here: set the header Content-Type to {JSON_TYPE}"
        f" (curl: -H 'Content-Type: {JSON_TYPE}') or {MSGPACK_TYPE}"
    )


def decode(body: bytes, as_json: bool) -> Any:
    """The value in `body`. Raises Malformed, and InputMismatch for integers beyond 64 bits."""
    if not body:
        raise Malformed("the body is empty; a JSON or msgpack object was expected")
    try:
        if not as_json:
            return codec.unpack(body)
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse_long_integers(body)
        raise Malformed(f"the body is not JSON: {error}{_excerpt(body, error.pos)}") from error
    except codec.DecodeError as error:
        raise Malformed(f"the body is not msgpack: {error}") from error
    if as_json:
        _refuse_long_integers(body)
    return value


def _excerpt(body: bytes, position: int) -> str:
    near = body[max(0, position - 20) : position + 20].decode(errors="replace")
    return f", near {near!r}" if near else ""


def _refuse_long_integers(body: bytes) -> None:
    """orjson would read them as floats without a word and lose digits, or call them a syntax error."""
    if _LONG_NUMBER.search(body) is None:
        return
    try:
        value = json.loads(body, parse_int=_parse_int)
    except (ValueError, RecursionError):
        return  # it is no JSON at all, which orjson says better
    todo: list[tuple[Any, str]] = [(value, "")]
    while todo:
        part, path = todo.pop()
        if isinstance(part, dict):
            todo += [(item, f"{path}.{key}" if path else key) for key, item in part.items()]
        elif isinstance(part, list):
            todo += [(item, f"{path}[{index}]") for index, item in enumerate(part)]
        elif isinstance(part, _TooLong):
            raise InputMismatch(
                f"{path}: an integer of at most 64 bits was expected; {part.text} came; send it as text",
                details={"path": path},
            )


class _TooLong:
    """Stands for an integer that no message can carry."""

    def __init__(self, text: str) -> None:
        self.text = text if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]}... ({len(text)} digits)"


def _parse_int(text: str) -> int | _TooLong:
    if len(text) > 20:
        return _TooLong(text)
    number = int(text)
    return number if -(2**63) <= number < 2**64 else _TooLong(text)
