"""N13: a copy of the current session's refresh token does not survive a password change, and its honest holder does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx2
import pytest

from sealring.accounts.changes import PasswordChange
from sealring.store.protocol import Store
from sealring.testing.store_contract.samples import NOW, a_session, an_account, an_event, entries_of
from tests.serving import (
    OTHER_PASSWORD,
    PASSWORD,
    ServedThread,
    bearer,
    cheap_sealring,
    cookie_line,
    fresh_name,
    problem,
    register,
    serve_in_thread,
)

CHANGE = {"current": PASSWORD, "new": OTHER_PASSWORD}


@pytest.fixture(scope="module")
def site() -> Iterator[ServedThread]:
    with serve_in_thread(cheap_sealring()) as served:
        yield served


@pytest.fixture
def client(site: ServedThread) -> Iterator[httpx2.Client]:
    with site.client() as client:
        yield client


def refresh(client: httpx2.Client, token: str) -> httpx2.Response:
    return client.post("/auth/refresh", json={"refresh_token": token})


@pytest.mark.parametrize("refreshed", [False, True])
def test_n13_a_copy_in_a_body_is_dead_and_the_answer_goes_on(
    site: ServedThread, client: httpx2.Client, *, refreshed: bool
) -> None:
    tokens = register(client)
    copies = [tokens["refresh_token"]]
    if refreshed:
        tokens = refresh(client, copies[0]).json()
        copies.append(tokens["refresh_token"])
    answer = client.post("/auth/password", json=CHANGE, headers=bearer(tokens["access_token"]))
    assert answer.status_code == 200
    renewed = answer.json()
    assert client.get("/auth/me", headers=bearer(renewed["access_token"])).status_code == 200
    site.pass_seconds(11)
    again = refresh(client, renewed["refresh_token"])
    assert again.status_code == 200
    assert problem(refresh(client, copies[-1])) == (401, "refresh_reused")


@pytest.mark.parametrize("refreshed", [False, True])
def test_n13_a_request_in_flight_with_the_old_token_ends_nothing(client: httpx2.Client, *, refreshed: bool) -> None:
    tokens = register(client)
    if refreshed:
        tokens = refresh(client, tokens["refresh_token"]).json()
    renewed = client.post("/auth/password", json=CHANGE, headers=bearer(tokens["access_token"])).json()
    assert problem(refresh(client, tokens["refresh_token"])) == (409, "refresh_superseded")
    assert refresh(client, renewed["refresh_token"]).status_code == 200


def test_n13_a_browser_gets_new_cookies_and_a_copy_of_the_old_ones_is_dead(
    site: ServedThread, client: httpx2.Client
) -> None:
    csrf = register(client, fresh_name(), delivery="cookie")["csrf_token"]
    copy = dict(client.cookies.items())
    answer = client.post("/auth/password", json=CHANGE, headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    assert "access_token" not in answer.json()
    held = dict(client.cookies.items())
    assert {name for name in held if held[name] != copy.get(name)} >= {"sealring_access", "sealring_refresh"}
    assert client.get("/auth/me").status_code == 200
    site.pass_seconds(11)
    again = client.post("/auth/refresh", headers={"X-CSRF-Token": answer.json()["csrf_token"]})
    assert again.status_code == 200
    client.cookies.clear()
    stolen = client.post("/auth/refresh", headers={"X-CSRF-Token": csrf} | cookie_line(copy))
    assert problem(stolen) == (401, "refresh_reused")


def test_n13_an_access_token_alone_buys_no_refresh_token(client: httpx2.Client) -> None:
    """Ending all other sessions asks for no password, so it must not renew: a stolen access token would live on."""
    tokens = register(client)
    answer = client.delete("/auth/sessions?keep=current", headers=bearer(tokens["access_token"]))
    assert (answer.status_code, answer.content) == (204, b"")
    assert refresh(client, tokens["refresh_token"]).status_code == 200


@pytest.mark.anyio
async def test_n13_in_every_store_a_swap_that_races_the_change_is_lost(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    session = a_session(account.id)
    await store.start_session(session, an_event(), guard=None, cap=9, replaces=None)
    minted = replace(session, child_minted_ms=NOW * 1000 + 5)
    assert await store.advance_session(session, minted)
    change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$two", keep_session=session.id)
    assert entries_of(await store.change_account(account.id, change, an_event("password_changed"), now=NOW + 20))
    record = await store.read_session(session.id)
    assert record is not None
    kept = record.session
    assert (kept.generation, kept.minted_ms, kept.parent_minted_ms) == (2, (NOW + 20) * 1000, NOW * 1000 + 5)
    assert (kept.child_minted_ms, kept.confirmed_ms, kept.last_seen_at) == (None, (NOW + 20) * 1000, NOW + 20)
    assert kept.ended_at is None
    assert not await store.advance_session(minted, replace(minted, child_minted_ms=NOW * 1000 + 9))


@pytest.mark.anyio
async def test_n13_i5_a_change_revives_no_session_past_its_limits_and_touches_nobody_elses(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    idle, foreign = a_session(account.id, idle_seconds=10), a_session("somebody else")
    for session in (idle, foreign):
        await store.start_session(session, an_event(), guard=None, cap=9, replaces=None)
    old = account.password_hash
    for number, session in enumerate((idle, foreign)):
        new = f"$argon2id${number}"
        change = PasswordChange(old_hash=old, new_hash=new, keep_session=session.id)
        assert entries_of(await store.change_account(account.id, change, an_event("password_changed"), now=NOW + 20))
        old = new
    for session in (idle, foreign):
        record = await store.read_session(session.id)
        assert record is not None
        assert (record.session.generation, record.session.last_seen_at) == (0, NOW)
