"""`grant_for` may fail, hang or change its mind: nobody is logged out for it, and no old grant outlives its change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx2
import pytest

from sealring import Grant, Sealring, Session
from sealring.errors import GrantUnavailable, StoreUnavailable
from sealring.issuer.grants import Grants
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.conformance.hosts import HOSTS
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio

Answer = Callable[[], Awaitable[Any]]


async def hang() -> Grant:
    await asyncio.Event().wait()
    return Grant([])


async def fail() -> Grant:
    raise LookupError("no such table")


async def answer_wrongly() -> Any:
    return ["admin"]


async def answer_with_what_is_no_json() -> Grant:
    return Grant([], {"since": datetime.now(UTC)})


async def answer_with_half_a_character() -> Grant:
    return Grant([], {"name": "\ud800"})


async def answer_with_no_scope() -> Grant:
    return Grant(["two words"])


@pytest.mark.parametrize(
    "answer",
    [
        hang,
        fail,
        answer_wrongly,
        answer_with_no_scope,
        answer_with_what_is_no_json,
        answer_with_half_a_character,
    ],
)
async def test_what_fails_is_unavailable_for_now(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def grant_for(_: Session) -> Any:
        return await answer()

    grants = Grants(grant_for, seconds=0.01)
    session: Any = None
    with pytest.raises(GrantUnavailable) as refused:
        await grants.ask(session, None)
    assert refused.value.cause in {"TimeoutError", "LookupError", "TypeError", "ValueError"}
    assert [record.message for record in caplog.records if record.exc_info] == ["grant_for failed"]


async def test_what_is_unavailable_says_so_itself() -> None:
    async def grant_for(_: Session) -> Grant:
        raise StoreUnavailable("asleep", 7)

    session: Any = None
    with pytest.raises(StoreUnavailable, match="asleep"):
        await Grants(grant_for).ask(session, None)


@pytest.mark.parametrize("wrong", [Grant([]), "x", lambda _: Grant([]), 5])
async def test_what_is_no_async_function_is_refused_when_it_is_built(wrong: Any) -> None:
    with pytest.raises(TypeError, match="grant_for must be an async function"):
        cheap_sealring(grant_for=wrong)


async def test_an_object_with_an_async_call_is_an_async_function() -> None:
    class Roles:
        async def __call__(self, _: Session, *scopes: str) -> Grant:
            return Grant(scopes)

    session: Any = None
    for grant_for in (Roles(), partial(Roles().__call__)):
        assert await Grants(grant_for).ask(session, None) == Grant(())


@pytest.mark.parametrize("claims", [{"since": datetime.now(UTC)}, {"name": "\ud800"}, {5: "x"}, {"roles": {"a"}}])
async def test_a_callers_claims_that_no_token_can_carry_are_named(store: Store, claims: Any) -> None:
    auth = cheap_sealring(store)
    await auth.open(follow=False)
    await auth.issuer.keys.load()
    with pytest.raises((TypeError, ValueError), match="claim"):
        await auth.start_session("42", scopes=[], claims=claims)
    assert await auth.list_sessions("42") == []


async def test_over_http_it_is_503_and_nobody_is_logged_out() -> None:
    broken = False

    async def grant_for(_: Session) -> Grant:
        return await fail() if broken else Grant(["a"])

    auth = cheap_sealring(grant_for=grant_for)
    transport = httpx2.ASGITransport(app=HOSTS["raw ASGI"](auth))
    async with auth.lifespan(), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        await auth.accounts.create("ada", PASSWORD)
        ada = {"username": "ada", "password": PASSWORD}
        tokens = (await client.post("/auth/login", json=ada)).json()
        broken = True
        for route, body in (("login", ada), ("refresh", {"refresh_token": tokens["refresh_token"]})):
            refused = await client.post(f"/auth/{route}", json=body)
            assert problem(refused) == (503, "unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            assert "no such table" not in refused.text
        broken = False
        again = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.status_code == 200


async def test_it_may_ask_our_own_store_since_no_transaction_waits_for_it(store: Store, clock: FrozenClock) -> None:
    async def grant_for(session: Session) -> Grant:
        await auth.accounts.create(f"asked{len(await auth.accounts.list())}", None)
        account = await auth.accounts.find("ada")
        return Grant([*account.scopes, str(len(await auth.list_sessions(session.subject)))])

    auth: Sealring = cheap_sealring(store, clock, grant_for=grant_for)
    await auth.open(follow=False)
    await auth.issuer.keys.load()
    account = await auth.accounts.create("ada", PASSWORD, scopes=["a"])
    issued = await auth.start_session(account.id)
    assert issued.scopes == ("a", "0")
    assert (await auth.refresh_session(issued.refresh_token)).scopes == ("a", "1")


async def test_a_role_that_changes_while_it_is_asked_at_the_start_is_not_granted(
    store: Store, clock: FrozenClock
) -> None:
    """The answer is of before the change, the epoch would be of after it: such a token would be good for its life."""
    asked: list[str] = []

    async def grant_for(session: Session) -> Grant:
        asked.append(session.id)
        if len(asked) == 1:
            await auth.refresh_claims(session.subject)  # the admin was demoted after this function had read the role
            return Grant(["admin"])
        return Grant([])

    auth: Sealring = cheap_sealring(store, clock, grant_for=grant_for)
    await auth.open(follow=False)
    await auth.issuer.keys.load()
    issued = await auth.start_session("42")
    assert (issued.scopes, len(asked)) == ((), 2)
    assert [session.id for session in await auth.list_sessions("42")] == [issued.session.id]
