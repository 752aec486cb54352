"""Publishing, and the builds that it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from dlhub_client import upload
from dlhub_client.connection import Body, Call, Connection
from dlhub_client.describe.easy import easy_description
from dlhub_client.errors import NotAHub
from dlhub_client.follow import BuildFollower, get_build, until_built
from dlhub_client.models import LogLine, OnProgress, Published
from dlhub_client.names import build_path

UPLOAD_TIMEOUT_S = 4 * 3600.0
BUILD_TIMEOUT_S = 2 * 3600.0


class Publishing:
    """From a model's files to a version that can be run."""

    _connection: Connection

    async def publish_servable(
        self,
        model: upload.Publishable,
        *,
        wait: bool = True,
        on_progress: OnProgress | None = None,
        timeout_s: float = BUILD_TIMEOUT_S,
    ) -> Published:
        """Publish a folder with a dlhub.json, or a description from `dlhub_client.describe`.

        wait: until it can be run (at most `timeout_s`); otherwise only until the hub has it.
        Raises Malformed for what is wrong with it, BuildFailed with the step and the log's last lines.
        """
        async with upload.prepared(model, on_progress) as request:

            def make_body() -> Body:
                return request.body(on_progress)

            call = Call(method="POST", path="/servables", make_body=make_body, timeout_s=UPLOAD_TIMEOUT_S)
            published = self._published(await self._connection.send(call))
        if wait and published.build_id:
            await until_built(self._connection, published.build_id, timeout_s, on_progress)
        return published

    async def easy_publish(
        self,
        title: str,
        creators: str | Iterable[str],
        short_name: str,
        servable_type: str,
        serv_options: Mapping[str, Any],
        affiliations: Iterable[Any] | None = None,
        paper_doi: str | None = None,
        *,
        visible_to: Iterable[str] = (),
        wait: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Published:
        """Describe and publish in one call.

        servable_type: "static_method", "class_method", "sklearn", "keras", "tensorflow", "pytorch", "onnx",
        "xgboost", "lightgbm" or "pipeline"; serv_options: the arguments of the function of that name in
        `dlhub_client.describe`. creators: "Family, Given", one or several.
        """
        description = easy_description(
            title, creators, short_name, servable_type, serv_options, affiliations, paper_doi
        )
        if visible_to:
            description.set_visibility(visible_to)
        return await self.publish_servable(description, wait=wait, on_progress=on_progress)

    def _published(self, reply: Any) -> Published:
        value = reply.value
        if not isinstance(value, dict) or "servable" not in value:
            raise NotAHub("the answer to a publish request does not name the servable")
        name = value["servable"]
        return Published(
            name=name,
            version=value["version"],
            version_id=value["version_id"],
            build_id=value.get("build_id"),
            url=self._connection.url(f"/servables/{name}@{value['version']}"),
            created=reply.status != 200,
        )

    # --- builds ---

    async def builds(self, limit: int = 50) -> list[dict[str, Any]]:
        """The caller's builds, newest first."""
        call = Call(method="GET", path="/builds", params={"limit": limit})
        return list((await self._connection.send(call)).value["items"])

    async def get_build(self, build_id: str) -> dict[str, Any]:
        """A build as it stands."""
        return await get_build(self._connection, build_id)

    def build_log(self, build_id: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """The lines of a build's log so far; follow: until the build has ended."""
        follower = BuildFollower(self._connection, build_id)
        return follower.lines() if follow else follower.lines_so_far()

    async def wait_for_build(
        self, build_id: str, *, timeout_s: float = BUILD_TIMEOUT_S, on_progress: OnProgress | None = None
    ) -> None:
        """Return when a build has succeeded. Raises BuildFailed or Cancelled."""
        await until_built(self._connection, build_id, timeout_s, on_progress)

    async def cancel_build(self, build_id: str) -> dict[str, Any] | None:
        """End a build that has not ended."""
        reply = await self._connection.send(Call(method="DELETE", path=build_path(build_id)))
        return None if reply.value is None else dict(reply.value)
