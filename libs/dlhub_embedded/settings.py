"""What `dlhub up` can be told. The CLI reads the environment once, here, and passes this object down."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlhub_embedded.errors import BadSettings

PREFIX = "DLHUB_"
GATEWAY = "gateway"
SERVICES = ("catalog", "builder", "task_manager", GATEWAY)
#: Of the client or of the supervisor itself: no service gets these.
OURS_ALONE = ("DLHUB_TOKEN", "DLHUB_URL", "DLHUB_HOME")
PREFERRED_PORT = 8420
#: Fields that no single variable sets.
NOT_NAMED = ("passed_on", "inherited", "object_store", "services")
SYSTEM_NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
    *("LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
}
SYSTEM_PREFIXES = ("LC_", "XDG_", "PYTHON", "COVERAGE_", "OMP_", "OPENBLAS_", "MKL_", "UV_CACHE_")


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if k in SYSTEM_NAMES or k.startswith(SYSTEM_PREFIXES)}


def _object_store(environ: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if k.startswith("AWS_")}


def _default_services() -> dict[str, tuple[str, ...]]:
    # -P: a file in the working folder must not pass for one of our modules.
    return {name: (sys.executable, "-P", "-m", f"dlhub_{name}") for name in SERVICES}


class Settings(BaseModel):
    """One hub on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gateway_host: str = "127.0.0.1"
    """The address the gateway listens at. Anything but loopback lets other machines in."""
    gateway_port: int | None = Field(default=None, ge=1, le=65535)
    """None: the port this home had, else 8420, else any that is free."""
    gateway_processes: int = Field(default=1, ge=1, le=64)
    """Gateway processes that share the port."""
    amqp_url: str | None = Field(default=None, repr=False)
    """A broker to use instead of a private one."""
    mongo_url: str | None = Field(default=None, repr=False)
    """A database to use instead of a private one."""
    blob_url: str | None = Field(default=None, repr=False)
    """A blob store to use instead of the home's `blobs` folder."""
    admin_user: str = Field(default_factory=getpass.getuser, min_length=1)
    """The first local user, who is the administrator."""
    consumer_timeout_s: float = Field(default=24 * 3600, ge=1)
    """The private broker takes a delivery back after this time: the longest run that is allowed."""
    ready_timeout_s: float = Field(default=60, gt=0)
    """How long starting may take before it counts as failed."""
    stop_timeout_s: float = Field(default=20, ge=0)
    """How long each part may take to stop before it is killed."""
    passed_on: dict[str, str] = Field(default={}, repr=False)
    """Further DLHUB_* variables of the caller, meant for the services."""
    inherited: dict[str, str] = Field(default_factory=lambda: _inherited(os.environ), repr=False)
    """What every service takes over of the caller's environment; no secrets, no DLHUB_*."""
    object_store: dict[str, str] = Field(default_factory=lambda: _object_store(os.environ), repr=False)
    """Credentials of an s3:// blob store, for the services that use it."""
    services: dict[str, tuple[str, ...]] = Field(default_factory=_default_services)
    """The command of each service."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], **given: Any) -> Settings:
        """The DLHUB_* variables; what is given and not None goes before them. Raises BadSettings."""
        named = {
            f"{PREFIX}{name.upper()}": name
            for name in cls.model_fields
            if name not in ("passed_on", "services")
        }
        ours = [name for name in environ if name.startswith(PREFIX) and name not in OURS_ALONE]
        values: dict[str, Any] = {named[name]: environ[name] for name in ours if name in named}
        values |= {"inherited": _inherited(environ), "object_store": _object_store(environ)}
        values["passed_on"] = {name: environ[name] for name in ours if name not in named}
        values |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls(**values)
        except ValidationError as error:
            raise BadSettings(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    """Name each setting and what is wrong with it, without its value: it may be a secret."""
    lines = [
        f"{PREFIX}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    ]
    return "These settings cannot be used:\n  " + "\n  ".join(lines)
