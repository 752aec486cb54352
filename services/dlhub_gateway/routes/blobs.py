"""Large values by hash: fetch them whole or in part, and put them there.

Only the transient area can be reached: archives and wheels of published versions lie in the other
one, and knowing a hash must not be enough to download somebody's model.
"""

from __future__ import annotations

import re

from aiohttp import web

from dlhub_gateway.auth import Scope, require
from dlhub_gateway.endpoint import guarded, streamed
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import answer_form
from proto_msgs.errors import Malformed, NotFound, TooLarge
from proto_msgs.identity import Principal

_HASH = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES = 256 * 1024


def routes(hub: Hub) -> list[web.RouteDef]:
    path = "/api/v1/blobs/{sha256}"
    return [
        web.get(path, guarded(hub, get_blob)),  # answers HEAD as well
        web.put(path, guarded(hub, put_blob)),
    ]


async def get_blob(hub: Hub, _: Principal, request: web.Request) -> web.StreamResponse:
    """The content, or the range of it that was asked for."""
    sha256 = _hash(request)
    size = await hub.transient.size(sha256)
    if size is None:
        raise NotFound(f"there is no blob {sha256}")
    found = _range(request, size)
    if found is None:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = found
    response = _head(sha256, start, stop, size, partial="Range" in request.headers)
    nothing = request.method == "HEAD"
    return await streamed(request, response, hub.transient.stream(sha256, start, start if nothing else stop))


def _head(sha256: str, start: int, stop: int, size: int, *, partial: bool) -> web.StreamResponse:
    response = web.StreamResponse(status=206 if partial else 200)
    response.content_type = "application/octet-stream"
    response.content_length = stop - start
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = f'"{sha256}"'
    if partial:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return response


async def put_blob(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """Keep the body; it must have the hash that the address says. Inputs of runs come so as well."""
    if Scope.RUN not in caller.scopes:
        require(caller, Scope.PUBLISH)
    sha256 = _hash(request)
    limit = hub.settings.gateway_upload_bytes
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the blob has {request.content_length:,} bytes; the limit is {limit:,}")
    async with hub.transient.writer(max_bytes=limit, expected_sha256=sha256) as writer:
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            await writer.write(chunk)
    form = answer_form(request)
    return form.response(form.plain(writer.blob.model_dump()), status=201)


def _hash(request: web.Request) -> str:
    text = request.match_info["sha256"]
    if not _HASH.fullmatch(text):
        raise Malformed(f"{text!r:.80}: a SHA-256 was expected, 64 lower-case hexadecimal digits")
    return text


def _range(request: web.Request, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None when the range lies outside."""
    try:
        wanted = request.http_range
    except ValueError as error:
        raise Malformed(f"Range: bytes=FIRST-LAST was expected: {error}") from error
    start, stop, _ = wanted.indices(size)
    if start >= stop and (size > 0 or wanted.start is not None):
        return None
    return start, stop
