"""What others ask a task manager."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from dlhub_task_manager.environments import LABEL
from proto_msgs.sites import GetReplicaLogs, ReplicaLog, ReplicaLogs


async def get_replica_logs(request: GetReplicaLogs, *, folder: Path, live: dict[str, str]) -> ReplicaLogs:
    """The end of what each replica of a servable printed, newest replica first.

    `live`: state of the replicas that have not ended, by id.
    """
    logs = await asyncio.to_thread(_read_logs, request, folder, live)
    return ReplicaLogs(site=request.site, replicas=tuple(logs))


def _read_logs(request: GetReplicaLogs, folder: Path, live: dict[str, str]) -> list[ReplicaLog]:
    found: list[tuple[float, ReplicaLog]] = []
    for label in (folder / "replicas").glob(f"*/{LABEL}"):
        about = json.loads(label.read_text())
        if about["servable"] != request.servable or request.version not in (None, about["version"]):
            continue
        for home in [path for path in label.parent.iterdir() if (path / "stdout.log").exists()]:
            log = ReplicaLog(
                replica_id=home.name,
                version=about["version"],
                state=live.get(home.name, "ended"),
                stdout=_tail(home / "stdout.log", request.max_bytes),
                stderr=_tail(home / "stderr.log", request.max_bytes),
            )
            found.append((home.stat().st_mtime, log))
    return [log for _, log in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _tail(path: Path, max_bytes: int) -> str:
    """The last `max_bytes` of a file, from the start of a line; the one rotated away before it if short."""
    older = path.with_name(path.name + ".1")
    content = b"".join(_end(part, max_bytes) for part in (older, path) if part.exists())
    if len(content) <= max_bytes:
        return content.decode(errors="replace")
    return content[-max_bytes:].partition(b"\n")[2].decode(errors="replace")


def _end(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - max_bytes - 1))
        return file.read()
