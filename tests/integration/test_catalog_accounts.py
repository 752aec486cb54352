"""Tokens and the people they stand for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from catalog_stage import ADA, ADMIN, BOB, TOKEN_SHA256, Stage, open_stage

from proto_msgs.accounts import CheckToken, IssueToken, ListTokens, RevokeToken, TokenRevoked
from proto_msgs.errors import Conflict, Forbidden, Malformed, NotFound, Unauthenticated

SHA256 = "cd" * 32


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


async def test_the_token_of_the_settings_is_the_administrators(stage: Stage) -> None:
    checked = await stage.ask(CheckToken(token_sha256=TOKEN_SHA256))
    assert checked.principal.admin
    assert checked.principal.identity == "admin@local"


async def test_another_token_in_the_settings_replaces_the_first(mongod: Any) -> None:
    async with open_stage(mongod.url, admin_token_sha256="ef" * 32) as stage:
        await stage.deps.store.accounts.bootstrap("admin", SHA256)
        with pytest.raises(Unauthenticated):
            await stage.ask(CheckToken(token_sha256="ef" * 32))
        assert (await stage.ask(CheckToken(token_sha256=SHA256))).principal.admin


async def test_without_a_token_in_the_settings_the_old_one_is_not_valid(stage: Stage) -> None:
    await stage.deps.store.accounts.bootstrap("admin", None)
    with pytest.raises(Unauthenticated):
        await stage.ask(CheckToken(token_sha256=TOKEN_SHA256))


async def test_an_administrator_makes_people_by_issuing_tokens(stage: Stage) -> None:
    await stage.ask(IssueToken(caller=ADMIN, token_sha256=SHA256, user="Ada Lovelace"))
    principal = (await stage.ask(CheckToken(token_sha256=SHA256))).principal
    assert (principal.identity, principal.namespace, principal.admin) == (
        "ada_lovelace@local",
        "ada_lovelace",
        False,
    )


async def test_only_an_administrator_issues_tokens_for_others(stage: Stage) -> None:
    with pytest.raises(Forbidden, match="administrator"):
        await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256, user="bob"))


async def test_people_issue_tokens_for_themselves(stage: Stage) -> None:
    await stage.deps.store.accounts.ensure_user("ada")
    await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256, label="laptop"))
    assert (await stage.ask(CheckToken(token_sha256=SHA256))).principal.identity == "ada@local"


async def test_a_repeated_request_gives_the_same_token(stage: Stage) -> None:
    request = IssueToken(caller=ADA, token_sha256=SHA256)
    assert await stage.ask(request) == await stage.ask(request)


async def test_a_token_cannot_be_issued_to_two_people(stage: Stage) -> None:
    await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256))
    with pytest.raises(Conflict):
        await stage.ask(IssueToken(caller=BOB, token_sha256=SHA256))


@pytest.mark.parametrize("fields", [{"token_sha256": "secret"}, {"ttl_s": 0}, {"ttl_s": 1e12}])
async def test_bad_requests_are_refused(stage: Stage, fields: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        await stage.ask(IssueToken.model_validate({"caller": ADA, "token_sha256": SHA256, **fields}))


async def test_an_expired_token_is_not_valid(stage: Stage) -> None:
    await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256, ttl_s=60))
    past = {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}
    await stage.database.tokens.update_one({"sha256": SHA256}, {"$set": past})
    with pytest.raises(Unauthenticated, match="expired"):
        await stage.ask(CheckToken(token_sha256=SHA256))


async def test_a_revoked_token_is_not_valid_and_everybody_hears_it(stage: Stage) -> None:
    heard: asyncio.Queue[TokenRevoked] = asyncio.Queue()
    token = await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256))
    async with stage.deps.bus.listen({TokenRevoked: heard.put_nowait}, name="tokens"), asyncio.timeout(5):
        await stage.ask(RevokeToken(caller=ADA, token_id=token.token_id))
        assert (await heard.get()).token_id == token.token_id
    with pytest.raises(Unauthenticated):
        await stage.ask(CheckToken(token_sha256=SHA256))


async def test_revoking_twice_is_revoking_once(stage: Stage) -> None:
    token = await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256))
    await stage.ask(RevokeToken(caller=ADA, token_id=token.token_id))
    await stage.ask(RevokeToken(caller=ADA, token_id=token.token_id))


async def test_nobody_revokes_the_token_of_another(stage: Stage) -> None:
    token = await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256))
    with pytest.raises(NotFound):
        await stage.ask(RevokeToken(caller=BOB, token_id=token.token_id))


async def test_people_see_their_own_valid_tokens(stage: Stage) -> None:
    mine = await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256))
    gone = await stage.ask(IssueToken(caller=ADA, token_sha256="01" * 32))
    await stage.ask(IssueToken(caller=BOB, token_sha256="02" * 32))
    await stage.ask(RevokeToken(caller=ADA, token_id=gone.token_id))
    assert (await stage.ask(ListTokens(caller=ADA))).items == (mine,)


async def test_the_token_itself_is_stored_nowhere(stage: Stage) -> None:
    await stage.ask(IssueToken(caller=ADA, token_sha256=SHA256))
    stored = await stage.database.tokens.find_one({"sha256": SHA256})
    assert set(stored) == {
        "_id",
        "schema_version",
        "sha256",
        "identity",
        "label",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
    }
