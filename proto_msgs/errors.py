"""The one tree of errors, and the form in which they cross the bus.

    DLHubError
    ├─ Malformed          not JSON, not msgpack, a bad archive, a wrong envelope
    ├─ Unauthenticated    no token, or one that is not valid
    ├─ Forbidden          known, but not allowed
    ├─ NotFound           no such thing, or none that the caller may discover
    ├─ Conflict           it exists already, or another request with the same key differed
    ├─ TooLarge           a limit on size or number
    ├─ InputMismatch      inputs do not fit the method's declared types
    ├─ ServableFailed     the model's own code raised
    │  ├─ LoadFailed          ... while the model was loaded
    │  ├─ OutputUnencodable   ... or returned what no message can carry
    │  └─ WorkerLost          ... or its process ended, or went silent, with the run in it
    ├─ BuildFailed        a published version did not become an environment that runs
    ├─ Cancelled          somebody cancelled it
    ├─ DeadlineExceeded   nobody waits for the answer any more
    ├─ Overloaded         a quota or a full queue; retry after a while
    ├─ Unavailable        a part of the hub is down, or nobody serves this; retry
    └─ Internal           a fault of the hub itself

`code` and `retryable` belong to the error; which HTTP status it becomes is the gateway's business.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class DLHubError(Exception):
    """Base of every error that a user of the hub can meet."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.details = details or {}

    def __str__(self) -> str:
        """The message, followed by the remote traceback where there is one."""
        traceback = self.details.get("traceback")
        return f"{self.message}\n\nRemote traceback:\n{traceback}" if traceback else self.message


class Malformed(DLHubError):
    """The request or the file could not be read."""

    code = "malformed"


class Unauthenticated(DLHubError):
    """A valid token is needed."""

    code = "unauthenticated"


class Forbidden(DLHubError):
    """The caller is known and may not do this."""

    code = "forbidden"


class NotFound(DLHubError):
    """There is no such thing, or the caller may not discover it."""

    code = "not_found"


class Conflict(DLHubError):
    """The request contradicts what is already there."""

    code = "conflict"


class TooLarge(DLHubError):
    """A limit on size or number was passed."""

    code = "too_large"


class InputMismatch(DLHubError):
    """The inputs do not fit the method's declared types."""

    code = "input_mismatch"


class ServableFailed(DLHubError):
    """The model's own code raised; `details` hold its `type` and `traceback` as text."""

    code = "servable_failed"


class LoadFailed(ServableFailed):
    """The model could not be loaded."""

    code = "load_failed"


class OutputUnencodable(ServableFailed):
    """The model returned a value that no message can carry; the message names its path."""

    code = "output_unencodable"


class WorkerLost(ServableFailed):
    """The process that ran the model ended or went silent, and so did the one that tried again."""

    code = "worker_lost"


class BuildFailed(DLHubError):
    """A build did not succeed; `details["step"]` says where."""

    code = "build_failed"


class Cancelled(DLHubError):
    """Somebody who may do so cancelled it."""

    code = "cancelled"


class DeadlineExceeded(DLHubError):
    """The deadline passed before there was an answer."""

    code = "deadline_exceeded"


class Overloaded(DLHubError):
    """A quota is used up or a queue is full."""

    code = "overloaded"
    retryable = True


class Unavailable(DLHubError):
    """A part of the hub is down, or nobody serves this at present."""

    code = "unavailable"
    retryable = True


class Internal(DLHubError):
    """A fault of the hub itself; the log of the service has the traceback."""


def _tree(cls: type[DLHubError]) -> dict[str, type[DLHubError]]:
    """Every class below `cls` by its code."""
    found = {} if cls is DLHubError else {cls.code: cls}
    for child in cls.__subclasses__():
        found.update(_tree(child))
    return found


BY_CODE = _tree(DLHubError)


class Failure(BaseModel):
    """An error on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    """Stable name of the kind of error."""
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, error: DLHubError) -> Failure:
        """The wire form of `error`."""
        return cls(
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
            details=error.details,
        )

    def error(self) -> DLHubError:
        """The error as an exception; a code from a newer hub becomes `Internal` that keeps its name."""
        known = BY_CODE.get(self.code)
        if known is None:
            return Internal(f"{self.code}: {self.message}", details=self.details)
        return known(self.message, retry_after_s=self.retry_after_s, details=self.details)
