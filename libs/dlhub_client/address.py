"""Which hub, and as whom: arguments, the environment, what `dlhub login` stored, or this machine's own hub.

The file of `dlhub login` lies in the user's configuration folder and is readable by its owner alone. The hub
that `dlhub up` runs here writes its address and its administrator's token into its home folder.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dlhub_client.errors import Malformed, Unauthenticated

URL_VARIABLE = "DLHUB_URL"
TOKEN_VARIABLE = "DLHUB_TOKEN"


@dataclass(frozen=True)
class Address:
    """A hub and the token to show it."""

    url: str
    token: str | None

    def __repr__(self) -> str:
        """Without the token: it must not get into logs or notebooks."""
        return f"Address({self.url!r})"


def resolve(url: str | None = None, token: str | None = None) -> Address:
    """The hub to talk to. A remembered token goes to the very hub that it is for. Raises Malformed."""
    url = url or os.environ.get(URL_VARIABLE)
    token = token or os.environ.get(TOKEN_VARIABLE)
    known = [address for address in (load(), of_home(default_home())) if address is not None]
    if url is None:
        if not known:
            raise Malformed(
                f"No hub is named and none runs here. Pass url=..., set {URL_VARIABLE}, or run "
                "`dlhub login`; `dlhub up` starts a hub on this machine and prints its address."
            )
        return Address(known[0].url, token or known[0].token)
    url = normalised(url)
    matching = [address.token for address in known if address.url == url]
    return Address(url, token or next(iter(matching), None))


def default_home() -> Path:
    """Where `dlhub up` keeps its state unless told otherwise."""
    if home := os.environ.get("DLHUB_HOME"):
        return Path(home)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "dlhub"


def of_home(home: Path) -> Address | None:
    """The hub that was started with this home and not stopped since, with its administrator's token."""
    try:
        state = json.loads((home / "state.json").read_text())
        token = (home / "secrets" / "admin_token").read_text().strip()
        stopped = state["phase"] in ("stopped", "stopping")
        return None if stopped else Address(normalised(state["url"]), token)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no hub was started there, or by a release that keeps its state in another way


def normalised(url: str) -> str:
    """`url` as scheme, host, port and path without a slash at the end. Raises Malformed."""
    text = url.strip().rstrip("/").removesuffix("/api/v1")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Malformed(f"{url!r} is not the address of a hub; it looks like http://127.0.0.1:8000.")
    return text


def load() -> Address | None:
    """What `dlhub login` stored, if anything. Raises Malformed for a file that it did not write."""
    path = _file()
    try:
        stored = json.loads(path.read_text())
        return Address(normalised(stored["url"]), stored["token"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed(f"{path} is damaged ({error}); run `dlhub login` again.") from error


def store(address: Address) -> Path:
    """Remember a hub and its token; the file is the owner's alone from its first byte on."""
    if address.token is None:
        raise Unauthenticated("There is no token to store.")
    path = _file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - a mode
        json.dump({"url": address.url, "token": address.token}, file)
    fresh.replace(path)
    return path


def forget() -> bool:
    """Remove what was stored; whether there was anything."""
    path = _file()
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def _file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "dlhub" / "login.json"
