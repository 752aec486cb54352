"""The compact messages of the run path, today's and those of earlier releases."""

from __future__ import annotations

import msgpack
import pytest

from proto_msgs.blobs import BlobRef
from proto_msgs.errors import Malformed
from proto_msgs.runs import (
    Outcome,
    ResultBatch,
    Run,
    RunBatch,
    pack_results,
    pack_runs,
    unpack_results,
    unpack_runs,
)
from proto_msgs.topics import Lane

BLOB = BlobRef(sha256="a" * 64, size_bytes=7)
BATCH = RunBatch(
    version_id="v",
    method="run",
    lane=Lane.DURABLE,
    reply_to="gateway-1",
    answer_key=b"secret",
    runs=(
        Run(run_id="1", payload=b"x", deadline=12.5),
        Run(run_id="2", payload=b"", deadline=13.0, blob=BLOB, attempts=2),
    ),
    sent_at=11.25,
)
RESULTS = ResultBatch(
    site="local",
    version_id="v",
    answer_key=b"secret",
    outcomes=(
        Outcome(run_id="1", ok=True, body=b"y", queue_ms=1.5, load_ms=2.5, run_ms=3.5, batch_size=4),
        Outcome(run_id="2", ok=False, body=b"", blob=BLOB, stdout="out", stderr="err"),
    ),
)
RUNS_OF_0_1 = bytes.fromhex(
    "9801a176a372756ea764757261626c65a9676174657761792d31c4067365637265749295a131c40178cb4029000000"
    "000000c00095a132c400cb402a00000000000092d94061616161616161616161616161616161616161616161616161"
    "6161616161616161616161616161616161616161616161616161616161616161616161616161610702cb4026800000"
    "000000"
)
RESULTS_OF_0_1 = bytes.fromhex(
    "9501a56c6f63616ca176c406736563726574929aa131c3c40179c0cb3ff8000000000000cb4004000000000000cb40"
    "0c00000000000004a0a09aa132c2c40092d94061616161616161616161616161616161616161616161616161616161"
    "61616161616161616161616161616161616161616161616161616161616161616161616107cb0000000000000000cb"
    "0000000000000000cb000000000000000001a36f7574a3657272"
)


def test_a_batch_of_runs_survives_the_trip() -> None:
    assert unpack_runs(pack_runs(BATCH)) == BATCH


def test_a_batch_of_results_survives_the_trip() -> None:
    assert unpack_results(pack_results(RESULTS)) == RESULTS


def test_outcomes_of_pipelines_tell_of_their_steps() -> None:
    steps = ({"servable": "ada/a@1", "timings_ms": {"run": 1.5}}, {"branches": [{"name": "b"}]})
    outcome = Outcome(run_id="1", ok=True, body=b"y", steps=steps)
    batch = ResultBatch(site="hub", version_id="v", answer_key=b"secret", outcomes=(outcome,))
    assert unpack_results(pack_results(batch)) == batch


def test_recorded_bytes_of_the_first_release_are_still_read() -> None:
    assert unpack_runs(RUNS_OF_0_1) == BATCH
    assert unpack_results(RESULTS_OF_0_1) == RESULTS


def test_fields_that_a_newer_writer_added_are_ignored() -> None:
    runs = msgpack.unpackb(pack_runs(BATCH))
    runs[6] = [[*run, "new"] for run in runs[6]]
    assert unpack_runs(msgpack.packb([*runs, "new"])) == BATCH
    results = msgpack.unpackb(pack_results(RESULTS))
    results[4] = [[*outcome, "new"] for outcome in results[4]]
    assert unpack_results(msgpack.packb([*results, "new"])) == RESULTS


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\xa3abc", msgpack.packb([1] * 8)])
def test_bytes_that_are_no_batch_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_runs(body)
    with pytest.raises(Malformed):
        unpack_results(body)
