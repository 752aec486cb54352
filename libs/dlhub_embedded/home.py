"""The home folder of one hub: everything it keeps, readable by its owner alone.

state.json        who supervises it, where it answers, which processes belong to it
lock              held by the supervisor: one home runs once
ports.json        the ports it was given
secrets/          broker and database passwords, the cluster key, the administrator's token
site.toml         the site file of its task manager; written once, the owner may edit it
rabbitmq/ mongod/ data and configuration of the private servers
blobs/ environments/ task_manager/ logs/
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from dlhub_embedded import ports
from dlhub_embedded.errors import AlreadyRunning, EmbeddedError
from dlhub_embedded.state import State

FOLDERS = ("secrets", "rabbitmq", "mongod", "blobs", "environments", "task_manager", "logs")


def default_home() -> Path:
    """`$DLHUB_HOME`, else `dlhub` in the user's data folder."""
    if home := os.environ.get("DLHUB_HOME"):
        return Path(home)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "dlhub"


class Home:
    """The layout of a home folder, its credentials, its ports and its state."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._reserved: dict[int, socket.socket] = {}

    def make(self) -> None:
        """Create what is missing, and keep other users out."""
        try:
            for folder in (self.path, *(self.path / name for name in FOLDERS)):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
        except OSError as error:
            raise EmbeddedError(
                f"The home folder {self.path} cannot be used: {error.strerror}. "
                "Choose another one with --home."
            ) from error

    def log(self, part: str) -> Path:
        """The log file of a part."""
        return self.path / "logs" / f"{part}.log"

    @property
    def site_file(self) -> Path:
        """The task manager's site file."""
        return self.path / "site.toml"

    @property
    def token_file(self) -> Path:
        """The administrator's token."""
        return self.path / "secrets" / "admin_token"

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """A secret of this home: made at the first call, the same ever after."""
        file = self.path / "secrets" / name
        if not file.exists():
            write_private(file, make())
        return file.read_text().strip()

    def admin_token(self) -> str:
        """The token of the first local user: `dlh_` and 43 characters."""
        return self.secret("admin_token", lambda: f"dlh_{secrets.token_urlsafe(32)}")

    def port(self, name: str, preferred: int | None = None) -> int:
        """A port for `name`: the one it had, else the preferred one, else any.

        Free when we looked, and no other hub takes it until `release_ports` or the end of the lock.
        """
        file = self.path / "ports.json"
        known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        others = {port for key, port in known.items() if key != name}
        wishes = [port for port in (known.get(name), preferred) if port and port not in others]
        chosen = next(filter(self._take, wishes), None)
        while chosen is None:
            found = ports.find_free(others)
            chosen = found if self._take(found) else None
        if known.get(name) != chosen:
            write_private(file, json.dumps(known | {name: chosen}, indent=2))
        return chosen

    def release_ports(self) -> None:
        """Let other hubs choose them."""
        while self._reserved:
            self._reserved.popitem()[1].close()

    def read_state(self) -> State | None:
        """What the last supervisor recorded; None when this home never ran."""
        try:
            return State.model_validate_json((self.path / "state.json").read_bytes())
        except FileNotFoundError:
            return None

    def write_state(self, state: State) -> None:
        """Record it; a reader sees the old record or the new one, never half of one."""
        write_private(self.path / "state.json", state.model_dump_json(indent=2))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this home. Raises AlreadyRunning when another process does.

        The kernel lets go of it when the holder ends, in whatever way.
        """
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(self._who_runs()) from None
            try:
                yield
            finally:
                self.release_ports()

    def _take(self, port: int) -> bool:
        if port not in self._reserved and (holder := ports.reserve(port)):
            self._reserved[port] = holder
        return port in self._reserved and ports.is_free(port)

    def _who_runs(self) -> str:
        state = self.read_state()
        where = f" at {state.url} (process {state.supervisor.pid})" if state else ""
        return (
            f"A hub with the home {self.path} is already running{where}. "
            f"Stop it with `dlhub down --home {self.path}`, or start another one with another --home."
        )


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
