"""N1: a revocation outlives every token that it concerns, whatever the settings of the process that wrote it.

Two nodes share a store: one signs tokens that live an hour, the other is set to twenty seconds and revokes. The clock
is a value. Each token is verified again at the last second of its own life, by the node that signed it and by one that
starts then and loads only what the store still holds.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sealring import Sealring
from sealring.authentication.client_info import ClientInfo
from sealring.errors import RefreshReused, SessionEnded, TokenError
from sealring.issuer.access_ttl import LEASE_SECONDS
from sealring.issuer.log_in import LoggedIn
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.revocation import RefreshClaims
from sealring.settings import load_settings
from sealring.store.memory import MemoryStore
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from sealring.testing.store_contract.samples import NOW, an_event, declare_ttl
from tests.clocks import START, FrozenClock
from tests.serving import PASSWORD, SEALRING, SECRET, cheap_sealring, environment

pytestmark = pytest.mark.anyio

LONG, SHORT = 3600, 20
STALENESS = 60
HOME = ClientInfo("192.0.2.1")
OTHER_PASSWORD = "quite another long password"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    in_memory = request.param == "memory"
    opened: Store = MemoryStore(clock.now_ms) if in_memory else SqliteStore(tmp_path / "sealring.db", clock.now_ms)
    await opened.open()
    yield opened
    await opened.close()


def node(store: Store, clock: FrozenClock, ttl: int, **settings: Any) -> Sealring:
    """A node whose own polling is asleep: the tests poll."""
    return cheap_sealring(store, clock, access_ttl=ttl, poll_interval=59, max_staleness=STALENESS, **settings)


@asynccontextmanager
async def running(auth: Sealring) -> AsyncIterator[Sealring]:
    """Open, without closing the store at the end: others use it."""
    await auth.open()
    try:
        yield auth
    finally:
        await rest(auth)


async def rest(auth: Sealring) -> None:
    await auth.follower.stop()
    await auth.parts.maintenance.stop()


@dataclass
class Scene:
    clock: FrozenClock
    issuing: Sealring
    revoking: Sealring
    held: LoggedIn

    @property
    def account_id(self) -> str:
        return self.held.account.id

    @property
    def sid(self) -> str:
        return self.held.issued.session.id


async def reuse(scene: Scene) -> None:
    child = await scene.issuing.refresh_session(scene.held.issued.refresh_token)
    await scene.issuing.refresh_session(child.refresh_token)
    scene.clock.pass_seconds(11)
    with pytest.raises(RefreshReused):
        await scene.revoking.refresh_session(scene.held.issued.refresh_token)


async def over_cap(scene: Scene) -> None:
    scene.clock.pass_seconds(1)  # the newer one stays
    for _ in range(50):
        await scene.revoking.start_session(scene.account_id)


async def idle(scene: Scene) -> None:
    scene.clock.pass_seconds(scene.held.issued.session.idle_seconds)
    with pytest.raises(SessionEnded):
        await scene.revoking.refresh_session(scene.held.issued.refresh_token)


async def no_longer_granted(scene: Scene) -> None:
    async def nobody(_: object) -> None:
        return None

    refusing = node(scene.revoking.store, scene.clock, SHORT, grant_for=nobody)
    with pytest.raises(SessionEnded):
        await refusing.issuer.sessions.refresh(scene.held.issued.refresh_token, client=HOME)


async def revoke_signing_key(scene: Scene) -> None:
    await scene.revoking.issuer.revoke_key(scene.issuing.issuer.keys.signing().kid)


async def change_password(scene: Scene) -> None:
    kept = await scene.revoking.start_session(scene.account_id)
    await scene.revoking.issuer.change_password(
        scene.account_id, PASSWORD, OTHER_PASSWORD, keep_session=kept.session.id, client=HOME
    )


async def log_in_again(scene: Scene) -> None:
    await scene.revoking.open()
    await scene.revoking.issuer.log_in("ada", PASSWORD, client=HOME, replaces=scene.sid)


WAYS: dict[str, Callable[[Scene], Awaitable[object]]] = {
    "users disable": lambda scene: scene.revoking.issuer.accounts.disable(scene.account_id),
    "users delete": lambda scene: scene.revoking.issuer.accounts.delete(scene.account_id),
    "users set-password": lambda scene: scene.revoking.issuer.accounts.set_password(scene.account_id, OTHER_PASSWORD),
    "users scopes": lambda scene: scene.revoking.issuer.accounts.set_scopes(scene.account_id, ("other",)),
    "sessions revoke": lambda scene: scene.revoking.revoke_session(scene.sid),
    "sessions revoke-user": lambda scene: scene.revoking.revoke_subject(scene.account_id),
    "claims refreshed": lambda scene: scene.revoking.refresh_claims(scene.account_id),
    "keys revoke": revoke_signing_key,
    "restored": lambda scene: scene.revoking.issuer.reset_after_restore(),
    "logout": lambda scene: scene.revoking.issuer.log_out(scene.sid, client=HOME),
    "own session ended": lambda scene: scene.revoking.issuer.end_session(
        scene.sid, subject=scene.account_id, client=HOME
    ),
    "refresh token reused": reuse,
    "session cap": over_cap,
    "session replaced": log_in_again,
    "password changed": change_password,
    "idle limit": idle,
    "no longer granted": no_longer_granted,
}


@asynccontextmanager
async def scene(store: Store, clock: FrozenClock) -> AsyncIterator[Scene]:
    issuing = node(store, clock, LONG, session_idle=600)
    # as a command: the store is open, nothing is followed, nothing is declared
    revoking = node(store, clock, SHORT, session_idle=600)
    async with running(issuing):
        held = await issuing.register("ada", PASSWORD, address=HOME.address)
        yield Scene(clock, issuing, revoking, held)
        await rest(revoking)  # ways that start a session open it


@pytest.mark.parametrize("way", WAYS)
async def test_n1_what_is_revoked_stays_dead_until_its_own_end(way: str, store: Store, clock: FrozenClock) -> None:
    async with scene(store, clock) as at:
        token = at.held.issued.access_token
        assert token.expires_at == START + LONG
        at.issuing.verify(token.text)
        await WAYS[way](at)
        clock.pass_seconds(token.expires_at + LEEWAY_SECONDS - 1 - clock.now_ms() / 1000)
        await store.purge(now=clock.now_ms() // 1000, audit_seconds=86_400)
        assert await at.issuing.follower.poll()
        async with running(node(store, clock, LONG)) as started_later:
            for verifying in (at.issuing, started_later):
                with pytest.raises(TokenError) as refused:
                    verifying.verify(token.text)
                assert refused.value.code in {"revoked", "unknown_key"}


async def test_n1_a_revocation_by_a_machine_whose_clock_is_slow_is_kept_as_long(
    store: Store, clock: FrozenClock
) -> None:
    async with scene(store, clock) as at:
        slow = node(store, FrozenClock(START - 7200), LONG)
        await slow.issuer.sessions.end(at.sid, cause="ended_by_operator")
        (entry,) = (await store.load_feed(None)).entries
        assert entry.expires_at >= at.held.issued.access_token.expires_at + LEEWAY_SECONDS


async def test_n1_what_another_node_ended_is_over_here_for_the_longest_life(store: Store, clock: FrozenClock) -> None:
    async with scene(store, clock) as at, running(node(store, clock, SHORT)) as short:
        await at.revoking.revoke_session(at.sid)
        with pytest.raises(SessionEnded):
            await short.refresh_session(at.held.issued.refresh_token)
        clock.pass_seconds(SHORT + LEEWAY_SECONDS + 1)
        short.node.revocations.forget(clock.now_ms() // 1000)
        assert short.node.revocations.cause(at.sid, at.account_id, 0, "") is not None


# a rolling change of the setting


async def test_n1_while_the_setting_is_raised_no_node_refuses_a_good_token(store: Store, clock: FrozenClock) -> None:
    async with running(node(store, clock, SHORT)) as old:
        clock.pass_seconds(30)
        assert await old.follower.poll()
        async with running(node(store, clock, LONG)) as new:
            signed: list[tuple[str, int]] = []
            lives = set()
            for _ in range(40):  # the old node hears as late as it may
                issued = await new.start_session("42")
                signed.append((issued.access_token.text, issued.access_token.expires_at))
                now = clock.now_ms() // 1000
                lives.add(issued.access_token.expires_at - now)
                for text, expires_at in signed:
                    if now < expires_at:
                        assert old.verify(text).subject == new.verify(text).subject == "42"
                clock.pass_seconds(2)
                if old.node.lag > STALENESS - 3:
                    assert await old.follower.poll()
                assert await new.follower.poll()
            assert lives == {SHORT, LONG}


async def test_n1_the_first_issuer_of_a_store_signs_with_its_own_setting_at_once(
    store: Store, clock: FrozenClock
) -> None:
    async with running(node(store, clock, LONG)) as first:
        issued = await first.start_session("42")
        assert issued.access_token.expires_at == START + LONG
        assert first.verify(issued.access_token.text).subject == "42"


async def test_n1_a_lowered_setting_takes_effect_when_the_old_tokens_have_run_out(
    store: Store, clock: FrozenClock
) -> None:
    async with running(node(store, clock, LONG)) as old:
        token = (await old.start_session("42")).access_token
    async with running(node(store, clock, SHORT)) as new:
        assert new.verify(token.text).subject == "42"
        assert (await new.start_session("43")).access_token.expires_at == START + SHORT
        for passed, longest in ((0, LONG), (LEASE_SECONDS + LONG, LONG), (2 * LEASE_SECONDS + LONG, SHORT)):
            clock.pass_seconds(START + passed - clock.now_ms() / 1000)
            await new.start_session("43")  # renews what this node declared
            page = await store.load_feed(None)
            assert page.longest_access_ttl == longest


async def test_n1_who_only_revokes_declares_nothing(store: Store, clock: FrozenClock) -> None:
    async with scene(store, clock) as at:
        await at.revoking.issuer.accounts.disable(at.account_id)
        await at.revoking.issuer.reset_after_restore()
        later = await store.declare_access_ttl(1, now=START, signs_until=START)
        assert [ttl.seconds for ttl in later] == [LONG, 1]


async def test_n1_a_retired_key_verifies_for_the_longest_life(store: Store, clock: FrozenClock) -> None:
    async with running(node(store, clock, LONG)) as long, running(node(store, clock, SHORT)) as short:
        successor = await short.issuer.keys.rotate()
        clock.pass_seconds(successor.signs_from - 1 - clock.now_ms() / 1000)
        token = (await long.start_session("42")).access_token
        for _ in range(LONG // 50):
            clock.pass_seconds(50)
            await short.issuer.keys.load()
            for auth in (long, short):
                assert await auth.follower.poll()
        if (left := token.expires_at - 1 - clock.now_ms() / 1000) > 0:
            clock.pass_seconds(left)
        await short.issuer.keys.load()
        for auth in (long, short):
            assert await auth.follower.poll()
            assert auth.verify(token.text).subject == "42"


async def test_n1_raising_the_setting_puts_off_the_end_of_a_key_that_is_about_to_retire(
    store: Store, clock: FrozenClock
) -> None:
    async with running(node(store, clock, SHORT)) as short:
        retiring = short.issuer.keys.signing().kid
        successor = await short.issuer.keys.rotate()
        async with running(node(store, clock, LONG)) as long:
            (row,) = [key for key in long.issuer.keys.listing() if key["kid"] == retiring]
            assert row["verifies_until"] == successor.signs_from + LONG + LEEWAY_SECONDS


async def test_n1_a_store_that_went_back_in_time_hears_of_the_life_again(store: Store, clock: FrozenClock) -> None:
    async with running(node(store, clock, SHORT)), running(node(store, clock, LONG)) as long:
        assert isinstance(store, (MemoryStore, SqliteStore))
        await forget(store, LONG)
        assert await long.follower.poll()
        await long.start_session("42")
        assert (await store.load_feed(None)).longest_access_ttl == LONG


async def forget(store: MemoryStore | SqliteStore, seconds: int) -> None:
    """As a failover that loses the last commits does."""
    if isinstance(store, MemoryStore):
        del store._logs._ttls[seconds]
    else:
        await store.writer.write(lambda db: db.execute("DELETE FROM access_ttls WHERE seconds = ?", (seconds,)))
        await store.writer.write(lambda db: db.execute("UPDATE store SET longest_access_ttl = ?", (SHORT,)))


@pytest.mark.postgres
async def test_n1_a_revocation_that_races_a_declaration_sees_it_or_is_seen(postgres_dsn: str) -> None:
    """The revocation has begun when the longer life is declared, and commits after it: it is kept for that life."""
    store = PostgresStore(postgres_dsn)
    await store.open()
    try:
        await declare_ttl(store, SHORT)
        other = await psycopg.AsyncConnection.connect(postgres_dsn)
        async with other:
            await other.execute("SELECT 1 FROM store FOR UPDATE")
            revoking = asyncio.create_task(store.revoke(RefreshClaims(subject="42"), an_event(), now=NOW))
            async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as watching:
                while True:
                    cursor = await watching.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    if await cursor.fetchone() != (0,):
                        break
                    await asyncio.sleep(0.01)
            await other.execute("UPDATE store SET longest_access_ttl = %s", (LONG,))
            await other.commit()
        (entry,) = (await revoking).entries
        assert entry.expires_at == NOW + LONG + LEEWAY_SECONDS
        assert (await store.load_feed(None)).entries == (entry,)
    finally:
        await store.close()


# two processes


@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        ("users disable ada", ""),
        ("users delete ada --yes", ""),
        ("users set-password ada --password-file -", OTHER_PASSWORD + "\n"),
        ("users scopes ada other", ""),
        ("sessions revoke {sid}", ""),
        ("sessions revoke-user ada", ""),
        ("keys revoke {kid} --yes", ""),
        ("restored --yes", ""),
    ],
)
async def test_n1_a_command_with_another_setting_revokes_for_as_long(line: str, stdin: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sealring.db'}"
    auth = Sealring(load_settings(secret=SECRET, database_url=url, access_ttl=LONG))
    async with auth.lifespan():
        held = await auth.register("ada", PASSWORD, address=HOME.address)
        token = held.issued.access_token
        words = line.format(sid=held.issued.session.id, kid=auth.issuer.keys.signing().kid).split()
        done = subprocess.run(  # noqa: ASYNC221 - the server may wait
            [*SEALRING, *words],
            cwd=tmp_path,
            env=environment(SEALRING_SECRET=SECRET, SEALRING_DATABASE_URL=url, SEALRING_ACCESS_TTL=f"{SHORT}s"),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert await auth.follower.poll()
        auth.node.revocations.forget(token.expires_at + LEEWAY_SECONDS - 1)
        with pytest.raises(TokenError) as refused:
            auth.verify(token.text)
        assert refused.value.code in {"revoked", "unknown_key"}
        await auth.store.purge(now=token.expires_at + LEEWAY_SECONDS - 1, audit_seconds=86_400)
        assert (await auth.store.load_feed(None)).entries
