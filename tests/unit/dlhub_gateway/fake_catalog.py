"""A catalog and a builder that answer from dictionaries."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from unit.dlhub_gateway.records import NOW, PEOPLE

from dlhub_bus import Bus, Delivery, Transport
from dlhub_gateway.auth import token_hash
from proto_msgs import accounts, builds, health, idempotency, servables, sites, tasks
from proto_msgs.errors import Conflict, DLHubError, NotFound, Unauthenticated
from proto_msgs.identity import Access, Principal
from proto_msgs.messages import Done, Message
from proto_msgs.runs import Outcome, ResultBatch, unpack_results
from proto_msgs.topics import results_queue, service_queue


class FakeCatalog:
    """Answers the catalog's and the builder's requests from dictionaries."""

    def __init__(self, transport: Callable[[str], Transport]) -> None:
        self.bus = Bus(transport("catalog"), origin="catalog")
        self.builder = Bus(transport("builder"), origin="builder")
        self.tokens = {token_hash(name): _checked(name, who) for name, who in PEOPLE.items()}
        self.versions: dict[str, servables.VersionRecord] = {}
        self.deployments: dict[str, tuple[sites.Deployment, ...]] = {}
        self.tasks: dict[str, tasks.TaskRecord] = {}
        self.answer_keys: dict[str, bytes] = {}
        self.items: dict[str, dict[int, tasks.TaskOutcome]] = {}
        self.keys: dict[tuple[str, str], idempotency.BeginKey] = {}
        self.responses: dict[tuple[str, str], idempotency.StoredResponse] = {}
        self.builds: dict[str, builds.BuildRecord] = {}
        self.lines: dict[str, list[builds.LogLine]] = {}
        self.letters: dict[str, sites.DeadLetter] = {}
        self.missing: tuple[str, ...] = ()
        self.fail: dict[type[Message], DLHubError] = {}
        """Requests that shall fail, and how."""
        self.asked: Counter[str] = Counter()
        """How often each kind of request came."""
        self.requests: list[Any] = []

    def add(self, *records: servables.VersionRecord) -> None:
        for record in records:
            self.versions[record.version_id] = record

    def add_token(self, token: str, scopes: tuple[str, ...]) -> None:
        """A token of Ada's that is limited to these scopes."""
        who = PEOPLE["ada"].model_copy(update={"scopes": scopes})
        self.tokens[token_hash(token)] = _checked(token, who)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with (
            self.bus.transport,
            self.builder.transport,
            self.bus,
            self.builder,
            asyncio.TaskGroup() as group,
            self.bus.transport.consume(results_queue(), self._result(group), prefetch=1000),
        ):
            serving = [
                group.create_task(self.bus.serve(service_queue("catalog"), self._handlers())),
                group.create_task(self.builder.serve(service_queue("builder"), {health.AskBuilder: _well})),
            ]
            yield
            for task in serving:
                task.cancel()

    def _handlers(self) -> dict[type[Any], Callable[[Any], Awaitable[Message]]]:
        handlers: dict[type[Any], Callable[[Any], Message]] = {
            accounts.CheckToken: self.check_token,
            accounts.IssueToken: self.issue_token,
            accounts.ListTokens: self.list_tokens,
            accounts.RevokeToken: self.revoke_token,
            servables.ResolveVersion: self.resolve,
            servables.GetVersion: self.get_version,
            servables.ListVersions: self.list_versions,
            servables.SearchServables: self.search,
            servables.PublishVersion: self.publish,
            servables.SetAccess: self.set_access,
            sites.GetDeployments: lambda r: sites.Deployments(
                deployments=self.deployments.get(r.servable, ())
            ),
            sites.PutDeployments: self.put_deployments,
            sites.ListDeadLetters: lambda _: sites.DeadLetters(items=tuple(self.letters.values())),
            sites.RequeueDeadLetter: self.requeue,
            tasks.CreateTasks: self.create_tasks,
            tasks.DiscardTasks: self.discard_tasks,
            tasks.GetTask: lambda r: _found(self.tasks.get(r.task_id)),
            tasks.ListTasks: self.list_tasks,
            tasks.GetMapItems: self.map_items,
            tasks.CancelTask: lambda r: self.end_task(r.task_id, "cancelled"),
            tasks.StartRuns: self.start_runs,
            tasks.DeleteTask: self.delete_task,
            idempotency.BeginKey: self.begin_key,
            idempotency.EndKey: self.end_key,
            builds.GetBuild: lambda r: _found(self.builds.get(r.build_id)),
            builds.ListBuilds: lambda _: builds.Builds(items=tuple(self.builds.values())),
            builds.CancelBuild: self.cancel_build,
            builds.GetBuildLog: self.build_log,
            health.AskCatalog: lambda _: health.Health(missing=self.missing),
        }
        return {kind: self._counted(kind, handler) for kind, handler in handlers.items()}

    def _counted(self, kind: type[Any], handler: Callable[[Any], Message]) -> Any:
        async def handle(request: Any) -> Message:
            self.asked[kind.__name__] += 1
            self.requests.append(request)
            if kind in self.fail:
                raise self.fail[kind]
            return handler(request)

        return handle

    # --- accounts ---

    def check_token(self, request: accounts.CheckToken) -> Message:
        if request.token_sha256 not in self.tokens:
            raise Unauthenticated("the token is not known")
        return self.tokens[request.token_sha256]

    def issue_token(self, request: accounts.IssueToken) -> Message:
        who = PEOPLE[request.user or request.caller.namespace]
        self.tokens[request.token_sha256] = _checked(request.token_sha256[:8], who)
        return _token_record(request.token_sha256[:8], who)

    def list_tokens(self, request: accounts.ListTokens) -> Message:
        mine = [t for t in self.tokens.values() if t.principal == request.caller]
        return accounts.Tokens(items=tuple(_token_record(t.token_id, t.principal) for t in mine))

    def revoke_token(self, request: accounts.RevokeToken) -> Message:
        self.tokens = {key: t for key, t in self.tokens.items() if t.token_id != request.token_id}
        return Done()

    # --- servables ---

    def resolve(self, request: servables.ResolveVersion) -> Message:
        mine = [v for v in self.versions.values() if v.servable == f"{request.owner}/{request.name}"]
        if request.version is not None:
            mine = [v for v in mine if request.version in (str(v.number), v.version_id)]
        return _found(max(mine, key=lambda v: (v.status == "ready", v.number), default=None))

    def get_version(self, request: servables.GetVersion) -> Message:
        return _found(self.versions.get(request.version_id))

    def list_versions(self, request: servables.ListVersions) -> Message:
        mine = [v for v in self.versions.values() if v.servable == f"{request.owner}/{request.name}"]
        return servables.Versions(
            items=tuple(
                servables.VersionSummary(
                    number=v.number,
                    version_id=v.version_id,
                    status=v.status,
                    build_id=v.build_id,
                    created_at=v.created_at,
                )
                for v in mine
            )
        )

    def search(self, request: servables.SearchServables) -> Message:
        found = [v for v in self.versions.values() if v.access.may_discover(request.caller)]
        items = tuple(
            servables.ServableSummary(
                name=v.servable,
                version=v.number,
                version_id=v.version_id,
                title=v.servable,
                creators=(),
                description="",
                type=v.description.servable.type,
                domains=(),
                methods=tuple(v.description.servable.methods),
                status=v.status,
                created_at=v.created_at,
            )
            for v in found[: request.limit]
        )
        return servables.Found(items=items, total=len(found))

    def publish(self, request: servables.PublishVersion) -> Message:
        servable = f"{request.caller.namespace}/{request.description.dlhub.name}"
        known = [v for v in self.versions.values() if v.servable == servable]
        same = [v for v in known if (v.archive, v.description) == (request.archive, request.description)]
        record = same[0] if same else _published(servable, len(known) + 1, request)
        self.add(record)
        return servables.PublishedVersion(
            servable=servable,
            version=record.number,
            version_id=record.version_id,
            build_id=record.build_id,
            status=record.status,
            created=not same,
        )

    def set_access(self, request: servables.SetAccess) -> Message:
        lists = {"visible_to": request.visible_to, "runnable_by": request.runnable_by}
        for key, record in list(self.versions.items()):
            if record.servable == request.servable:
                access = record.access.model_copy(update=lists)
                self.versions[key] = record.model_copy(update={"access": access})
        return servables.ServableAccess(servable=request.servable, **lists)

    def put_deployments(self, request: sites.PutDeployments) -> Message:
        self.deployments[request.servable] = request.deployments
        return sites.Deployments(deployments=request.deployments)

    def requeue(self, request: sites.RequeueDeadLetter) -> Message:
        _found(self.letters.pop(request.letter_id, None))
        return Done()

    # --- tasks ---

    def create_tasks(self, request: tasks.CreateTasks) -> Message:
        for new in request.tasks:
            fields = new.model_dump(exclude={"deadline", "answer_key", "access"})
            self.tasks[new.task_id] = tasks.TaskRecord(
                **fields, access=new.access, status="queued", created_at=NOW
            )
            self.answer_keys[new.task_id] = new.answer_key
            self.items[new.task_id] = {}
        return Done()

    def discard_tasks(self, request: tasks.DiscardTasks) -> Message:
        for task_id in request.task_ids:
            self.tasks.pop(task_id, None)
        return Done()

    def list_tasks(self, request: tasks.ListTasks) -> Message:
        mine = [t for t in self.tasks.values() if t.creator == request.caller.identity]
        if request.status:
            mine = [t for t in mine if t.status == request.status]
        return tasks.Tasks(items=tuple(mine[: request.limit]))

    def map_items(self, request: tasks.GetMapItems) -> Message:
        items = self.items[request.task_id]
        wanted = range(request.start, request.stop)
        return tasks.MapItems(items={i: items[i] for i in wanted if i in items})

    def end_task(self, task_id: str, status: str, **changes: Any) -> tasks.TaskRecord:
        task = self.tasks[task_id]
        self.tasks[task_id] = task.model_copy(update={"status": status, "finished_at": NOW, **changes})
        return self.tasks[task_id]

    def start_runs(self, request: tasks.StartRuns) -> Message:
        waiting = [self.tasks.get(run_id.partition(":")[0]) for run_id in request.run_ids]
        pairs = zip(request.run_ids, waiting, strict=True)
        return tasks.Startable(
            skip=tuple(run_id for run_id, task in pairs if task is None or task.finished_at is not None)
        )

    def delete_task(self, request: tasks.DeleteTask) -> Message:
        del self.tasks[request.task_id]
        return Done()

    def _result(self, group: asyncio.TaskGroup) -> Callable[[Delivery], None]:
        def receive(delivery: Delivery) -> None:
            group.create_task(self._store(delivery))

        return receive

    async def _store(self, delivery: Delivery) -> None:
        batch = unpack_results(delivery.envelope.body)
        finished = [self._store_one(batch, outcome) for outcome in batch.outcomes]
        await delivery.ack()
        ids = tuple(task_id for task_id in finished if task_id)
        if ids:
            await self.bus.emit(tasks.TasksFinished(task_ids=ids))

    def _store_one(self, batch: ResultBatch, outcome: Outcome) -> str | None:
        """The task's id when it has ended with this outcome."""
        task_id, _, index = outcome.run_id.partition(":")
        if task_id not in self.tasks or self.answer_keys[task_id] != batch.answer_key:
            return None
        kept = tasks.TaskOutcome(
            ok=outcome.ok,
            body=outcome.body,
            blob=outcome.blob,
            metadata={"site": batch.site, **({"steps": outcome.steps} if outcome.steps else {})},
        )
        if not index:
            self.end_task(task_id, "succeeded" if outcome.ok else "failed", outcome=kept)
            return task_id
        items = self.items[task_id]
        items[int(index)] = kept
        task = self.tasks[task_id] = self.tasks[task_id].model_copy(update={"done": len(items)})
        if task.split and not outcome.ok:
            failed = kept.model_copy(update={"metadata": {**kept.metadata, "piece": int(index)}})
            self.end_task(task_id, "failed", outcome=failed)
            return task_id
        if task.done != task.total:
            return None
        self.end_task(task_id, "succeeded" if all(item.ok for item in items.values()) else "failed")
        return task_id

    # --- keys ---

    def begin_key(self, request: idempotency.BeginKey) -> Message:
        key = (request.identity, request.idempotency_key)
        held = self.keys.setdefault(key, request)
        if held.fingerprint != request.fingerprint:
            raise Conflict("the key came with another request before")
        if key in self.responses:
            return idempotency.KeyState(state="done", response=self.responses[key])
        return idempotency.KeyState(state="new" if held.holder == request.holder else "running")

    def end_key(self, request: idempotency.EndKey) -> Message:
        key = (request.identity, request.idempotency_key)
        if request.response is None:
            self.keys.pop(key, None)
        else:
            self.responses[key] = request.response
        return Done()

    # --- builds ---

    def cancel_build(self, request: builds.CancelBuild) -> Message:
        build = self.builds[request.build_id] = self.builds[request.build_id].model_copy(
            update={"status": "cancelled"}
        )
        return build

    def build_log(self, request: builds.GetBuildLog) -> Message:
        lines = self.lines.get(request.build_id, [])
        wanted = tuple(line for line in lines if line.seq >= request.after)[:1000]
        return builds.BuildLog(lines=wanted, status=self.builds[request.build_id].status)


async def _well(_: health.AskBuilder) -> Message:
    return health.Health()


def _found(value: Any) -> Any:
    if value is None:
        raise NotFound("not here")
    return value


def _checked(token_id: str, who: Principal) -> accounts.CheckedToken:
    return accounts.CheckedToken(token_id=f"id-{token_id}", principal=who)


def _token_record(token_id: str, who: Principal) -> accounts.TokenRecord:
    return accounts.TokenRecord(token_id=token_id, identity=who.identity, label="", created_at=NOW)


def _published(servable: str, number: int, request: servables.PublishVersion) -> servables.VersionRecord:
    owner, _, name = servable.partition("/")
    at_once = request.description.servable.type == "Pipeline"
    return servables.VersionRecord(
        version_id=f"{name}-{number}",
        servable=servable,
        number=number,
        status="ready" if at_once else "building",
        build_id="" if at_once else f"build-{name}-{number}",
        access=Access(owner=f"{owner}@local", visible_to=request.description.dlhub.visible_to),
        description=request.description,
        archive=request.archive,
        created_at=NOW,
    )
