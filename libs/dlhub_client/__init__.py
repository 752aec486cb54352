"""Publish, find and run servables from Python.

    from dlhub_client import DLHubClient

    with DLHubClient() as hub:
        hub.run("ada/noop", [1, 2, 3])

`AsyncDLHubClient` is the one implementation; `DLHubClient` runs it on a thread of its own, so that it
also works where an event loop is running already, as in a notebook. `describe` builds descriptions.
"""

from dlhub_client.async_client import AsyncDLHubClient
from dlhub_client.client import DLHubClient
from dlhub_client.futures import DLHubFuture
from dlhub_client.models import Progress, Published

__all__ = ["AsyncDLHubClient", "DLHubClient", "DLHubFuture", "Progress", "Published"]
