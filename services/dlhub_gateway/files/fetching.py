"""Fetches a file from an address into the blob store: bounded in size, time, redirects and reach."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
from yarl import URL

from dlhub_gateway.files.addresses import Guard, Network
from dlhub_gateway.files.references import Reference
from dlhub_runtime.blobs import BlobStore
from dlhub_types.file_kinds import BYTES, HEAD_BYTES, complaint, covers, kind_of, named
from dlhub_types.leaves import wrong_file
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import DeadlineExceeded, InputMismatch, Malformed, TooLarge

AT_ONCE = 16
CHUNK_BYTES = 256 * 1024
_SAYS_NOTHING = frozenset(
    (BYTES, "text/plain", "application/unknown", "application/x-download", "application/force-download")
)
"""What servers say of files whose type they do not know."""
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a fetch may take."""

    max_bytes: int
    timeout_s: float
    redirects: int
    networks: tuple[Network, ...] = ()
    """Not public, and allowed nevertheless."""


class Fetcher:
    """Fetches files for the runs of one process."""

    def __init__(self, store: BlobStore, limits: FetchLimits) -> None:
        self._store = store
        self._limits = limits
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, wanted: Reference, within_s: float) -> BlobRef:
        """The content at the reference's address, in the blob store.

        Raises InputMismatch when it cannot be had, TooLarge, and DeadlineExceeded.
        """
        limit_s = min(within_s, self._limits.timeout_s)
        try:
            async with asyncio.timeout(limit_s), self._slots:
                return await self._fetch(wanted)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{wanted.path}: {_shown(wanted.url)} was not fetched within {limit_s:g} s"
            ) from error

    async def _fetch(self, wanted: Reference) -> BlobRef:
        guard = Guard(self._limits.networks)
        connector = aiohttp.TCPConnector(socket_factory=guard, use_dns_cache=False, force_close=True)
        # As it is: a short answer can unpack to one without end.
        options = {"auto_decompress": False, "headers": {"Accept-Encoding": "identity"}}
        try:
            async with aiohttp.ClientSession(connector=connector, **options) as session:  # type: ignore[arg-type]
                return await self._follow(session, wanted)
        except aiohttp.ClientError as error:
            if guard.refused:
                raise _failed(
                    wanted,
                    "leads to an address that is not public: the hub does not fetch from there; "
                    "upload the file, or let the operator allow it (DLHUB_GATEWAY_FETCH_NETWORKS)",
                ) from error
            raise _failed(wanted, f"cannot be fetched: {_reason(error)}") from error

    async def _follow(self, session: aiohttp.ClientSession, wanted: Reference) -> BlobRef:
        url, headers = _checked(wanted, wanted.url or ""), wanted.headers
        for _ in range(self._limits.redirects + 1):
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    return await self._keep(response, wanted)
            following = _checked(wanted, location, url)
            if following.origin() != url.origin():
                headers = {}  # a token is for whom it was meant
            url = following
        raise _failed(wanted, f"was redirected more than {self._limits.redirects} times")

    async def _keep(self, response: aiohttp.ClientResponse, wanted: Reference) -> BlobRef:
        if response.status != 200:
            raise _failed(wanted, f"answered with status {response.status}")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise _failed(
                wanted, f"answered with its content encoded ({encoding:.40}), which nobody asked for"
            )
        most = self._limits.max_bytes
        if (response.content_length or 0) > most:
            raise _too_large(wanted, most)
        said = _said_type(response)
        try:
            async with self._store.writer(max_bytes=most, expected_sha256=wanted.sha256) as writer:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    if said is not None:
                        _check_type(wanted, said, chunk)
                        said = None
                    await writer.write(chunk)
        except TooLarge as error:
            raise _too_large(wanted, most) from error
        except Malformed as error:
            raise _failed(wanted, f"is not the file that was meant: {error.message}") from error
        return writer.blob


def _said_type(response: aiohttp.ClientResponse) -> str | None:
    """The media type that the answer has by its header; None where that says nothing about the file."""
    kind = named(response.headers.get("Content-Type"))
    return None if kind in _SAYS_NOTHING else kind


def _check_type(wanted: Reference, said: str, start: bytes) -> None:
    """Raises InputMismatch for an answer that is said to be something else, unless its bytes know better."""
    allowed, head = wanted.file_types, start[:HEAD_BYTES]
    if not allowed or covers(allowed, said):
        return
    if kind_of(head) != BYTES and complaint(head, allowed) is None:
        return
    raise wrong_file(f"an answer of type {said} from {_shown(wanted.url)}", allowed, wanted.path)


def _checked(wanted: Reference, text: str, base: URL | None = None) -> URL:
    try:
        url = URL(text) if base is None else base.join(URL(text))
        usable = url.scheme in ("http", "https") and bool(url.host)
    except ValueError as error:
        raise _failed(wanted, f"is no address: {error}") from error
    if not usable:
        raise _failed(wanted, "cannot be fetched: only addresses that begin with https:// or http:// can")
    if url.user or url.password:
        raise _failed(
            wanted, "holds a password, which would be logged on the way: give headers beside the url"
        )
    return url


def _failed(wanted: Reference, why: str) -> InputMismatch:
    shown = _shown(wanted.url)
    return InputMismatch(f"{wanted.path}: {shown} {why}", details={"path": wanted.path, "url": shown})


def _too_large(wanted: Reference, most: int) -> TooLarge:
    return TooLarge(f"{wanted.path}: {_shown(wanted.url)} has more than {most:,} bytes, which is the limit")


def _shown(url: str | None) -> str:
    """An address without its query and its password: they may be secrets."""
    try:
        known = URL(url or "")
        return str(known.with_user(None).with_query(None).with_fragment(None))[:200]
    except ValueError:
        return "the address"


def _reason(error: aiohttp.ClientError) -> str:
    """What went wrong, in words that name no address inside the institution."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host is not known"
    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate or its TLS is not accepted"
    if isinstance(error, aiohttp.ClientConnectionError):
        return "no connection could be made, or it was lost"
    return "the answer is no HTTP as it should be, or it broke off"
