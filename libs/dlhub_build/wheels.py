"""The wheels of a lock, in the blob store.

Those that are there already are not fetched again. Downloads run side by side, each hashed while it streams.
What the index offers as source only is built into a wheel once, and that wheel is remembered.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from dlhub_build.folders import Folders, write_atomically
from dlhub_build.interpreters import Interpreter, platform_tag
from dlhub_build.lock import Package, Source
from dlhub_build.report import BoundedReport
from dlhub_build.threads import in_thread
from dlhub_build.uv import Uv, credentials
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import NamedBlob

CHUNK_BYTES = 256 * 1024
_SOCKET_TIMEOUT_S = 20.0
_ATTEMPTS = 4
_SCHEMES = ("http", "https", "file")


class FetchFailed(Exception):
    """A file could not be fetched; the message says why."""


@dataclass
class Gathering:
    """Collects the wheels of one environment."""

    store: BlobStore
    uv: Uv
    folders: Folders
    interpreter: Interpreter
    report: BoundedReport
    _done_bytes: int = 0
    _total_bytes: int = 0
    _builds: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, packages: tuple[Package, ...]) -> tuple[NamedBlob, ...]:
        """A wheel for each package, in order. Raises BuildFailed."""
        known = [await self._known(package) for package in packages]
        missing = [package for package, blob in zip(packages, known, strict=True) if blob is None]
        self._announce(packages, missing)
        (self.uv.work / "downloads").mkdir(exist_ok=True)
        slots = asyncio.Semaphore(self.uv.settings.parallel_downloads)
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                fetches = {p.name: group.create_task(self._obtain(p, slots)) for p in missing}
        except* FetchFailed as errors:
            failure = errors.exceptions[0]
        if failure:
            raise self.report.failure(str(failure)) from failure
        return tuple(
            blob or fetches[package.name].result() for package, blob in zip(packages, known, strict=True)
        )

    def _announce(self, packages: tuple[Package, ...], missing: list[Package]) -> None:
        sizes = [source.size_bytes or 0 for p in missing if (source := p.wheel or p.sdist)]
        self._total_bytes = sum(sizes)
        self.report.line(
            f"{len(packages)} packages; {len(packages) - len(missing)} are in the store, "
            f"{len(missing)} to fetch ({self._total_bytes / 2**20:,.1f} MiB)."
        )
        limit = self.uv.settings.max_download_bytes
        if self._total_bytes > limit:
            raise self.report.failure(
                f"The packages have {self._total_bytes:,} bytes; the limit is {limit:,}."
            )

    async def _known(self, package: Package) -> NamedBlob | None:
        """The wheel, when the store has it."""
        if package.wheel:
            sha256 = package.wheel.sha256
            size_bytes = await self.store.size(sha256) if sha256 else None
            if sha256 is None or size_bytes is None:
                return None
            return NamedBlob(name=package.wheel.name, sha256=sha256, size_bytes=size_bytes)
        record = self._record(package)
        try:
            blob = NamedBlob.model_validate_json(record.read_bytes()) if record else None
        except (FileNotFoundError, ValidationError):
            return None
        return blob if blob and await self.store.size(blob.sha256) is not None else None

    def _record(self, package: Package) -> Path | None:
        """Where it is noted which wheel came of a source distribution; None when its hash is not known."""
        if package.sdist is None or package.sdist.sha256 is None:
            return None
        text = f"{package.sdist.sha256}\n{self.interpreter.minor}\n{platform_tag()}"
        return self.folders.built(hashlib.sha256(text.encode()).hexdigest())

    async def _obtain(self, package: Package, slots: asyncio.Semaphore) -> NamedBlob:
        source = package.wheel or package.sdist
        if source is None:
            raise FetchFailed(f"{package.name} {package.version}: the index offers no file for this Python.")
        async with slots:
            path = await self._download(source)
        if not package.wheel:
            path = await self._build(package, path)
        blob = await self.store.put_file(path)
        path.unlink()
        named = NamedBlob(name=path.name, sha256=blob.sha256, size_bytes=blob.size_bytes)
        record = self._record(package)
        if record and not package.wheel:
            write_atomically(record, named.model_dump_json())
        self.report.line(f"{path.name} ({blob.size_bytes / 2**20:,.1f} MiB)")
        return named

    async def _download(self, source: Source) -> Path:
        target = self.uv.work / "downloads" / source.name
        settings = self.uv.settings
        loop = asyncio.get_running_loop()
        download = Download(source, target, settings.ca, credentials(settings), settings.max_download_bytes)

        def advance(size_bytes: int) -> None:
            loop.call_soon_threadsafe(self._advance, size_bytes)

        # Not waited for: a thread that hangs in a read notices a cancellation when the socket times out.
        await in_thread(lambda check: download.run(check, advance), wait=False)
        return target

    def _advance(self, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        self.report.progress(min(self._done_bytes, self._total_bytes), self._total_bytes)

    async def _build(self, package: Package, sdist: Path) -> Path:
        """Build a wheel; one at a time, as a backend may use all processors."""
        async with self._builds:
            self.report.line(f"{package.name} {package.version} comes as source only: building a wheel.")
            out = self.uv.work / "built" / package.name
            try:
                finished = await self.uv.run(
                    "build", "--wheel", "--python", self.interpreter.path, "--out-dir", out, sdist,
                    timeout_s=self.uv.settings.time_limit_s,
                )  # fmt: skip
            except TimeoutError as error:
                raise FetchFailed(f"Building a wheel of {package.name} took too long.") from error
        found = list(out.glob("*.whl"))
        if finished.returncode or len(found) != 1:
            raise FetchFailed(
                f"{package.name} {package.version} comes as source only, and building a wheel of it failed:\n"
                f"{finished.tail}"
            )
        return found[0]


@dataclass(frozen=True)
class Download:
    """Fetches one file. Blocking: for a thread."""

    source: Source
    target: Path
    ca: Path | None
    credentials: tuple[str, str] | None
    """Host and `user:password`."""
    max_bytes: int

    def run(self, check: Callable[[], None], advance: Callable[[int], None]) -> None:
        """Fetch and compare the hash; a broken connection is tried again. Raises FetchFailed."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._fetch(check, advance)
            except (OSError, http.client.HTTPException) as error:
                if attempt == _ATTEMPTS or _is_final(error):
                    raise FetchFailed(f"{self.source.name} could not be fetched: {error}") from error
            for _ in range(2**attempt):
                check()
                time.sleep(0.25)
        return None

    def _fetch(self, check: Callable[[], None], advance: Callable[[int], None]) -> None:
        digest = hashlib.sha256()
        size_bytes = 0
        with self._open() as response, self.target.open("wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                check()
                size_bytes += len(chunk)
                if size_bytes > self.max_bytes:
                    raise FetchFailed(f"{self.source.name} has more than {self.max_bytes:,} bytes.")
                digest.update(chunk)
                file.write(chunk)
                advance(len(chunk))
            promised = response.headers.get("Content-Length")
        if promised and size_bytes < int(promised):
            # Reading in pieces, Python takes a connection that broke for the end.
            raise OSError(f"the connection broke after {size_bytes:,} of {int(promised):,} bytes")
        if self.source.sha256 not in (None, digest.hexdigest()):
            raise FetchFailed(f"{self.source.name}: what came has another hash than the index promised.")

    def _open(self) -> http.client.HTTPResponse:
        parts = urlsplit(self.source.url)
        if parts.scheme not in _SCHEMES:
            raise FetchFailed(f"{self.source.name}: the index names an address of kind {parts.scheme!r}.")
        request = urllib.request.Request(self.source.url)
        if self.credentials and parts.netloc == self.credentials[0]:
            # Unredirected: a mirror that the index sends us to must not get the password.
            encoded = base64.b64encode(self.credentials[1].encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {encoded}")
        context = ssl.create_default_context(cafile=self.ca)
        response: http.client.HTTPResponse = urllib.request.urlopen(
            request, timeout=_SOCKET_TIMEOUT_S, context=context
        )
        return response


def _is_final(error: Exception) -> bool:
    """Whether asking again cannot help: the server understood, and refused."""
    return isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code != 429
