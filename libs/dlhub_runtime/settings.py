"""Settings: `DLHUB_*` environment variables, read once at start, validated, and passed down.

Each service has one frozen settings class below `ServiceSettings`; a field `gateway_port` is read
from `DLHUB_GATEWAY_PORT`. Nobody else looks at the environment.
"""

from __future__ import annotations

import os
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "DLHUB_"
S = TypeVar("S", bound="ServiceSettings")


class ServiceSettings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    amqp_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """The message broker, with user and password."""
    blob_url: str = "file:///var/lib/dlhub/blobs"
    """The blob store: file:///folder, s3://bucket/prefix, or memory:// for one process alone."""
    inline_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Inputs and outputs above this size go through the blob store; messages carry a reference."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    """`json`: one object per line, for machines; `text`: for people."""
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    """Port at which a service other than the gateway answers `/metrics`; 0: nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address of that port. The page names servables: keep it from strangers."""


class SettingsError(Exception):
    """Some settings are missing or wrong; the message names each variable."""


def load(kind: type[S]) -> S:
    """Read the settings of `kind` from the environment, then take them out of it.

    They are removed so that no child process, least of all one that runs a model, inherits a
    password. Raises SettingsError.
    """
    try:
        settings = kind()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    return settings


def _explain(error: ValidationError) -> str:
    """Name each variable and what is wrong with it, without the value: it may be a secret."""
    lines = [
        f"{PREFIX}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    ]
    return "The settings are not valid:\n  " + "\n  ".join(lines)
