"""Messages that are not on the run path, and the page that lists them all."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

import proto_msgs
from proto_msgs import table
from proto_msgs.builds import BuildCancelled, GetBuildLog
from proto_msgs.errors import (
    BY_CODE,
    BuildFailed,
    DLHubError,
    Failure,
    Internal,
    Malformed,
    ServableFailed,
    Unavailable,
)
from proto_msgs.identity import Access, Principal
from proto_msgs.sites import GetReplicaLogs, SiteHeartbeat
from proto_msgs.topics import Lane, runs_queue, service_queue


def test_the_page_lists_every_message() -> None:
    page = (Path(proto_msgs.__path__[0]) / "README.md").read_text()
    assert "\n".join(table.rows()) in page


def test_names_of_requests_and_events_are_unique() -> None:
    names = [kind.__name__ for kind in [*table.requests(), *table.events()]]
    assert len(names) == len(set(names))


def test_requests_go_to_a_service() -> None:
    assert {kind.key.split(".")[0] for kind in table.requests()} == {"catalog", "builder", "tm"}


def test_a_message_survives_the_trip() -> None:
    request = GetBuildLog(build_id="b", after=7)
    assert GetBuildLog.unpack(request.pack()) == request


def test_unknown_fields_are_ignored_and_missing_ones_have_defaults() -> None:
    assert GetBuildLog.unpack(msgpack.packb({"build_id": "b", "new": 1})) == GetBuildLog(build_id="b")


@pytest.mark.parametrize("body", [b"", b"\xc1", msgpack.packb({}), msgpack.packb([1])])
def test_other_bytes_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="GetBuildLog"):
        GetBuildLog.unpack(body)


def test_routing_keys_are_filled_from_the_fields() -> None:
    assert BuildCancelled(build_id="x").routing_key == "build.x.cancelled"
    assert GetReplicaLogs(site="hpc", servable="a/b").routing_key == "tm.hpc.logs"


def test_patterns_match_any_value_unless_one_is_given() -> None:
    assert SiteHeartbeat.pattern() == "tm.*.heartbeat"
    assert SiteHeartbeat.pattern(site="hpc") == "tm.hpc.heartbeat"


def test_durable_queues_never_expire_and_keep_their_dead() -> None:
    durable, interactive = runs_queue("v", Lane.DURABLE), runs_queue("v", Lane.INTERACTIVE)
    assert (durable.kind, durable.expires_s, durable.dead_letters) == ("quorum", None, True)
    assert (interactive.kind, interactive.dead_letters) == ("classic", False)
    assert interactive.expires_s


def test_a_services_queue_gets_all_its_requests() -> None:
    assert service_queue("tm.hpc").bindings[0].key == "tm.hpc.#"


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_crosses_the_wire(code: str) -> None:
    error = BY_CODE[code]("words", retry_after_s=2, details={"step": "lock"})
    again = Failure.model_validate(Failure.of(error).model_dump()).error()
    assert type(again) is type(error)
    assert (again.message, again.retry_after_s, again.details) == ("words", 2, {"step": "lock"})


def test_a_code_from_a_newer_hub_keeps_its_name() -> None:
    error = Failure(code="quantum_decoherence", message="the cat").error()
    assert isinstance(error, Internal)
    assert error.message == "quantum_decoherence: the cat"


def test_codes_are_unique() -> None:
    kinds = [ServableFailed, BuildFailed, Unavailable, *BY_CODE.values()]
    assert len({kind.code for kind in kinds}) == len(set(kinds))


def test_a_remote_traceback_is_part_of_the_text() -> None:
    error = ServableFailed("boom", details={"traceback": "Traceback: line 1"})
    assert str(error) == "boom\n\nRemote traceback:\nTraceback: line 1"
    assert str(DLHubError("plain")) == "plain"


ADA = Principal(identity="ada@local", namespace="ada")
BOB = Principal(identity="bob@local", namespace="bob", groups=("group:lab",))
ROOT = Principal(identity="root@local", namespace="root", admin=True)


@pytest.mark.parametrize(
    ("access", "caller", "rights"),
    [
        pytest.param(Access(owner="ada@local"), ADA, "discover run maintain", id="owner"),
        pytest.param(Access(owner="ada@local"), ROOT, "discover run maintain", id="administrator"),
        pytest.param(Access(owner="ada@local"), BOB, "", id="nobody else"),
        pytest.param(Access(owner="ada@local", visible_to=("public",)), BOB, "discover run", id="public"),
        pytest.param(
            Access(owner="ada@local", visible_to=("public",), runnable_by=()),
            BOB,
            "discover",
            id="to look at",
        ),
        pytest.param(
            Access(owner="ada@local", visible_to=(), runnable_by=("public",)), BOB, "", id="hidden is hidden"
        ),
        pytest.param(
            Access(owner="ada@local", visible_to=("group:lab",)), BOB, "discover run", id="by group"
        ),
        pytest.param(
            Access(owner="ada@local", maintainers=("bob@local",)),
            BOB,
            "discover run maintain",
            id="maintainer",
        ),
    ],
)
def test_access(access: Access, caller: Principal, rights: str) -> None:
    allowed = {
        "discover": access.may_discover(caller),
        "run": access.may_run(caller),
        "maintain": access.may_maintain(caller),
    }
    assert " ".join(name for name, may in allowed.items() if may) == rights
