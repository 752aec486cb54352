"""What the hub knows: servables, people, sites, deployments, logs. The quiet half of the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from dlhub_client.connection import Call, Connection, Method, packed
from dlhub_client.errors import NotAHub, NotFound
from dlhub_client.names import servable_path

_PAGE = 100


class Catalogue:
    """Questions and changes that are answered at once."""

    _connection: Connection

    # --- servables ---

    async def describe_servable(self, name: str) -> dict[str, Any]:
        """A version with its whole description; `owner/name` means the newest one that is ready."""
        return dict(await self._call("GET", servable_path(name)))

    async def describe_methods(self, name: str, method: str | None = None) -> dict[str, Any]:
        """Inputs, outputs and parameters of all methods, or of one. Raises NotFound for an unknown one."""
        record = await self.describe_servable(name)
        description = record.get("description") or record
        methods = {
            key: {field: value for field, value in details.items() if field != "method_details"}
            for key, details in description["servable"]["methods"].items()
        }
        if method is None:
            return methods
        if method not in methods:
            raise NotFound(f"{name} has no method {method!r}; it has: {', '.join(sorted(methods))}.")
        return methods[method]

    async def list_servables(self) -> list[str]:
        """`owner/name` of every servable that the caller may discover."""
        return [item["name"] for item in await self.get_servables()]

    async def get_servables(self) -> list[dict[str, Any]]:
        """A summary of every servable that the caller may discover."""
        return [item async for item in self._found({})]

    async def search(
        self,
        query: str | None = None,
        owner: str | None = None,
        type: str | None = None,
        domain: str | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Summaries of at most `limit` servables with these words, of this owner, of this type."""
        found: list[dict[str, Any]] = []
        async for item in self._found({"q": query, "owner": owner, "type": type, "domain": domain}, limit):
            found.append(item)
            if len(found) >= limit:
                break
        return found

    async def versions(self, name: str) -> list[dict[str, Any]]:
        """All versions of a servable, newest first."""
        return await self._items(f"{servable_path(name)}/versions", {})

    async def set_access(
        self, name: str, visible_to: Iterable[str] | None = None, runnable_by: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Say who may discover a servable, all its versions, and who may run it; the lists as they are now.

        Both take identities such as "bob@local", groups, and "public"; an empty list means its maintainers
        alone, and None leaves a list as it is. Who was not allowed by a list of their own to run it may run
        what they may discover. It counts at once, until somebody publishes the servable anew: then its
        description says who may use it.
        """
        lists = {"visible_to": visible_to, "runnable_by": runnable_by}
        changes = {key: _names(value) for key, value in lists.items() if value is not None}
        return dict(await self._call("PATCH", servable_path(name), changes))

    async def logs(self, name: str, max_bytes: int = 65_536) -> dict[str, Any]:
        """What the replicas printed last (`replicas`), and which sites kept silent (`unanswered`).

        For maintainers. `owner/name` means all versions; max_bytes: of each stream of each replica.
        """
        return dict(await self.get_json(f"{servable_path(name)}/logs", {"max_bytes": max_bytes}))

    async def get_deployments(self, name: str) -> list[dict[str, Any]]:
        """Where and how a servable is served; empty when it has the default deployment."""
        return await self._items(f"{servable_path(name)}/deployments", {}, "deployments")

    async def put_deployments(
        self, name: str, deployments: Iterable[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Replace the deployments of a servable; an empty list brings the default one back."""
        body = {"deployments": [dict(deployment) for deployment in deployments]}
        answer = await self._call("PUT", f"{servable_path(name)}/deployments", body)
        return _list(answer, "deployments")

    async def get_json(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        """A JSON answer as it is; `path` is below /api/v1."""
        call = Call(method="GET", path=path, params=params or {}, accept="application/json", timeout_s=90.0)
        return (await self._connection.send(call)).value

    # --- people ---

    async def whoami(self) -> dict[str, Any]:
        """`identity`, `namespace`, `groups` and `scopes` of the caller."""
        return dict(await self._call("GET", "/whoami"))

    async def get_username(self) -> str:
        """The caller's namespace: the first half of the names of their servables."""
        return str((await self.whoami())["namespace"])

    async def create_token(
        self, *, user: str | None = None, label: str = "", ttl_s: float | None = None
    ) -> dict[str, Any]:
        """A new token, told this once. Only an administrator may name another `user`."""
        body = {"user": user, "label": label, "ttl_s": ttl_s}
        given = {key: value for key, value in body.items() if value is not None}
        return dict(await self._call("POST", "/tokens", given))

    async def list_tokens(self) -> list[dict[str, Any]]:
        """The caller's tokens, without the tokens themselves."""
        return await self._items("/tokens", {})

    async def revoke_token(self, token_id: str) -> None:
        """End a token."""
        await self._call("DELETE", f"/tokens/{quote(token_id, safe='')}")

    # --- operations ---

    async def sites(self) -> list[dict[str, Any]]:
        """The sites and how their task managers fare."""
        return await self._items("/sites", {})

    async def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """Runs that could not be delivered."""
        return await self._items("/dead-letters", {"limit": limit})

    async def requeue_dead_letter(self, letter_id: str) -> None:
        """Try such a run once more."""
        await self._call("POST", f"/dead-letters/{quote(letter_id, safe='')}/requeue", {})

    async def health(self) -> dict[str, Any]:
        """What the hub says about itself; raises Unavailable naming what is missing."""
        return dict(await self._call("GET", "/health/ready") or {})

    # --- how ---

    async def _call(self, method: Method, path: str, body: Any = None) -> Any:
        if body is None:
            return (await self._connection.send(Call(method=method, path=path))).value
        make_body, headers = packed(body)
        call = Call(method=method, path=path, make_body=make_body, headers=headers)
        return (await self._connection.send(call)).value

    async def _items(
        self, path: str, params: Mapping[str, str | int | None], field: str = "items"
    ) -> list[dict[str, Any]]:
        given = {key: value for key, value in params.items() if value is not None}
        reply = await self._connection.send(Call(method="GET", path=path, params=given))
        return _list(reply.value, field)

    async def _found(
        self, criteria: Mapping[str, str | None], limit: int = _PAGE
    ) -> AsyncIterator[dict[str, Any]]:
        """Every hit of a search, page by page."""
        params: dict[str, str | int] = {key: value for key, value in criteria.items() if value is not None}
        params["limit"] = min(limit, _PAGE)
        while True:
            reply = await self._connection.send(Call(method="GET", path="/servables", params=params))
            for item in _list(reply.value, "items"):
                yield item
            if not reply.value.get("next"):
                return
            params["cursor"] = reply.value["next"]


def _names(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _list(answer: Any, field: str) -> list[dict[str, Any]]:
    found = answer.get(field) if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        raise NotAHub(f"the hub's answer has no list named {field!r}")
    return found
