"""Which step an error is about."""

from __future__ import annotations

from proto_msgs.errors import DLHubError


def at_step(error: DLHubError, index: int, place: str, servable: str = "") -> DLHubError:
    """The same error, naming the step: `steps[1] (ada/forest@3): ...`.

    Of steps within steps the message names all, `details["step"]` the outermost and `details["servable"]` the
    innermost.
    """
    details = {**({"servable": servable} if servable else {}), **error.details, "step": index}
    where = f"{place} ({servable})" if servable else place
    message = f"{where}: {error.message}"
    return type(error)(message, retry_after_s=error.retry_after_s, details=details)
