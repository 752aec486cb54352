"""Which state of which repository a model comes from, asked of git.

git asks nobody for a password and runs no hook; nothing is written and no other machine is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from dlhub_client.describe.metadata_found import Found
from dlhub_client.describe.metadata_state import without_none
from dlhub_client.errors import Malformed

SOURCE = "git"
TIMEOUT_S = 10.0
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never")
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_MAX_SHOWN = 5


def read_repository(directory: str | Path, *, remote: str, allow_dirty: bool) -> Found:
    """Address, commit, branch, tag, and whether files differ from the commit. Raises Malformed."""
    top = Path(directory).expanduser().absolute()
    commit = _git(top, "rev-parse", "--verify", "HEAD")
    if commit is None:
        raise Malformed(f"{top} lies in no git repository, or in one without a commit.")
    changed = (_git(top, "status", "--porcelain", "--untracked-files=no") or "").splitlines()
    if changed and not allow_dirty:
        names = ", ".join(line[3:] for line in changed[:_MAX_SHOWN])
        raise Malformed(
            f"{top} has changes that are in no commit: {names}; commit them, or allow_dirty=True."
        )
    url = public_address(_git(top, "remote", "get-url", remote))
    tag = _git(top, "describe", "--tags", "--exact-match", "HEAD")
    state: dict[str, Any] = {
        "url": url,
        "commit": commit,
        "branch": _git(top, "symbolic-ref", "--quiet", "--short", "HEAD"),
        "tag": tag,
        "dirty": bool(changed),
    }
    return Found(
        SOURCE,
        version=_version_of(tag),
        related=[(url, "URL", "IsDerivedFrom")] if url else [],
        hub={"repository": without_none(state)},
    )


def _git(directory: Path, *arguments: str) -> str | None:
    """What git says; None when it has nothing to say. Raises Malformed when there is no git, or it hangs."""
    program = shutil.which("git")
    if program is None:
        raise Malformed("read_git needs the program git, which is not installed here.")
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("GIT_")}, **_QUIET}
    try:
        done = subprocess.run(
            [program, *_SAFE, "-C", str(directory), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise Malformed(f"git {arguments[0]} in {directory} did not answer: {error}") from error
    return (done.stdout.rstrip("\n") or None) if done.returncode == 0 else None


def public_address(remote: str | None) -> str | None:
    """Where others find a remote, without passwords; None for one on this machine."""
    if not remote:
        return None
    scp = _SCP.fullmatch(remote)
    if scp is not None and "://" not in remote:
        remote = f"ssh://{scp[1]}/{scp[2]}"
    parts = urlsplit(remote)
    if parts.scheme not in ("http", "https", "ssh", "git") or not parts.hostname:
        return None
    port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
    scheme = parts.scheme if parts.scheme == "http" else "https"
    return urlunsplit((scheme, parts.hostname + port, parts.path.removesuffix(".git"), "", ""))


def _version_of(tag: str | None) -> str | None:
    found = re.fullmatch(r"v?(\d[\w.+-]*)", tag) if tag else None
    return found[1] if found else None
