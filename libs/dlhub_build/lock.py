"""Requirements to a lock: which file of which version, by hash.

uv resolves, for one interpreter, into a pylock.toml in the work folder. That file names addresses, so it is
not kept: the lock that goes with a version lists name, version and hash of exactly the wheels installed.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from dlhub_build.interpreters import Interpreter
from dlhub_build.report import BoundedReport
from dlhub_build.requirements import Requirements
from dlhub_build.uv import Uv
from proto_msgs.blobs import NamedBlob

_FILE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+!-]*$")


@dataclass(frozen=True)
class Source:
    """A file on the index."""

    url: str
    name: str
    sha256: str | None
    """None where the index does not tell."""
    size_bytes: int | None


@dataclass(frozen=True)
class Package:
    """A resolved package: the wheel for this machine, else a source distribution."""

    name: str
    version: str
    wheel: Source | None
    sdist: Source | None


async def resolve(
    requirements: Requirements, interpreter: Interpreter, uv: Uv, report: BoundedReport
) -> tuple[Package, ...]:
    """Versions that satisfy all requirements together. Raises BuildFailed with the resolver's own words."""
    source, target = uv.work / "requirements.in", uv.work / "pylock.toml"
    source.write_text("\n".join(requirements.lines) + "\n", encoding="utf-8")
    timeout_s = uv.settings.lock_timeout_s
    try:
        finished = await uv.run(
            "pip", "compile", "--format", "pylock.toml", "--no-header", "--no-annotate",
            "--python", interpreter.path, "--output-file", target.name, source.name,
            timeout_s=timeout_s, quiet_stdout=True,
        )  # fmt: skip
    except TimeoutError as error:
        raise report.failure(f"Resolving the requirements took more than {timeout_s:g} s.") from error
    if finished.returncode:
        raise report.failure(f"The requirements cannot be resolved:\n{finished.tail}")
    return _check_hashes(parse_pylock(target.read_text(encoding="utf-8")), requirements, report)


def parse_pylock(text: str) -> tuple[Package, ...]:
    """The packages of a pylock.toml, which may name one wheel each."""
    return tuple(_package(table) for table in tomllib.loads(text).get("packages", []))


def _package(table: dict[str, Any]) -> Package:
    wheels = table.get("wheels") or [None]
    return Package(table["name"], table["version"], _source(wheels[0]), _source(table.get("sdist")))


def _source(table: dict[str, Any] | None) -> Source | None:
    if table is None:
        return None
    url: str = table.get("url") or f"file://{table['path']}"
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if not _FILE_NAME.match(name):
        raise ValueError(f"the index lists a file with the odd name {name!r}")
    return Source(url, name, table.get("hashes", {}).get("sha256"), table.get("size"))


def _check_hashes(
    packages: tuple[Package, ...], requirements: Requirements, report: BoundedReport
) -> tuple[Package, ...]:
    """Hold the resolved files against the hashes that the servable's own requirements insist on."""
    for package in packages:
        wanted = requirements.hashes.get(canonicalize_name(package.name))
        source = package.wheel or package.sdist
        if wanted and (source is None or source.sha256 not in wanted):
            raise report.failure(
                f"{package.name} {package.version}: the hub's index offers a file whose hash is not among "
                "those in requirements.txt. Update the hashes there, or leave them out."
            )
    return packages


def lock_text(packages: Iterable[Package], wheels: Iterable[NamedBlob]) -> str:
    """The lock: one line per package, sorted; the same environment always gives the same text."""
    return "".join(
        sorted(
            f"{canonicalize_name(package.name)}=={package.version} --hash=sha256:{wheel.sha256}\n"
            for package, wheel in zip(packages, wheels, strict=True)
        )
    )


def environment_key(lock: str, python: str, platform: str) -> str:
    """Hash of everything that decides an environment."""
    return hashlib.sha256(f"venv\n{python}\n{platform}\n{lock}".encode()).hexdigest()[:40]
