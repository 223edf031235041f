"""T1 to T5 as they concern one node: a wrong clock, one that is set, zones, boundaries, far years."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealring import Sealring, jwt
from sealring.authentication.client_info import ClientInfo
from sealring.errors import Expired, NotYetValid, Revoked, SessionEnded, Stale, Throttled, TokenError, WrongCredentials
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.store.memory import MemoryStore
from sealring.store.sqlite import SqliteStore
from tests.clocks import START, FrozenClock
from tests.serving import PASSWORD, SEALRING, SECRET, bearer, cheap_sealring, environment, register, start

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def node(clock: FrozenClock, store: MemoryStore | SqliteStore) -> AsyncIterator[Sealring]:
    """A node whose own polling is asleep: the tests poll."""
    auth = cheap_sealring(store, clock, poll_interval=500, max_staleness=1000)
    await auth.open()
    try:
        yield auth
    finally:
        await auth.close()


@pytest.mark.parametrize("off", [-5, -1, 0, 1, 5])
async def test_t1_a_clock_within_the_leeway_goes_unnoticed(off: int) -> None:
    true, own = FrozenClock(), FrozenClock(START + off)
    store = MemoryStore(true.now_ms)
    async with node(true, store) as right, node(own, store) as wrong:
        for issuing, reading in ((right, wrong), (wrong, right), (wrong, wrong)):
            issued = await issuing.start_session("42")
            assert reading.verify(issued.access_token.text).subject == "42"
            renewed = await reading.refresh_session(issued.refresh_token)
            assert issuing.verify(renewed.access_token.text).subject == "42"


@pytest.mark.parametrize("off", [-6, 6, -3600, 3600, -START, 2**32 - START])
async def test_t1_a_clock_beyond_the_leeway_serves_nothing_until_it_is_right(off: int) -> None:
    true, own = FrozenClock(), FrozenClock(START + off)
    store = MemoryStore(true.now_ms)
    async with node(true, store) as right, node(own, store) as wrong:
        issued = await right.start_session("42")
        with pytest.raises(Stale):
            wrong.verify(issued.access_token.text)
        assert not await wrong.follower.poll()
        own.step(-off)
        assert await wrong.follower.poll()
        assert wrong.verify(issued.access_token.text).subject == "42"


async def test_t2_a_clock_that_is_set_back_revives_nothing() -> None:
    true, own = FrozenClock(), FrozenClock()
    store = MemoryStore(true.now_ms)
    async with node(own, store) as auth:
        dead, over = await auth.start_session("1"), await auth.start_session("2")
        await auth.revoke_session(dead.session.id)
        for clock in (true, own):
            clock.pass_seconds(900)
        assert await auth.follower.poll()
        own.step(-3600)
        with pytest.raises(TokenError):
            auth.verify(dead.access_token.text)
        with pytest.raises(SessionEnded):
            await auth.refresh_session(dead.refresh_token)
        assert not await auth.follower.poll(), "it disagrees with its store and says so"
        own.step(3600)
        assert await auth.follower.poll()
        assert auth.verify(over.access_token.text).subject == "2"


async def test_t2_throttles_do_not_freeze_when_the_clock_goes_back() -> None:
    clock = FrozenClock()
    auth = cheap_sealring(MemoryStore(clock.now_ms), clock, poll_interval=500, max_staleness=1000)
    await auth.open()
    try:
        await auth.register("ada", PASSWORD, address="192.0.2.7")
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                await auth.log_in("ada", "wrong" * 4, address="192.0.2.7")
        with pytest.raises(Throttled):
            await auth.log_in("ada", PASSWORD, address="192.0.2.7")
        clock.step(-3600)
        with pytest.raises(Throttled) as caught:
            await auth.log_in("ada", PASSWORD, address="192.0.2.7")
        assert caught.value.retry_after <= 3600 + 300, "the wait is bounded by the step and the window"
        clock.pass_seconds(3600 + 300)
        await auth.log_in("ada", PASSWORD, address="192.0.2.7")
    finally:
        await auth.close()


@pytest.mark.parametrize(
    ("passed", "refused"),
    [(0, None), (1799, None), (1800, None), (1800 + LEEWAY_SECONDS - 1, None), (1800 + LEEWAY_SECONDS, Expired)],
)
async def test_t4_a_token_ends_at_exp_and_the_leeway_on_every_node(
    passed: int, refused: type[Exception] | None
) -> None:
    clock = FrozenClock()
    store = MemoryStore(clock.now_ms)
    async with node(clock, store) as one, node(clock, store) as two:
        issued = await one.start_session("42")
        clock.pass_seconds(passed)
        for reader in (one, two):
            await reader.follower.poll()
            if refused is None:
                assert reader.verify(issued.access_token.text).expires_at == START + 1800
            else:
                with pytest.raises(refused):
                    reader.verify(issued.access_token.text)


@pytest.mark.parametrize(("ahead", "refused"), [(0, False), (LEEWAY_SECONDS, False), (LEEWAY_SECONDS + 1, True)])
async def test_t4_j10_a_token_from_the_future_is_refused_beyond_the_leeway(
    ahead: int,
    refused: bool,  # noqa: FBT001 - a column of the table
) -> None:
    clock, later = FrozenClock(), FrozenClock(START + ahead)
    store = MemoryStore(clock.now_ms)
    async with node(clock, store) as here:
        ahead_of_us = cheap_sealring(store, later)
        await ahead_of_us.issuer.keys.load()
        issued = await ahead_of_us.issuer.new_sessions.start("42", client_id="http", client=ClientInfo(""))
        assert issued is not None
        if refused:
            with pytest.raises(NotYetValid):
                here.verify(issued.access_token.text)
        else:
            assert here.verify(issued.access_token.text).issued_at == START + ahead


@pytest.mark.parametrize("now", [0, 1, 2**31 - 2, 2**31, 2**32 - 1, 2**33])
async def test_t5_no_year_is_too_late(tmp_path: Path, now: int) -> None:
    clock = FrozenClock(now)
    async with node(clock, SqliteStore(tmp_path / "sealring.db", clock.now_ms)) as auth:
        entered = await auth.register("ada", PASSWORD, address="192.0.2.7")
        issued = entered.issued
        assert auth.verify(issued.access_token.text).issued_at == now
        clock.pass_seconds(30)
        renewed = await auth.refresh_session(issued.refresh_token)
        clock.pass_seconds(30)
        again = await auth.refresh_session(renewed.refresh_token)
        assert auth.verify(again.access_token.text).auth_time == now
        [session] = await auth.issuer.sessions.list(entered.account.id)
        assert (session.created_at, session.last_seen_at) == (now, now + 60)
        await auth.revoke_subject(entered.account.id)
        with pytest.raises(Revoked):
            auth.verify(again.access_token.text)
        await auth.store.purge(now=now + 60, audit_seconds=86_400)
        with pytest.raises(SessionEnded):
            await auth.refresh_session(again.refresh_token)


# zone and language are the process's, so these are processes


ELSEWHERE = {"TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "SEALRING_SECRET": SECRET}
"""India's half-hour zone, and Turkish, where `I` in lower case is another letter."""


def test_t3_zone_and_language_make_no_difference(tmp_path: Path) -> None:
    served = start(tmp_path, port=0, **ELSEWHERE)
    try:
        with served.client() as client:
            before = int(datetime.now(UTC).timestamp())
            tokens = register(client, "ISTANBUL")
            after = int(datetime.now(UTC).timestamp())
            claims = jwt.peek(tokens["access_token"]).claims
            assert before <= claims["iat"] <= after
            assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200
            answer = client.post("/auth/login", json={"username": "istanbul", "password": PASSWORD})
            assert answer.status_code == 200
    finally:
        served.kill()
    listed = subprocess.run(
        [*SEALRING, "sessions", "list", "--json"],
        cwd=tmp_path,
        env=environment(**ELSEWHERE),
        capture_output=True,
        check=True,
    )
    assert {before <= one["created_at"] <= after + 60 for one in json.loads(listed.stdout)} == {True}
