"""The client, for code that has an event loop. Everything else is a face of this class."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from dlhub_client.address import resolve
from dlhub_client.catalogue import Catalogue
from dlhub_client.connection import JSON, Connection
from dlhub_client.models import OnProgress, Returns
from dlhub_client.publishing import Publishing
from dlhub_client.retry import RetryPolicy
from dlhub_client.running import Running, TaskHandle
from dlhub_client.tasks import Tasks, output_of
from dlhub_client.values.conversion import Conversion


class AsyncDLHubClient(Running, Catalogue, Publishing):
    """A hub. Use it with `async with`, or `close` it.

    url, token: by default `DLHUB_URL` and `DLHUB_TOKEN`, then what `dlhub login` stored.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        max_connections: int = 128,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self.address = resolve(url, token)
        self._connection = Connection(self.address, self._retry, max_connections)
        self._tasks = Tasks(self._connection)
        self._values = Conversion(self.describe_servable, self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._connection.close()

    # --- tasks ---

    async def get_task_status(self, task_id: str, wait_s: int = 0) -> dict[str, Any]:
        """The task as the hub has it, or as it is when it ends within `wait_s` (at most 60)."""
        return dict((await self._tasks.state(task_id, wait_s)).document)

    async def wait_json(self, task_id: str, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """The task once it has ended, with its output in JSON's forms. Raises what it failed with."""
        state = await self._tasks.finished(task_id, JSON, on_progress)
        output_of(state)
        return dict(state.document)

    async def get_result(
        self,
        task_id: str,
        verbose: bool = False,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        returns: Returns = None,
    ) -> Any:
        """Wait for a task and give its output; verbose: `(output, metadata)`. Raises what it failed with.

        returns: as for `run`.
        """
        handle = TaskHandle(self._tasks, task_id, self._values, returns=returns)
        output, metadata = await handle.output_and_metadata(timeout_s, on_progress)
        return (output, metadata) if verbose else output

    async def list_tasks(self, status: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The caller's tasks, newest first."""
        return await self._items("/tasks", {"status": status, "limit": limit})

    async def cancel(self, task_id: str) -> bool:
        """End a task that has not ended; whether it is cancelled now."""
        return await TaskHandle(self._tasks, task_id, self._values).cancel()
