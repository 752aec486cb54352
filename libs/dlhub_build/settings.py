"""What a hub's operator decides about builds."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from dlhub_build.archives import ArchiveLimits


class BuildSettings(BaseModel):
    """Where builds happen, where packages come from, and the bounds. Read by the service, passed down."""

    model_config = ConfigDict(frozen=True)

    environments_dir: Path
    """Folder of environments, extracted archives, caches and work; shared by the builder and task managers
    of one machine. Best on the same disk as a `file://` blob store: wheels are linked rather than copied."""
    index_url: SecretStr | None = None
    """Package index (PEP 503), credentials included; empty for none at all, only `find_links`.
    None is the public index. Never part of a lock."""
    find_links: tuple[str, ...] = ()
    """Folders or pages with more packages, besides the index. Never part of a lock."""
    ca: Path | None = None
    """Certificate authorities (PEM) for index and packages; None means those that the machine trusts."""
    limits: ArchiveLimits = ArchiveLimits()
    """What a published archive may grow to."""
    time_limit_s: float = Field(default=3600.0, gt=0)
    """For a whole build. Each step gets what is left."""
    lock_timeout_s: float = Field(default=300.0, gt=0)
    """For resolving the requirements."""
    smoke_timeout_s: float = Field(default=300.0, gt=0)
    """For loading the model and running its example."""
    max_download_bytes: int = Field(default=10 * 2**30, gt=0)
    """All wheels of an environment together."""
    max_environment_bytes: int = Field(default=30 * 2**30, gt=0)
    """An environment, installed."""
    max_work_bytes: int = Field(default=10 * 2**30, gt=0)
    """What a build backend or the smoke test may write into its work folder and the model's own; also its
    largest file anywhere."""
    max_log_chars: int = Field(default=2_000_000, gt=0)
    """Length of a build's log; what comes after is left out."""
    parallel_downloads: int = Field(default=6, ge=1)
    """Packages fetched side by side."""

    @field_validator("find_links")
    @classmethod
    def _absolute(cls, links: tuple[str, ...]) -> tuple[str, ...]:
        """Folders are meant from where the service was started, not from where uv runs."""
        return tuple(link if "://" in link else str(Path(link).absolute()) for link in links)
