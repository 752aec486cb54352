"""A small gateway on a real socket: speaks the documented HTTP API, and fails when told to.

It keeps what it was sent, answers runs with Python functions, and plays builds from a list of lines. It runs
on a thread of its own, so that synchronous clients and the command line can be tested against it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from proto_msgs import codec
from proto_msgs.errors import DLHubError

BASE = "/api/v1"
TOKEN = "dlh_test"
MSGPACK = "application/msgpack"
Model = Callable[[Any, dict[str, Any]], Any]


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")

    @property
    def value(self) -> Any:
        kind = self.headers.get("Content-Type", "")
        return codec.unpack(self.body) if kind == MSGPACK else json.loads(self.body)


@dataclass
class Trouble:
    """What happens to a request instead of an answer."""

    status: int = 0  #: 0: the connection is cut
    retry_after_s: str | None = None
    body: bytes = b'{"code": "unavailable", "detail": "out of order"}'
    after_work: bool = False  #: the work is done first, and only the answer is lost
    content_type: str = "application/problem+json"


@dataclass
class Build:
    """A build that will be played."""

    status: str = "succeeded"
    lines: list[tuple[str, str]] = field(default_factory=lambda: [("extract", "2 files"), ("lock", "numpy")])
    failure: dict[str, Any] | None = None
    cut_after: int | None = None  #: the first connection to the log is lost after so many lines
    endless: bool = False


class FakeGateway:
    """State and handlers; `url` is set while it runs."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.troubles: deque[Trouble] = deque()
        self.models: dict[str, Model] = {"ada/double": lambda inputs, _: inputs * 2}
        self.describe: dict[str, Any] = {}
        self.coercions: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {"run_id": "r", "site": "here"}
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.documents: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.finish = threading.Event()
        self.steps: deque[int] = deque()  #: items that are done at each poll of a task; it ends with the last
        self.build = Build()
        self.uploads: list[tuple[dict[str, Any], bytes]] = []
        self.known_already = False
        self._answers: dict[str, web.Response] = {}

    def posts(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST" and seen.path == BASE + path]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30, middlewares=[self._around])
        route = app.router.add_route
        route("GET", BASE + "/whoami", self._whoami)
        route("POST", BASE + "/servables", self._publish)
        route("GET", BASE + "/servables", self._search)
        route("GET", BASE + "/servables/{owner}/{name}", self._describe)
        route("POST", BASE + "/servables/{owner}/{name}/run", self._run)
        route("POST", BASE + "/servables/{owner}/{name}/methods/{method}/run", self._run)
        route("POST", BASE + "/servables/{owner}/{name}/check", self._check)
        route("POST", BASE + "/servables/{owner}/{name}/methods/{method}/check", self._check)
        route("POST", BASE + "/servables/{owner}/{name}/map", self._map)
        route("GET", BASE + "/tasks/{id}", self._task)
        route("DELETE", BASE + "/tasks/{id}", self._cancel)
        route("PUT", BASE + "/blobs/{sha256}", self._blob)
        route("GET", BASE + "/builds/{id}", self._build)
        route("GET", BASE + "/builds/{id}/log", self._build_log)
        route("*", "/{anything:.*}", self._anything)
        return app

    # --- around every request ---

    @web.middleware
    async def _around(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = b"" if request.content_type == "multipart/form-data" else await request.read()
        seen = Seen(request.method, request.path, dict(request.query), dict(request.headers), body)
        self.seen.append(seen)
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble and not trouble.after_work:
            return self._fail(request, trouble)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _problem(401, "unauthenticated", "a valid token is needed")
        answer = self._answers.get(seen.key or "") or await handler(request)
        if seen.key and isinstance(answer, web.Response):
            self._answers[seen.key] = web.Response(
                status=answer.status, body=answer.body, headers=answer.headers
            )
        return self._fail(request, trouble) if trouble else answer

    def _fail(self, request: web.Request, trouble: Trouble) -> web.Response:
        if trouble.status == 0:
            assert request.transport
            request.transport.abort()
            raise ConnectionResetError
        headers = {"Retry-After": trouble.retry_after_s} if trouble.retry_after_s else {}
        return web.Response(
            status=trouble.status, body=trouble.body, headers=headers, content_type=trouble.content_type
        )

    # --- servables ---

    async def _whoami(self, request: web.Request) -> web.Response:
        return _answer(request, {"identity": "ada@local", "namespace": "ada", "groups": [], "scopes": []})

    async def _describe(self, request: web.Request) -> web.Response:
        name = _name(request)
        if name not in self.describe:
            return _problem(404, "not_found", f"there is no servable {name}")
        return _answer(request, self.describe[name])

    async def _search(self, request: web.Request) -> web.Response:
        items = self.items.get("/servables", [])
        start, limit = int(request.query.get("cursor", 0)), int(request.query["limit"])
        following = str(start + limit) if start + limit < len(items) else None
        return _answer(
            request, {"items": items[start : start + limit], "total": len(items), "next": following}
        )

    async def _publish(self, request: web.Request) -> web.Response:
        parts = {}
        async for part in await request.multipart():
            parts[part.name] = await part.read()
        metadata = json.loads(parts["metadata"])
        self.uploads.append((metadata, parts["archive"]))
        answer = {
            "build_id": "b1",
            "servable": f"ada/{metadata['dlhub']['name']}",
            "version": 1,
            "version_id": "v1",
            "location": "/api/v1/servables/ada/x@1",
        }
        return _answer(request, answer, status=200 if self.known_already else 202)

    # --- runs ---

    async def _run(self, request: web.Request) -> web.Response:
        asked = await _read(request)
        if request.headers.get("Prefer") == "respond-async":
            return self._accept(request, asked)
        try:
            output = self._call(request, asked["inputs"], asked.get("parameters") or {})
        except DLHubError as error:
            return _problem(422, error.code, error.message, error.details)
        return _answer(request, {"output": output, "metadata": self.metadata})

    async def _check(self, request: web.Request) -> web.Response:
        asked = await _read(request)
        if asked["inputs"] == "bad":
            return _problem(422, "input_mismatch", "inputs: declared as float, but the str 'bad' came")
        method = request.match_info.get("method", "run")
        return _answer(request, {"version": 3, "method": method, "coercions": self.coercions})

    def _call(self, request: web.Request, inputs: Any, parameters: dict[str, Any]) -> Any:
        method = request.match_info.get("method", "run")
        suffix = "" if method == "run" else f":{method}"
        return self.models[_name(request) + suffix](inputs, parameters)

    async def _map(self, request: web.Request) -> web.Response:
        asked = await _read(request)
        outcomes = []
        for index, inputs in enumerate(asked["inputs"]):
            if isinstance(inputs, str) and inputs == "bad":
                return _problem(422, "input_mismatch", f"inputs[{index}]: float expected, str came")
            try:
                outcomes.append({"output": self._call(request, inputs, asked.get("parameters") or {})})
            except DLHubError as error:
                outcomes.append({"error": _members(422, error.code, error.message, error.details)})
        return _answer(request, {"outcomes": outcomes})

    def _accept(self, request: web.Request, asked: dict[str, Any]) -> web.Response:
        task_id = f"t{len(self.tasks) + 1}"
        name = _name(request)
        about = {"servable": name, "version": 1, "method": request.match_info.get("method", "run")}
        self.tasks[task_id] = {"id": task_id, "status": "queued", "asked": asked, "name": name, **about}
        location = f"{BASE}/tasks/{task_id}"
        return _answer(
            request, {"id": task_id, "status": "queued"}, status=202, headers={"Location": location}
        )

    async def _task(self, request: web.Request) -> web.Response:
        task = self.tasks.get(request.match_info["id"])
        if task is None:
            return _problem(404, "not_found", "there is no such task")
        if self.steps:
            task["progress"] = {"done": self.steps.popleft(), "total": 10}
            if self.steps:
                return _answer(request, {"id": task["id"], "status": "running", "progress": task["progress"]})
            self.finish.set()
        wait_s = float(request.query.get("wait", 0))
        if wait_s and task["status"] == "queued":
            await asyncio.to_thread(self.finish.wait, wait_s)
        if task["status"] == "queued" and self.finish.is_set():
            self._settle(task)
        return _answer(request, {key: task[key] for key in task if key not in ("asked", "name")})

    def _settle(self, task: dict[str, Any]) -> None:
        try:
            output = self.models[task["name"]](task["asked"]["inputs"], task["asked"].get("parameters") or {})
        except DLHubError as error:
            task.update(status="failed", error=_members(422, error.code, error.message, error.details))
        else:
            task.update(status="succeeded", output=output, metadata={"site": "here"})

    async def _cancel(self, request: web.Request) -> web.Response:
        task = self.tasks[request.match_info["id"]]
        if task["status"] == "queued":
            task["status"] = "cancelled"
            self.finish.set()
        return _answer(request, {"id": task["id"], "status": task["status"]})

    async def _blob(self, request: web.Request) -> web.Response:
        return _answer(request, {"sha256": request.match_info["sha256"]}, status=201)

    # --- builds ---

    async def _build(self, request: web.Request) -> web.Response:
        step = self.build.lines[-1][0] if self.build.lines else ""
        record = {"build_id": request.match_info["id"], "status": self.build.status, "step": step}
        return _answer(request, {**record, "error": self.build.failure})

    async def _build_log(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        start = int(request.headers.get("Last-Event-ID", -1)) + 1
        for seq, (step, text) in enumerate(self.build.lines):
            if seq < start:
                continue
            if seq == self.build.cut_after and request.transport:
                self.build.cut_after = None
                request.transport.abort()
                return response
            data = json.dumps({"seq": seq, "at": 0.0, "step": step, "text": text})
            await response.write(f"id: {seq}\nevent: line\ndata: {data}\n\n: alive\n\n".encode())
        if self.build.endless:
            await asyncio.to_thread(self.finish.wait, 30)
        end = json.dumps({"status": self.build.status})
        await response.write(f"event: end\ndata: {end}\n\n".encode())
        return response

    # --- everything else ---

    async def _anything(self, request: web.Request) -> web.Response:
        """Lists by path; what is posted or put is given back."""
        path = request.path.removeprefix(BASE)
        if request.method == "GET" and path in self.documents:
            return _answer(request, self.documents[path])
        if request.method == "GET" and path in self.items:
            return _answer(request, {"items": self.items[path]})
        if request.method == "GET":
            return _problem(404, "not_found", f"there is no {path}")
        if request.method == "DELETE":
            return web.Response(status=204)
        return _answer(request, {**(await _read(request) or {}), "token": "dlh_new"})


def _name(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['name'].partition('@')[0]}"


async def _read(request: web.Request) -> Any:
    body = await request.read()
    return codec.unpack(body) if request.content_type == MSGPACK else json.loads(body)


def _answer(
    request: web.Request, value: Any, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    if MSGPACK in request.headers.get("Accept", ""):
        return web.Response(status=status, body=codec.pack(value), content_type=MSGPACK, headers=headers)
    return web.Response(
        status=status, text=json.dumps(value), content_type="application/json", headers=headers
    )


def _members(status: int, code: str, detail: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": f"urn:dlhub:error:{code}",
        "title": "Error",
        "status": status,
        "code": code,
        "detail": detail,
        "retryable": code in ("overloaded", "unavailable"),
        "details": details or {},
    }


def _problem(status: int, code: str, detail: str, details: dict[str, Any] | None = None) -> web.Response:
    return web.json_response(
        _members(status, code, detail, details), status=status, content_type="application/problem+json"
    )


@contextmanager
def running_gateway() -> Iterator[FakeGateway]:
    """A fake gateway on a free port of loopback, served from a thread."""
    gateway = FakeGateway()
    started = threading.Event()
    stop: list[Callable[[], None]] = []

    async def serve() -> None:
        runner = web.AppRunner(gateway.app(), shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        gateway.url = f"http://{host}:{port}"
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        started.set()
        await ended.wait()
        gateway.finish.set()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield gateway
    finally:
        stop[0]()
        thread.join(10)
