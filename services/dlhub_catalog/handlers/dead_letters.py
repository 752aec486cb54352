"""Runs that could not be delivered: listed, and tried again."""

from __future__ import annotations

import time
from dataclasses import replace

from dlhub_catalog.deps import Deps, Handlers
from dlhub_catalog.store.letters import LetterDocument
from proto_msgs.errors import Conflict, Malformed, NotFound
from proto_msgs.identity import Principal
from proto_msgs.messages import Done
from proto_msgs.runs import RunBatch, unpack_runs
from proto_msgs.sites import DeadLetters, ListDeadLetters, RequeueDeadLetter, VersionWanted
from proto_msgs.topics import HUB, Lane


async def list_dead_letters(request: ListDeadLetters, deps: Deps) -> DeadLetters:
    """Letters of the servables that the caller maintains; all of them for an administrator.

    Without the runs themselves, which may be large and are nobody's to read here.
    """
    caller = request.caller
    servables = None if caller.admin else await deps.store.servables.maintained(caller.names())
    return DeadLetters(items=tuple(await deps.store.letters.newest(servables, request.limit)))


async def requeue_dead_letter(request: RequeueDeadLetter, deps: Deps) -> Done:
    """Open the letter's task again and publish its run, with no attempt counted and time to spare.

    The letter is marked last: if this process dies before that, the request is repeated, and the
    run may run twice, but its task gets one result.
    """
    letter = await _letter(request.letter_id, request.caller, deps)
    if letter.requeued_at:
        return Done()
    batch = renewed(letter, time.time(), deps.settings.requeued_deadline_s)
    if not await deps.store.tasks.reopen(letter.id, batch.runs[0].deadline):
        raise Conflict(f"the task of {letter.id} has been forgotten; run it anew")
    version = await deps.store.servables.version(letter.version_id)
    await deps.runs.publish_batch(batch, to=HUB if version and version.is_pipeline else None)
    await deps.store.letters.mark_requeued(letter.id)
    await deps.bus.emit(VersionWanted(version_id=letter.version_id))
    return Done()


def renewed(letter: LetterDocument, sent_at: float, timeout_s: float) -> RunBatch:
    """The letter's run, ready to be published. Raises Conflict when the letter holds none."""
    try:
        batch = unpack_runs(letter.run)
    except Malformed as error:
        raise Conflict(f"the message {letter.id} could not be read, so it cannot be tried again") from error
    run = replace(batch.runs[0], attempts=0, deadline=sent_at + timeout_s)
    return replace(batch, lane=Lane.DURABLE, reply_to="", runs=(run,), sent_at=sent_at)


async def _letter(letter_id: str, caller: Principal, deps: Deps) -> LetterDocument:
    letter = await deps.store.letters.get(letter_id)
    if letter and not caller.admin:
        servable = await deps.store.servables.servable(letter.servable)
        if servable is None or not servable.access.may_maintain(caller):
            letter = None
    if letter is None:
        raise NotFound(
            f"there is no dead letter {letter_id}; `GET /dead-letters` lists those that you may see"
        )
    return letter


HANDLERS: Handlers = {ListDeadLetters: list_dead_letters, RequeueDeadLetter: requeue_dead_letter}
