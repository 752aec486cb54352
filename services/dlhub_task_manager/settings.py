"""Settings of a task manager."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dlhub_runtime.settings import ServiceSettings

MEBIBYTE = 1024 * 1024


class Settings(ServiceSettings):
    """`DLHUB_*` variables of a task manager; what belongs to the site is in its site file."""

    site_file: Path
    """TOML file that describes the site; see `site_file.py`."""
    task_manager_dir: Path
    """Folder for replicas' output and block scripts."""
    environments_dir: Path
    """Folder in which environments are materialised; may be shared with a builder on the same machine."""
    reconcile_s: float = Field(default=10.0, gt=0)
    """How often the wishes are fetched when no event says that they changed."""
    beat_s: float = Field(default=5.0, gt=0)
    """How often the hub hears of this site."""
    drain_s: float = Field(default=5.0, ge=0)
    """How long a stop waits for running runs; the rest goes back to the queues."""
    site_cache_bytes: int = Field(default=256 * MEBIBYTE, ge=0)
    """Memory for outputs of methods declared deterministic, which are not computed again; 0: none."""
