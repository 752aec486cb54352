"""Make a fresh mongod of our own usable: `python -m dlhub_catalog.prepare`, a child of the supervisor.

Starts the replica set of one member, waits until it accepts writes, and creates two users: the owner,
who may do everything and whom only this program uses, and the hub's user, who may read and write. Any
number of runs leave the same. Everything is read from the environment, so that no password is in a
process list. The first user is created through MongoDB's localhost exception.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

PAUSE_S = 0.02
UNAUTHORIZED, AUTHENTICATION_FAILED, ALREADY_INITIALIZED, USER_EXISTS = 13, 18, 23, 51003
ROLES = ("readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor")
Client = MongoClient[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which server, and whom it shall know."""

    address: str
    """host:port, also the member's name in the replica set."""
    replica_set: str
    owner: str
    owner_password: str = field(repr=False)
    user: str
    password: str = field(repr=False)
    deadline_s: float
    """Give up after this time."""

    @classmethod
    def from_environment(cls) -> Settings:
        names = ("address", "replica_set", "owner", "owner_password", "user", "password")
        values = {name: os.environ[f"DLHUB_MONGO_{name.upper()}"] for name in names}
        return cls(**values, deadline_s=float(os.environ["DLHUB_MONGO_DEADLINE_S"]))


def prepare(settings: Settings) -> None:
    """Bring the server into the state described above. Raises TimeoutError, PyMongoError."""
    deadline = time.monotonic() + settings.deadline_s
    _wait_for_listener(settings.address, deadline)
    with _connect(settings.address) as anyone:
        _initiate(anyone, settings)
        if not _owner_exists(settings):
            _wait_for_primary(anyone, deadline)
            anyone.admin.command("createUser", settings.owner, pwd=settings.owner_password, roles=["root"])
    with _connect(settings.address, settings.owner, settings.owner_password) as owner:
        _keep_address(owner, settings)
        _wait_for_primary(owner, deadline)
        _ensure_user(owner, settings)


def _connect(address: str, user: str | None = None, password: str | None = None) -> Client:
    return MongoClient(
        f"mongodb://{address}/?directConnection=true",
        username=user,
        password=password,
        serverSelectionTimeoutMS=5000,
        socketTimeoutMS=20000,
    )


def _wait_for_listener(address: str, deadline: float) -> None:
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError as error:
            _pause(deadline, f"mongod does not listen at {address}: {error}")


def _initiate(anyone: Client, settings: Settings) -> None:
    """Start the replica set, unless that was done before."""
    if anyone.admin.command("hello").get("setName"):
        return
    member = {"_id": 0, "host": settings.address}
    try:
        anyone.admin.command("replSetInitiate", {"_id": settings.replica_set, "members": [member]})
    except OperationFailure as error:
        # Unauthorized: there are users already, so it was done before.
        if error.code not in (ALREADY_INITIALIZED, UNAUTHORIZED):
            raise


def _owner_exists(settings: Settings) -> bool:
    try:
        with _connect(settings.address, settings.owner, settings.owner_password) as owner:
            owner.admin.command("ping")
    except OperationFailure as error:
        if error.code != AUTHENTICATION_FAILED:
            raise
        return False
    return True


def _keep_address(owner: Client, settings: Settings) -> None:
    """When the server was given another port, tell the replica set, which would not know itself otherwise."""
    config = owner.get_database("local").get_collection("system.replset").find_one()
    if config is None or config["members"][0]["host"] == settings.address:
        return
    config["members"][0]["host"] = settings.address
    config["version"] += 1
    owner.admin.command("replSetReconfig", config, force=True)


def _wait_for_primary(client: Client, deadline: float) -> None:
    while not client.admin.command("hello").get("isWritablePrimary"):
        _pause(deadline, "mongod does not become the primary of its replica set")


def _ensure_user(owner: Client, settings: Settings) -> None:
    roles = [{"role": role, "db": "admin"} for role in ROLES]
    try:
        owner.admin.command("createUser", settings.user, pwd=settings.password, roles=roles)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        owner.admin.command("updateUser", settings.user, pwd=settings.password, roles=roles)


def _pause(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError(what)
    time.sleep(PAUSE_S)


def main() -> int:
    try:
        prepare(Settings.from_environment())
    except (PyMongoError, TimeoutError) as error:
        sys.stderr.write(f"The database could not be prepared: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
