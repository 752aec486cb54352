"""From a folder or a description to the body of a publish request, streamed from disk.

A folder whose dlhub.json lists files is packed with these and what a build looks for (dlhub.json,
requirements, the described module); one that lists none is packed whole. Packing and reading happen on
threads, so an event loop goes on meanwhile; no archive is ever in memory.
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from dlhub_build.packing import pack_directory
from dlhub_client.describe import ModelDescription
from dlhub_client.describe.contradictions import check_folder
from dlhub_client.errors import Malformed
from dlhub_client.models import OnProgress, Progress

DESCRIPTION_FILE = "dlhub.json"
ARCHIVE_TYPE = "application/gzip"
_ALWAYS_PACKED = (DESCRIPTION_FILE, "requirements.txt", "runtime.txt", "pyproject.toml")

Publishable = str | Path | ModelDescription
"""A folder with a dlhub.json, or a description from `dlhub_client.describe`."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A publish request, ready to be sent as often as needed."""

    metadata: bytes  #: dlhub.json
    archive: Path

    def body(self, on_progress: OnProgress | None) -> aiohttp.MultipartWriter:
        """A fresh multipart body that reads the archive from its start."""
        writer = aiohttp.MultipartWriter("form-data")
        metadata = writer.append(self.metadata, {"Content-Type": "application/json"})
        metadata.set_content_disposition("form-data", name="metadata")
        archive = writer.append(_Counted(self.archive, on_progress), {"Content-Type": ARCHIVE_TYPE})
        archive.set_content_disposition("form-data", name="archive", filename="archive.tar.gz")
        return writer


class _Counted(io.BufferedReader):
    """A file that tells how far it has been read."""

    def __init__(self, path: Path, on_progress: OnProgress | None) -> None:
        super().__init__(io.FileIO(path))
        self._total = path.stat().st_size
        self._on_progress = on_progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self._on_progress is not None:
            self._on_progress(Progress(stage="upload", done=self.tell(), total=self._total))
        return data


@asynccontextmanager
async def prepared(model: Publishable, on_progress: OnProgress | None) -> AsyncIterator[Upload]:
    """`model` packed into a temporary archive that is gone afterwards. Raises Malformed."""
    if on_progress is not None:
        on_progress(Progress(stage="pack"))
    # Cleanup errors are ignored: a cancelled caller leaves while the packing thread is still writing.
    with tempfile.TemporaryDirectory(prefix="dlhub-publish-", ignore_cleanup_errors=True) as scratch:
        yield await asyncio.to_thread(_pack, model, Path(scratch))


def _pack(model: Publishable, scratch: Path) -> Upload:
    folder = _staged(model, scratch / "files")
    document = read_description(folder)
    if not isinstance(model, ModelDescription):  # one that was written has been checked
        check_folder(document, folder)
    archive = pack_directory(folder, scratch / "archive.tar.gz", include=_included(folder, document))
    return Upload(metadata=json.dumps(document).encode(), archive=archive)


def read_description(folder: Path) -> dict[str, Any]:
    """The dlhub.json of a folder, checked. Raises Malformed saying which field is wrong."""
    path = folder / DESCRIPTION_FILE
    if not path.is_file():
        raise Malformed(
            f"There is no {DESCRIPTION_FILE} in {folder}; write one (`dlhub init` makes a template), or name "
            "the folder that holds it."
        )
    try:
        document = _without_comments(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise Malformed(f"{path} is not JSON: {error}") from error
    check_description(document, str(path))
    return dict(document)


def _without_comments(value: Any) -> Any:
    """JSON knows no comments; `dlhub init` writes them as fields of this name."""
    if isinstance(value, dict):
        return {key: _without_comments(item) for key, item in value.items() if key != "_comment"}
    return value


def check_description(document: Any, where: str) -> None:
    """Raises Malformed naming each wrong field."""
    from dlhub_types.documents import read_document  # here, as its models take long to build

    read_document(document, where)


def _staged(model: Publishable, scratch: Path) -> Path:
    if isinstance(model, ModelDescription):
        return model.write(scratch, link=True)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise Malformed(f"{folder} is not a folder; publish a folder with a {DESCRIPTION_FILE}.")
    return folder


def _included(folder: Path, document: Mapping[str, Any]) -> list[str]:
    """What to pack, relative to the folder; empty means everything."""
    listed = listed_files(document)
    if not listed:
        return []
    missing = [name for name in listed if not (folder / name).exists()]
    if missing:
        raise Malformed(
            f"{folder / DESCRIPTION_FILE} lists {', '.join(missing)} under dlhub.files, but there is no such "
            f"file in {folder}."
        )
    companions = [*_ALWAYS_PACKED, *_modules(document)]
    return sorted({*listed, *(name for name in companions if (folder / name).exists())})


def listed_files(document: Mapping[str, Any]) -> list[str]:
    """Every path under `dlhub.files`."""
    found: list[str] = []
    for value in (document.get("dlhub", {}).get("files") or {}).values():
        found.extend([value] if isinstance(value, str) else value)
    return found


def _modules(document: Mapping[str, Any]) -> Iterator[str]:
    """Where a described module would lie if it is the publisher's own: a file or a package."""
    methods = (document.get("servable") or {}).get("methods") or {}  # a pipeline has none
    for method in methods.values():
        module = (method.get("method_details") or {}).get("module")
        if module:
            top = str(module).split(".")[0]
            yield from (f"{top}.py", top)
