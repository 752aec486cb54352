"""Dead letters in whatever form they come."""

from __future__ import annotations

import pytest

from dlhub_bus import Delivery, Envelope
from dlhub_catalog.handlers.dead_letters import renewed
from dlhub_catalog.letters import read
from dlhub_catalog.store.database import now
from dlhub_catalog.store.letters import LetterDocument
from proto_msgs.errors import Conflict
from proto_msgs.runs import Run, RunBatch, pack_runs, unpack_runs
from proto_msgs.sites import DeadLetter
from proto_msgs.topics import Lane


class _Dead(Delivery):
    def __init__(self, kind: str, body: bytes) -> None:
        super().__init__(Envelope(kind=kind, body=body), "dead.here.v", False, 0)

    async def ack(self) -> None: ...

    async def requeue(self) -> None: ...

    async def dead_letter(self) -> None: ...


def _batch(*run_ids: str) -> RunBatch:
    runs = tuple(Run(run_id=run_id, payload=b"p", deadline=1.0, attempts=2) for run_id in run_ids)
    return RunBatch(
        version_id="v", method="run", lane=Lane.DURABLE, reply_to="", answer_key=b"k" * 16, runs=runs
    )


def _stored(run: bytes) -> LetterDocument:
    return LetterDocument(
        id="t",
        version_id="v",
        servable="ada/model",
        method="run",
        answer_key=b"k" * 16,
        run=run,
        site="here",
        reason="killed two workers",
        died_at=now(),
    )


def test_a_letter_of_a_task_manager_is_kept_as_it_is() -> None:
    letter = DeadLetter(
        letter_id="t", version_id="v", method="run", answer_key=b"k", run=b"r", site="s", reason="why", at=1.0
    )
    arrival = read(_Dead("DeadLetter", letter.pack()))
    assert arrival.letters == (letter,)
    assert not arrival.from_broker


def test_a_batch_given_up_by_the_broker_becomes_a_letter_for_each_run() -> None:
    arrival = read(_Dead("RunBatch", pack_runs(_batch("t:0", "t:1"))))
    assert arrival.from_broker
    assert [letter.letter_id for letter in arrival.letters] == ["t:0", "t:1"]
    assert unpack_runs(arrival.letters[1].run).runs[0].run_id == "t:1"


@pytest.mark.parametrize("kind", ["DeadLetter", "RunBatch", "ResultBatch", ""])
def test_what_cannot_be_read_is_kept_as_it_came(kind: str) -> None:
    (letter,) = read(_Dead(kind, b"\xc1 nonsense")).letters
    assert letter.letter_id.startswith("unreadable-")
    assert letter.run == b"\xc1 nonsense"


def test_a_requeued_run_starts_afresh() -> None:
    batch = renewed(_stored(pack_runs(_batch("t"))), sent_at=100.0, timeout_s=60.0)
    (run,) = batch.runs
    assert (run.attempts, run.deadline, run.payload) == (0, 160.0, b"p")


def test_a_letter_without_a_run_cannot_be_requeued() -> None:
    with pytest.raises(Conflict, match="could not be read"):
        renewed(_stored(b"\xc1"), sent_at=100.0, timeout_s=60.0)
