"""Dead letters, from the queue into the database.

Task managers send letters of their own; the broker sends batches as they were published, when it
gave up delivering them, and whatever else a consumer refused. Nothing is thrown away: what cannot be
read is kept as it came.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dlhub_bus import Delivery
from dlhub_catalog.deps import Deps
from dlhub_catalog.names import run_id_parts
from dlhub_catalog.storing import Sink, store_arrivals
from proto_msgs.errors import Malformed
from proto_msgs.runs import pack_runs, unpack_runs
from proto_msgs.sites import DeadLetter
from proto_msgs.topics import dead_letters_queue

logger = logging.getLogger(__name__)

PREFETCH = 32
UNDELIVERED = "the broker gave it up: nobody took it before its deadline, or whoever took it refused it"
UNREADABLE = "the message could not be read"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came with one message."""

    letters: tuple[DeadLetter, ...]
    from_broker: bool
    """Given up by the broker, which does not know whether anybody still wants the runs."""


async def keep_letters(deps: Deps) -> None:
    """Store dead letters until cancelled."""

    async def store(arrivals: Sequence[Arrival]) -> None:
        await store_letters(arrivals, deps)

    sink = Sink(queue=dead_letters_queue(), prefetch=PREFETCH, read=read, store=store)
    await store_arrivals(deps.bus.transport, sink)


def read(delivery: Delivery) -> Arrival:
    """The letters in a message."""
    body = delivery.envelope.body
    try:
        if delivery.envelope.kind == DeadLetter.__name__:
            return Arrival((DeadLetter.unpack(body),), from_broker=False)
        if delivery.envelope.kind == "RunBatch":
            return Arrival(_letters_of_batch(body), from_broker=True)
    except Malformed as error:
        logger.warning("Bad dead letter", extra={"action": "bad_dead_letter", "error": str(error)})
    return Arrival((_unreadable(delivery),), from_broker=False)


async def store_letters(arrivals: Sequence[Arrival], deps: Deps) -> None:
    """Store letters, but none for runs that nobody wants any more."""
    letters = [letter for arrival in arrivals if not arrival.from_broker for letter in arrival.letters]
    given_up = [letter for arrival in arrivals if arrival.from_broker for letter in arrival.letters]
    letters += await _still_wanted(given_up, deps)
    servables = await deps.store.servables.names_of({letter.version_id for letter in letters})
    for letter in letters:
        await deps.store.letters.add(letter, servables.get(letter.version_id, ""))
        logger.warning(
            "Dead letter",
            extra={"action": "dead_letter", "letter_id": letter.letter_id, "reason": letter.reason},
        )


async def _still_wanted(letters: Iterable[DeadLetter], deps: Deps) -> list[DeadLetter]:
    by_task = [(run_id_parts(letter.letter_id)[0], letter) for letter in letters]
    settled = await deps.store.tasks.settled(task_id for task_id, _ in by_task)
    return [letter for task_id, letter in by_task if task_id not in settled]


def _letters_of_batch(body: bytes) -> tuple[DeadLetter, ...]:
    batch = unpack_runs(body)
    return tuple(
        DeadLetter(
            letter_id=run.run_id,
            version_id=batch.version_id,
            method=batch.method,
            answer_key=batch.answer_key,
            run=pack_runs(replace(batch, runs=(run,))),
            site="",
            reason=UNDELIVERED,
            at=time.time(),
        )
        for run in batch.runs
    )


def _unreadable(delivery: Delivery) -> DeadLetter:
    """A letter for a message that is none; the same message gives the same letter."""
    body = delivery.envelope.body
    return DeadLetter(
        letter_id=f"unreadable-{hashlib.sha256(body).hexdigest()[:32]}",
        version_id="",
        method="",
        answer_key=b"",
        run=body,
        site="",
        reason=f"{UNREADABLE}: {delivery.envelope.kind or 'no kind'}, sent to {delivery.key}",
        at=time.time(),
    )
