"""Trying again: what is worth it, how often, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dlhub_client.errors import Conflict, ConnectionFailed, DLHubError, Overloaded, Unavailable


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a request is repeated when the hub is full, away or cut off."""

    attempts: int = 6
    """Tries in all; 1 means never again."""
    first_delay_s: float = 0.2
    """Upper end of the first delay; it doubles with each try."""
    longest_delay_s: float = 8.0
    """No delay of our own is longer."""
    longest_retry_after_s: float = 60.0
    """A hub that asks for more patience than this gets none: its error is raised at once."""

    def delay_s(self, error: DLHubError, tries: int) -> float | None:
        """How long to wait after the `tries`-th try failed so; None: do not try again."""
        if tries >= self.attempts or not _worth_it(error):
            return None
        asked_s = error.retry_after_s or 0.0
        if asked_s > self.longest_retry_after_s:
            return None
        ceiling_s = min(self.longest_delay_s, self.first_delay_s * 2.0 ** (tries - 1))
        # Jitter on top of what the hub asked for: clients that were refused together do not return together.
        return asked_s + ceiling_s * random.uniform(0.5, 1.0)


def _worth_it(error: DLHubError) -> bool:
    """A conflict with a Retry-After means that the first try of the same request is still at work."""
    if isinstance(error, Conflict):
        return error.retry_after_s is not None
    return isinstance(error, (Overloaded, Unavailable, ConnectionFailed))


NEVER = RetryPolicy(attempts=1)
