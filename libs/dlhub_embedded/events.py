"""What happens while a hub runs, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class EventKind(StrEnum):
    """What happened."""

    STARTING = "starting"  #: a part is being started
    STARTED = "started"  #: a part runs and answers
    READY = "ready"  #: the hub takes requests; the message is its URL
    EXITED = "exited"  #: a part ended by itself
    RESTARTED = "restarted"  #: and was started again
    GIVEN_UP = "given_up"  #: and was not, as it said that this would not help
    STOPPING = "stopping"  #: a part is being stopped
    STOPPED = "stopped"  #: all parts are stopped
    FAILED = "failed"  #: the hub could not be started; the message says why


class Event(BaseModel):
    """One thing that happened."""

    model_config = ConfigDict(frozen=True)

    kind: EventKind
    part: str | None = None
    message: str = ""


OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For callers who do not want to know."""
