"""Settings of the gateway, read from `DLHUB_*` environment variables."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from dlhub_gateway.files.addresses import networks
from dlhub_runtime.settings import PREFIX, ServiceSettings
from proto_msgs.topics import LONGEST_RUN_S

MEBIBYTE = 1024 * 1024


class GatewaySettings(ServiceSettings):
    """What the gateway needs to know."""

    gateway_host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every one of this machine."""
    gateway_port: int = Field(default=8080, ge=0, le=65_535)
    """TCP port to listen on; 0 takes a free one, which the log then names."""
    gateway_processes: int = Field(default=1, ge=1, le=64)
    """Processes that share the port. More than one per core gains nothing."""
    gateway_child: bool = False
    """Set by the gateway for its own child processes: share the port, end when standard input ends."""
    gateway_number: int = 0
    """Set by the gateway: which of its processes this one is."""
    gateway_siblings: str = ""
    """Set by the gateway: folder in which its processes tell one another their figures."""
    gateway_body_bytes: int = Field(default=256 * MEBIBYTE, ge=1024)
    """Longest body of a request other than an upload; it is held in memory."""
    gateway_upload_bytes: int = Field(default=2048 * MEBIBYTE, ge=1024)
    """Longest archive or blob that may be uploaded; it streams through."""
    gateway_picture_pixels: int = Field(default=64 * MEBIBYTE, ge=1)
    """Pixels that a picture sent as input may have, its frames together; it is unpacked in memory."""
    gateway_fetch_bytes: int = Field(default=1024 * MEBIBYTE, ge=1)
    """Longest file that the hub fetches from an address given as input; it streams into the blob store."""
    gateway_fetch_timeout_s: float = Field(default=60.0, gt=0)
    """How long fetching such a file may take; the run's own timeout_s counts as well."""
    gateway_fetch_redirects: int = Field(default=5, ge=0, le=20)
    """Redirects that are followed on the way; 0: none."""
    gateway_fetch_networks: str = ""
    """Networks that are not public and may be fetched from nevertheless, such as `10.1.0.0/16, 192.168.1.7`;
    without them private, loopback and link-local addresses are refused."""
    gateway_map_items: int = Field(default=100_000, ge=1)
    """Inputs that one map may have."""
    gateway_waiting_runs: int = Field(default=20_000, ge=1)
    """Interactive runs that one process waits for; more are refused with 429."""
    gateway_max_wait_s: float = Field(default=5.0, gt=0)
    """Interactive runs are refused with 429 while they would wait longer, by the rate at which others end.
    256 of a version always get in."""
    gateway_run_timeout_s: float = Field(default=60.0, gt=0, le=LONGEST_RUN_S)
    """How long an interactive run may take when the request does not say."""
    gateway_cache_bytes: int = Field(default=64 * MEBIBYTE, ge=0)
    """Memory of each process for small outputs of methods declared deterministic; 0: none."""
    gateway_task_timeout_s: float = Field(default=LONGEST_RUN_S, gt=0, le=LONGEST_RUN_S)
    """How long a task may take, waiting included, when the request does not say."""

    blob_ttl_s: float = Field(default=15 * 24 * 3600, ge=60)
    """Large inputs and outputs are deleted so long after they were written; results are kept for 14 days."""

    @field_validator("gateway_fetch_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks(text)
        return text

    @model_validator(mode="after")
    def _processes_need_a_shared_store(self) -> Self:
        if self.gateway_processes > 1 and self.blob_url.startswith("memory:"):
            raise ValueError(
                "several processes cannot share memory://; set DLHUB_BLOB_URL to file:// or s3://"
            )
        return self


def as_environment(settings: GatewaySettings) -> dict[str, str]:
    """The variables from which a child process reads the same settings."""
    return {f"{PREFIX}{name.upper()}": _text(value) for name, value in settings}


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
