"""Settings of a builder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from dlhub_build.settings import BuildSettings
from dlhub_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`DLHUB_*` variables of a builder."""

    environments_dir: Path
    """Folder of environments; may be shared with task managers on the same machine."""
    builder_concurrency: int = Field(default=2, ge=1)
    """Builds at work at the same time."""
    builder_index_url: SecretStr | None = None
    """Package index, credentials included; empty for none, unset for the public one. Never in a lock."""
    builder_find_links: str = ""
    """Folders or pages with more packages, separated by spaces. Never in a lock."""
    builder_ca: Path | None = None
    """Certificate authorities (PEM) for the index; unset: those that the machine trusts."""
    builder_time_limit_s: float = Field(default=3600.0, gt=0)
    """For one build."""

    def for_builds(self) -> BuildSettings:
        """What the build library needs to know."""
        return BuildSettings(
            environments_dir=self.environments_dir,
            index_url=self.builder_index_url,
            find_links=tuple(self.builder_find_links.split()),
            ca=self.builder_ca,
            time_limit_s=self.builder_time_limit_s,
        )
