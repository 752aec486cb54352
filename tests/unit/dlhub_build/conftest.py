"""Packages made on the spot, so that locking and installing need no network."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgpack
import pytest
from pydantic import SecretStr

from dlhub_build.folders import Folders
from dlhub_build.report import BoundedReport
from dlhub_build.settings import BuildSettings
from dlhub_build.uv import Uv
from dlhub_runtime.blobs import BlobStore


@dataclass
class Told:
    """A report that remembers."""

    steps: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    progress_made: list[tuple[int, int]] = field(default_factory=list)

    def step(self, name: str, /) -> None:
        self.steps.append(name)

    def line(self, text: str, /) -> None:
        self.lines.append(text)

    def progress(self, done: int, total: int, /) -> None:
        self.progress_made.append((done, total))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Packages:
    """A folder of wheels and source distributions, for `find_links`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The real thing, without its compiled part: the worker needs it.
        python = Path(msgpack.__file__).parent.glob("*.py")
        self.wheel("msgpack", "99.0", files={f"msgpack/{path.name}": path.read_text() for path in python})
        self.wheel("pyzmq", "99.0")

    def wheel(self, name: str, version: str, *requires: str, files: dict[str, str] | None = None) -> Path:
        """A pure wheel with the given files, or one module of the package's name."""
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        files = {
            **(files or {f"{name}.py": f"VERSION = {version!r}\n"}),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},{_hash(content)},{len(content)}\n" for path, content in files.items())
        path = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                wheel.writestr(zipfile.ZipInfo(file), content)
        return path

    def sdist(self, name: str, version: str, backend: str) -> Path:
        """A source distribution with a build backend of its own (`backend.py`), which needs nothing."""
        files = {
            "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
            f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "{version}"\n',
            "backend.py": backend,
        }
        path = self.folder / f"{name}-{version}.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for file, content in files.items():
                member = tarfile.TarInfo(f"{name}-{version}/{file}")
                member.size = len(content.encode())
                tar.addfile(member, io.BytesIO(content.encode()))
        return path


def _hash(content: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    folder = tmp_path / "packages"
    folder.mkdir()
    return Packages(folder)


@pytest.fixture
def settings(tmp_path: Path, packages: Packages) -> BuildSettings:
    """No index at all: only the packages made here."""
    return BuildSettings(
        environments_dir=tmp_path / "environments",
        index_url=SecretStr(""),
        find_links=(str(packages.folder),),
        lock_timeout_s=60,
    )


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore.from_url(f"file://{tmp_path}/blobs")


@pytest.fixture
async def uv(settings: BuildSettings, told: Told) -> AsyncIterator[Uv]:
    folders = Folders(settings.environments_dir)
    report = BoundedReport(told, max_chars=100_000, hidden=(f"{settings.environments_dir}/",))
    report.step("lock")
    async with folders.work() as work:
        yield Uv(settings, folders, work, report)
