"""The client for scripts and notebooks: `AsyncDLHubClient` run on a thread of its own."""

from __future__ import annotations

import functools
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from dlhub_client.address import resolve
from dlhub_client.async_client import AsyncDLHubClient
from dlhub_client.errors import Cancelled
from dlhub_client.futures import DLHubFuture
from dlhub_client.models import LogLine, OnProgress, Returns
from dlhub_client.portal import Portal
from dlhub_client.retry import RetryPolicy
from dlhub_client.running import TaskHandle

P = ParamSpec("P")
R = TypeVar("R")


def _synchronous(
    method: Callable[Concatenate[AsyncDLHubClient, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[DLHubClient, P], R]:
    """The same method, waiting for its result."""

    @functools.wraps(method)
    def call(self: DLHubClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._portal.call(lambda hub: method(hub, *args, **kwargs))

    return call


class DLHubClient:
    """A hub, for code without an event loop, or in a notebook whose loop is busy.

    url, token: by default `DLHUB_URL` and `DLHUB_TOKEN`, then what `dlhub login` stored, then the hub that
    `dlhub up` runs on this machine. Use it with `with`, or let it close itself at exit.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, retry: RetryPolicy | None = None
    ) -> None:
        self.address = address = resolve(url, token)
        self._portal = Portal(lambda: AsyncDLHubClient(address.url, address.token, retry=retry))
        # Runs at exit too. Not a method of self: that would keep every client alive until then.
        self._finalizer = weakref.finalize(self, self._portal.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and the thread; futures that have no result yet fail."""
        self._finalizer()

    # --- running ---

    def run(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        asynchronous: bool = False,
        debug: bool = False,
        timeout_s: float | None = None,
        method: str = "run",
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
        on_progress: OnProgress | None = None,
        returns: Returns = None,
    ) -> Any:
        """Run a servable (`owner/name` or `owner/name@version`) and give its output.

        debug: give `(output, metadata)`: timings, site, captured stdout and stderr.
        asynchronous: give a DLHubFuture at once.
        outputs: of an output that is a dict, only the entries with these names.
        fresh: computed now, even if the hub remembers the output (of a method declared deterministic).
        on_progress: told of the items that are done, where the hub runs a large input in pieces. The run is
        a task then.
        returns: give the output as "numpy", "pandas", "pil" or "torch" has it, or write it to this path.
        Raises ServableFailed with the model's traceback, InputMismatch, NotFound, ...
        """
        given = (outputs, fresh, on_progress, returns)
        if asynchronous:
            return self.run_async(name, inputs, parameters, timeout_s, method, debug, *given)
        return self._portal.call(
            lambda hub: hub.run(name, inputs, parameters, False, debug, timeout_s, method, *given)
        )

    def run_async(
        self,
        name: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        method: str = "run",
        debug: bool = False,
        outputs: Sequence[str] | None = None,
        fresh: bool = False,
        on_progress: OnProgress | None = None,
        returns: Returns = None,
    ) -> DLHubFuture:
        """Hand a run to the hub, which keeps it through restarts; a future for its output.

        on_progress: told of the items that are done, where the hub runs a large input in pieces.
        """
        handle = self._portal.call(
            lambda hub: hub.run_async(name, inputs, parameters, timeout_s, method, outputs, fresh, returns)
        )
        future = DLHubFuture(handle.task_id, functools.partial(self._cancel_task, handle.task_id), debug)

        async def watch(_: AsyncDLHubClient) -> None:
            await _settle(future, handle, on_progress)

        self._portal.start(watch)
        return future

    def _cancel_task(self, task_id: str) -> bool:
        if not self._portal.is_here():
            return self._portal.call(lambda hub: hub.cancel(task_id))

        async def cancel(hub: AsyncDLHubClient) -> None:
            await hub.cancel(task_id)

        self._portal.start(cancel)  # in a callback nobody can wait: the long poll brings the outcome
        return False

    map = _synchronous(AsyncDLHubClient.map)
    check = _synchronous(AsyncDLHubClient.check)
    run_serial = _synchronous(AsyncDLHubClient.run_serial)
    run_json = _synchronous(AsyncDLHubClient.run_json)

    # --- tasks ---

    get_task_status = _synchronous(AsyncDLHubClient.get_task_status)
    get_result = _synchronous(AsyncDLHubClient.get_result)
    wait_json = _synchronous(AsyncDLHubClient.wait_json)
    list_tasks = _synchronous(AsyncDLHubClient.list_tasks)
    cancel = _synchronous(AsyncDLHubClient.cancel)

    # --- publishing and builds ---

    publish_servable = _synchronous(AsyncDLHubClient.publish_servable)
    easy_publish = _synchronous(AsyncDLHubClient.easy_publish)
    builds = _synchronous(AsyncDLHubClient.builds)
    get_build = _synchronous(AsyncDLHubClient.get_build)
    wait_for_build = _synchronous(AsyncDLHubClient.wait_for_build)
    cancel_build = _synchronous(AsyncDLHubClient.cancel_build)

    def build_log(self, build_id: str, *, follow: bool = False) -> Iterator[LogLine]:
        """The lines of a build's log so far; follow: until the build has ended."""

        async def lines(hub: AsyncDLHubClient) -> AsyncIterator[LogLine]:
            return hub.build_log(build_id, follow=follow)

        source = self._portal.call(lines)
        while True:
            line = self._portal.call(lambda _: _next(source))
            if line is None:
                return
            yield line

    # --- the catalogue, people and operations ---

    describe_servable = _synchronous(AsyncDLHubClient.describe_servable)
    describe_methods = _synchronous(AsyncDLHubClient.describe_methods)
    list_servables = _synchronous(AsyncDLHubClient.list_servables)
    get_servables = _synchronous(AsyncDLHubClient.get_servables)
    search = _synchronous(AsyncDLHubClient.search)
    versions = _synchronous(AsyncDLHubClient.versions)
    set_access = _synchronous(AsyncDLHubClient.set_access)
    logs = _synchronous(AsyncDLHubClient.logs)
    get_deployments = _synchronous(AsyncDLHubClient.get_deployments)
    put_deployments = _synchronous(AsyncDLHubClient.put_deployments)
    get_json = _synchronous(AsyncDLHubClient.get_json)
    whoami = _synchronous(AsyncDLHubClient.whoami)
    get_username = _synchronous(AsyncDLHubClient.get_username)
    create_token = _synchronous(AsyncDLHubClient.create_token)
    list_tokens = _synchronous(AsyncDLHubClient.list_tokens)
    revoke_token = _synchronous(AsyncDLHubClient.revoke_token)
    sites = _synchronous(AsyncDLHubClient.sites)
    dead_letters = _synchronous(AsyncDLHubClient.dead_letters)
    requeue_dead_letter = _synchronous(AsyncDLHubClient.requeue_dead_letter)
    health = _synchronous(AsyncDLHubClient.health)


async def _settle(future: DLHubFuture, handle: TaskHandle, on_progress: OnProgress | None) -> None:
    """Bring the future to its end, whatever happens; nobody else would hear of an error here."""
    try:
        future.settle(*await handle.output_and_metadata(on_progress=on_progress))
    except Cancelled:
        future.settle_cancelled()
    except BaseException as error:
        closed = Cancelled(f"The client was closed; task {future.task_id} goes on: use get_result.")
        future.settle_failed(error if isinstance(error, Exception) else closed)
        if not isinstance(error, Exception):
            raise


async def _next(source: AsyncIterator[LogLine]) -> LogLine | None:
    return await anext(source, None)
