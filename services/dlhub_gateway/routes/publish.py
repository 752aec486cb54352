"""Publish: a description and an archive, streamed to the blob store as they come.

The two parts may come in any order. The archive is hashed on its way and never held in memory;
the description is small, and refused at once when it is not valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from aiohttp import BodyPartReader, MultipartReader, web

from dlhub_gateway import idempotency
from dlhub_gateway.auth import Scope
from dlhub_gateway.endpoint import answered, guarded
from dlhub_gateway.http_errors import UnsupportedType
from dlhub_gateway.hub import Hub
from dlhub_gateway.idempotency import HEADER, Key
from dlhub_gateway.negotiation import answer_form
from dlhub_types.documents import read_document
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Change, Description
from proto_msgs.errors import Malformed, TooLarge
from proto_msgs.identity import Principal
from proto_msgs.servables import PublishedVersion, PublishVersion

MAX_METADATA_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
EXPECTED = (
    "a multipart form with the parts 'metadata' (dlhub.json) and 'archive' (tar.gz or zip) was expected"
)


@dataclass(frozen=True, slots=True)
class Upload:
    """Both parts, arrived."""

    metadata: bytes
    description: Description
    archive: BlobRef


def routes(hub: Hub) -> list[web.RouteDef]:
    return [web.post("/api/v1/servables", guarded(hub, publish, Scope.PUBLISH))]


async def publish(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    name = request.headers.get(HEADER)
    key_name = None if name is None else idempotency.checked_key(name)
    upload = await _receive(hub, request)
    if key_name is None:
        return await _publish(hub, caller, upload, request)
    mark = idempotency.fingerprint(b"publish", upload.metadata, upload.archive.sha256.encode())
    work = lambda: answered(_publish(hub, caller, upload, request), request)  # noqa: E731 # as in `posted`
    return await hub.idempotency.answer(Key(caller.identity, key_name, mark), work)


async def _publish(hub: Hub, caller: Principal, upload: Upload, request: web.Request) -> web.Response:
    description = upload.description
    if description.servable.steps:
        description = await hub.pipelines.published(caller, description)
    wanted = PublishVersion(caller=caller, description=description, archive=upload.archive)
    return _answer(await hub.ask(wanted), upload.description.dlhub.converted, request)


def _answer(published: PublishedVersion, converted: Sequence[Change], request: web.Request) -> web.Response:
    built = published.build_id != ""
    location = f"/api/v1/builds/{published.build_id}"
    if not built:
        location = f"/api/v1/servables/{published.servable}@{published.version}"
    form = answer_form(request)
    body = form.plain(
        {
            "build_id": published.build_id or None,
            "servable": published.servable,
            "version": published.version,
            "version_id": published.version_id,
            "status": published.status,
            "location": location,
            **({"converted": [change.model_dump() for change in converted]} if converted else {}),
        }
    )
    status = 200 if not published.created else 202 if built else 201
    return form.response(body, status=status, headers={"Location": location})


async def _receive(hub: Hub, request: web.Request) -> Upload:
    """Read the parts as they come. Raises Malformed and TooLarge."""
    _check_head(request, hub.settings.gateway_upload_bytes)
    metadata: bytes | None = None
    description: Description | None = None
    archive: BlobRef | None = None
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            name = _name(part)
            if name == "metadata" and metadata is None:
                metadata = await _read_metadata(part)
                description = read_description(metadata)
            elif name == "archive" and archive is None:
                archive = await _store_archive(hub, part)
            else:
                raise Malformed(f"{EXPECTED}; the part {name!r} is not one of them, or came twice")
    except (ValueError, AssertionError) as error:
        raise Malformed(f"{EXPECTED}; the body cannot be read as one: {error}") from error
    if metadata is None or description is None:
        raise Malformed(f"{EXPECTED}; the part 'metadata' is missing")
    return Upload(metadata, description, await _checked(hub, archive, description))


async def _checked(hub: Hub, archive: BlobRef | None, description: Description) -> BlobRef:
    """The archive, which only a pipeline may lack: it has no files."""
    if archive is not None and archive.size_bytes:
        return archive
    if description.servable.type == "Pipeline":
        return await hub.blobs.put(b"")
    if archive is None:
        raise Malformed(f"{EXPECTED}; the part 'archive' is missing")
    raise Malformed("archive: the part is empty; a tar.gz or zip file was expected")


def _check_head(request: web.Request, max_bytes: int) -> None:
    """What can be refused before anything is read."""
    if request.content_type != "multipart/form-data":
        raise UnsupportedType(f"{EXPECTED}; the header Content-Type says {request.content_type!r}")
    if (request.content_length or 0) > max_bytes + MAX_METADATA_BYTES:
        raise TooLarge(f"the upload has {request.content_length:,} bytes; the limit is {max_bytes:,}")


def _name(part: MultipartReader | BodyPartReader) -> str | None:
    return part.name if isinstance(part, BodyPartReader) else None


async def _read_metadata(part: MultipartReader | BodyPartReader) -> bytes:
    assert isinstance(part, BodyPartReader)  # _name has seen to it
    content = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES):
        content += chunk
        if len(content) > MAX_METADATA_BYTES:
            raise TooLarge(f"metadata: more than {MAX_METADATA_BYTES:,} bytes were sent; that is the limit")
    return bytes(content)


async def _store_archive(hub: Hub, part: MultipartReader | BodyPartReader) -> BlobRef:
    assert isinstance(part, BodyPartReader)  # _name has seen to it
    async with hub.blobs.writer(max_bytes=hub.settings.gateway_upload_bytes) as writer:
        while chunk := await part.read_chunk(CHUNK_BYTES):
            await writer.write(bytes(chunk))
    return writer.blob


def read_description(metadata: bytes) -> Description:
    """The checked dlhub.json. Raises Malformed that names each place where something is wrong."""
    try:
        document = orjson.loads(metadata)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"metadata: this is not JSON: {error}") from error
    return read_document(document, "metadata")
