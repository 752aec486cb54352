from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlhub_build.interpreters import Interpreter, choose, find_interpreters, read_wish
from dlhub_build.lock import Package, Source, resolve
from dlhub_build.requirements import Requirements
from dlhub_build.uv import Uv
from dlhub_build.wheels import Download, FetchFailed, Gathering
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import NamedBlob
from proto_msgs.errors import BuildFailed

# A build backend in the form of PEP 517 that needs nothing; it leaves a trace of each wheel it builds.
BACKEND = """
import pathlib, shutil, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    open({trace!r}, "a").write("built\\n")
    name = "{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory) / name, "w") as wheel:
        info = "{name}-1.0.dist-info/"
        wheel.writestr("{name}.py", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


@pytest.fixture
def interpreter(uv: Uv) -> Interpreter:
    return choose(read_wish(uv.work), find_interpreters())


@pytest.fixture
def gather(uv: Uv, store: BlobStore, interpreter: Interpreter) -> Callable[..., Any]:
    """Lock and fetch requirements."""

    async def gather(*lines: str) -> tuple[NamedBlob, ...]:
        found = await resolve(Requirements(list(lines)), interpreter, uv, uv.report)
        (uv.work / "pylock.toml").unlink()
        return await Gathering(store, uv, uv.folders, interpreter, uv.report).run(found)

    return gather


async def test_wheels_are_kept_under_their_hash(
    gather: Callable[..., Any], packages: Any, store: BlobStore
) -> None:
    content = packages.wheel("inner", "1.0").read_bytes()
    (wheel,) = await gather("inner")
    assert wheel == NamedBlob(
        name="inner-1.0-py3-none-any.whl", sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )
    assert await store.get(wheel.sha256) == content


async def test_what_the_store_has_is_not_fetched_again(
    gather: Callable[..., Any], packages: Any, told: Any
) -> None:
    packages.wheel("inner", "1.0")
    first = await gather("inner")
    told.lines.clear()
    assert await gather("inner") == first
    assert "1 are in the store, 0 to fetch" in told.text


async def test_a_source_distribution_becomes_a_wheel_once(
    gather: Callable[..., Any], packages: Any, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    packages.sdist("fromsource", "1.0", BACKEND.format(trace=str(trace), name="fromsource"))
    (first,) = await gather("fromsource")
    assert first.name == "fromsource-1.0-py3-none-any.whl"
    assert await gather("fromsource") == (first,)
    assert trace.read_text() == "built\n"


async def test_a_failing_build_backend_shows_its_output(gather: Callable[..., Any], packages: Any) -> None:
    packages.sdist("fromsource", "1.0", "def build_wheel(*a, **k):\n    raise RuntimeError('no compiler')\n")
    with pytest.raises(BuildFailed, match="no compiler"):
        await gather("fromsource")


async def test_a_package_without_a_file_for_this_python_is_named(
    uv: Uv, store: BlobStore, interpreter: Interpreter
) -> None:
    with pytest.raises(BuildFailed, match=r"odd 1\.0: the index offers no file"):
        await Gathering(store, uv, uv.folders, interpreter, uv.report).run(
            (Package("odd", "1.0", None, None),)
        )


async def test_too_much_is_refused_before_it_is_fetched(
    uv: Uv, store: BlobStore, interpreter: Interpreter
) -> None:
    huge = Package("huge", "1.0", Source("https://nowhere.invalid/h.whl", "h.whl", "0" * 64, 2**50), None)
    with pytest.raises(BuildFailed, match="the limit is"):
        await Gathering(store, uv, uv.folders, interpreter, uv.report).run((huge,))


class Index(http.server.BaseHTTPRequestHandler):
    """Serves /file once the password is right; /elsewhere redirects to another host name; /broken breaks."""

    seen: list[tuple[str, str | None]]
    content = b"wheel" * 1000

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/file")
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        broken = self.path == "/broken" and len(self.seen) < 2
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[:10] if broken else self.content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the output of tests stays clean."""


@pytest.fixture
def index() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Address (host:port) of a running index, and what it was asked."""
    seen: list[tuple[str, str | None]] = []
    handler = type("Recorded", (Index,), {"seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()
        thread.join()


def fetch(
    url: str, target: Path, *, sha256: str | None = None, login: tuple[str, str] | None = None
) -> bytes:
    download = Download(Source(url, "x.whl", sha256, None), target / "x.whl", None, login, 10**6)
    download.run(lambda: None, lambda size: None)
    return (target / "x.whl").read_bytes()


def test_the_password_goes_to_the_index(index: Any, tmp_path: Path) -> None:
    host, seen = index
    fetch(f"http://{host}/file", tmp_path, login=(host, "me:secret"))
    assert seen == [("/file", "Basic bWU6c2VjcmV0")]


def test_the_password_goes_to_nobody_else(index: Any, tmp_path: Path) -> None:
    host, seen = index
    fetch(f"http://{host}/elsewhere", tmp_path, login=(host, "me:secret"))
    assert seen == [("/elsewhere", "Basic bWU6c2VjcmV0"), ("/file", None)]


def test_a_broken_connection_is_tried_again(index: Any, tmp_path: Path) -> None:
    host, seen = index
    assert fetch(f"http://{host}/broken", tmp_path) == Index.content
    assert len(seen) == 2


def test_a_refusal_is_not_tried_again(index: Any, tmp_path: Path) -> None:
    host, seen = index
    with pytest.raises(FetchFailed, match="404"):
        fetch(f"http://{host}/missing", tmp_path)
    assert len(seen) == 1


def test_another_hash_is_refused(index: Any, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="another hash"):
        fetch(f"http://{index[0]}/file", tmp_path, sha256="0" * 64)


def test_a_file_that_is_too_large_is_refused(index: Any, tmp_path: Path) -> None:
    download = Download(Source(f"http://{index[0]}/file", "x", None, None), tmp_path / "x", None, None, 10)
    with pytest.raises(FetchFailed, match="more than 10 bytes"):
        download.run(lambda: None, lambda size: None)


def test_other_kinds_of_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="'ftp'"):
        fetch("ftp://example.org/x.whl", tmp_path)
