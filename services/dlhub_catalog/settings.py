"""Settings of the catalog: `DLHUB_*` environment variables."""

from __future__ import annotations

from pydantic import Field, SecretStr

from dlhub_runtime.settings import ServiceSettings

HOUR_S = 3600
DAY_S = 24 * HOUR_S


class Settings(ServiceSettings):
    """What the catalog needs to know."""

    mongo_url: SecretStr = SecretStr("mongodb://127.0.0.1:27017/?directConnection=true")
    """The database, with user and password: a replica set (of one member at least), for transactions."""
    mongo_database: str = Field(default="dlhub", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    mongo_timeout_s: float = Field(default=8.0, gt=0)
    """While the database is away an operation is repeated for so long; then the asker gets an error."""
    mongo_start_timeout_s: float = Field(default=60.0, gt=0)
    """How long to wait for the database at start."""

    admin_user: str = Field(default="admin", min_length=1)
    """Namespace of the administrator, who exists from the start."""
    admin_token_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Hash of a token that is the administrator's for as long as it stands here; None: no such token."""

    concurrency: int = Field(default=64, ge=1)
    """Requests worked on at once."""
    results_prefetch: int = Field(default=256, ge=1)
    """Batches of results held at once. More fit into one write; more come again when this process dies."""
    task_retention_s: int = Field(default=14 * DAY_S, ge=1)
    """How long a finished task and its result are kept."""
    overdue_grace_s: float = Field(default=15.0, ge=0)
    """So long after its deadline a task without a result expires: its result may be under way."""
    idempotency_s: int = Field(default=DAY_S, ge=1)
    """How long an `Idempotency-Key` is remembered."""
    requeued_deadline_s: float = Field(default=DAY_S, gt=0)
    """How long a requeued dead letter has to come to a result."""
    build_lease_s: float = Field(default=30.0, gt=0)
    """A builder that reports nothing for so long has lost its build."""
    build_log_lines: int = Field(default=100_000, ge=1)
    """Lines kept of one build's log; what follows is left out, and a last line says so."""
    sweep_s: float = Field(default=5.0, gt=0)
    """Seconds between two looks for lost builders and overdue tasks."""
