"""Questions to the catalog and to task managers, with the gateway's patience."""

from __future__ import annotations

from typing import TypeVar

from dlhub_bus import Bus, Unroutable
from proto_msgs.errors import DeadlineExceeded, Unavailable
from proto_msgs.messages import Message, Request

R = TypeVar("R", bound=Message)
ASK_S = 5.0


async def ask(bus: Bus, request: Request[R], *, timeout_s: float = ASK_S) -> R:
    """The reply. Raises what the other side raised, and Unavailable when it does not answer in time.

    A part that does not answer is our fault, not a deadline of the caller's: 503, not 504.
    """
    word = request.routing_key.split(".")[0]
    part = SERVICES.get(word, word)
    try:
        return await bus.call(request, timeout_s=timeout_s)
    except Unroutable as error:
        raise Unavailable(f"the hub's {part} is not running; try again soon", retry_after_s=2) from error
    except DeadlineExceeded as error:
        raise Unavailable(
            f"the hub's {part} did not answer within {timeout_s:g} s; try again soon", retry_after_s=2
        ) from error


SERVICES = {"catalog": "catalog", "builder": "builder", "tm": "task manager"}
