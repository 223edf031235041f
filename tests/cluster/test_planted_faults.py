"""What the checker is worth: four well-known mistakes, planted in real nodes over PostgreSQL. It must see each.

Each scenario runs twice, with honest nodes (no violation) and with the planted fault. Nothing of this is in src/.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from sealring import Sealring
from sealring.errors import Revoked, Stale, StoreUnavailable
from sealring.issuer.session_tokens import Issued
from sealring.revocation.feed import FeedPage
from sealring.revocation.view import RevocationView
from sealring.store.postgres import PostgresStore, logs
from sealring.store.revocation_log import digest_of
from sealring.store.rows import ENTRY_COLUMNS, read_entry
from sealring.verifier.follower import Follower
from sealring.verifier.node_state import NodeState, ReloadCause
from sealring.verifier.source import Source, VerifyingKeys
from tests.cluster.checker import check
from tests.cluster.history import Operation, Outcome
from tests.cluster.node import SECRET

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

STALENESS = 0.8
POLL = 0.1


class Clients:
    """Checks and ends sessions on nodes in this process, on the record."""

    def __init__(self) -> None:
        self.history: list[Operation] = []

    def check(self, name: str, node: Sealring, held: Issued) -> Outcome:
        start = time.monotonic()
        try:
            node.verify(held.access_token.text)
            outcome: Outcome = "ok"
        except Stale:
            outcome = "unavailable"
        except Revoked:
            outcome = "refused"
        token, session = held.access_token.text[-12:], held.session.id
        self.history.append(
            Operation(
                kind="check",
                node=name,
                start=start,
                end=time.monotonic(),
                outcome=outcome,
                session=session,
                token=token,
            )
        )
        return outcome

    async def end(self, name: str, node: Sealring, held: Issued) -> None:
        start = time.monotonic()
        assert await node.revoke_session(held.session.id)
        self.history.append(
            Operation(kind="end", node=name, start=start, end=time.monotonic(), outcome="ok", session=held.session.id)
        )

    async def haunt(self, name: str, node: Sealring, *dead: Issued) -> None:
        """Try them until well past the bound."""
        until = time.monotonic() + 1.7 * STALENESS
        while time.monotonic() < until:
            for held in dead:
                self.check(name, node, held)
            await asyncio.sleep(POLL / 5)

    def broken_laws(self) -> set[str]:
        assert any(operation.kind == "end" for operation in self.history)
        return {violation.law for violation in check(self.history, staleness=STALENESS, retry_window=10)}


@asynccontextmanager
async def a_node(dsn: str, plant: Callable[[Sealring], None] = lambda _: None) -> AsyncIterator[Sealring]:
    node = Sealring(secret=SECRET, store=PostgresStore(dsn), max_staleness=STALENESS, poll_interval=POLL)
    plant(node)
    async with node.lifespan():
        yield node


async def began(node: Sealring, number: int) -> list[Issued]:
    return [await node.start_session(str(subject)) for subject in range(number)]


# a serial id, polled with "> last"

SERIAL_APPEND = f"""
WITH counter AS (SELECT CASE WHEN %(entries)s > 0 THEN nextval('serial') ELSE 0 END AS head), entries AS (
  INSERT INTO revocations ({ENTRY_COLUMNS})
  SELECT counter.head, v.id, v.kind, v.target, v.epoch, %(now)s + 3600 FROM counter, unnest(
    %(ids)s::TEXT[], %(kinds)s::TEXT[], %(targets)s::TEXT[], %(epochs)s::BIGINT[]
  ) AS v (id, kind, target, epoch)
)
SELECT head, 0, %(now)s + 3600 FROM counter
"""  # noqa: S608 - only column names of our own


class SerialSource(Source):
    """Asks for what came after the highest number it has seen, and believes that this is all."""

    def __init__(self, inner: Source, dsn: str) -> None:
        self._inner = inner
        self._dsn = dsn
        self._digest = 0

    async def load(self, after: int | None) -> FeedPage:
        connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
        try:
            cursor = await connection.execute(
                f"SELECT {ENTRY_COLUMNS} FROM revocations WHERE number > %s ORDER BY number",  # noqa: S608 - our own names
                (after or 0,),
            )
            entries = tuple(map(read_entry, await cursor.fetchall()))
        finally:  # `async with` would commit first, and not close when the follower is stopped in the middle of that
            await connection.close()
        self._digest ^= digest_of(entries)
        head = max((entry.number for entry in entries), default=after or 0)
        now_ms = time.time_ns() // 1_000_000
        return FeedPage(
            incarnation="",
            head=head,
            complete=True,
            entries=entries,
            digest=self._digest,
            keys_version=0,
            time_ms=now_ms,
            longest_access_ttl=1800,
        )

    async def keys(self) -> VerifyingKeys:
        return await self._inner.keys()

    async def wait_for_change(self) -> None:
        await self._inner.wait_for_change()


SLOW_COMMITS = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON revocations DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.target LIKE 'A%') EXECUTE FUNCTION dawdle();
CREATE SEQUENCE serial;
"""


@pytest.mark.parametrize(("planted", "broken"), [(False, set()), (True, {"I1"})])
async def test_f1_a_serial_id_polled_with_greater_than_last_loses_a_slow_commit(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, *, planted: bool, broken: set[str]
) -> None:
    """A transaction draws its number, dawdles, and commits after a higher number was seen."""

    def plant(node: Sealring) -> None:
        if planted:
            node.follower._source = SerialSource(node.follower._source, postgres_dsn)

    clients = Clients()
    async with a_node(postgres_dsn) as a:
        with psycopg.connect(postgres_dsn, autocommit=True) as owner:
            owner.execute(SLOW_COMMITS)
        if planted:
            monkeypatch.setattr(logs, "_APPEND_AND_NOTIFY", SERIAL_APPEND)
        async with a_node(postgres_dsn, plant) as b:
            slow, quick = await _slow_and_quick(a)

            async def end_quick() -> None:
                await asyncio.sleep(0.15)
                await clients.end("a", a, quick)

            await asyncio.gather(clients.end("a", a, slow), end_quick())
            await clients.haunt("b", b, slow, quick)
    assert clients.broken_laws() == broken


async def _slow_and_quick(node: Sealring) -> tuple[Issued, Issued]:
    """One session whose end the trigger delays, one whose end it does not."""
    slow = quick = None
    while slow is None or quick is None:
        held = await node.start_session(secrets.token_hex(6))  # of a subject's own, or the cap would end some
        if held.session.id.startswith("A"):
            slow = held
        else:
            quick = held
    return slow, quick


# freshness taken at the end of a poll


class EndOfPoll(Follower):
    async def poll(self) -> bool:
        good = await super().poll()
        if good:
            self.node.know_until(self._clock.steady())
        return good


class LateAnswers(Source):
    """A network on which answers take almost as long as the bound."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner

    async def load(self, after: int | None) -> FeedPage:
        page = await self._inner.load(after)
        await asyncio.sleep(0.9 * STALENESS)
        return page

    async def keys(self) -> VerifyingKeys:
        return await self._inner.keys()

    async def wait_for_change(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(("planted", "broken"), [(False, set()), (True, {"I1"})])
async def test_f5_freshness_taken_at_the_end_of_a_poll_is_seen(
    postgres_dsn: str, *, planted: bool, broken: set[str]
) -> None:
    clients = Clients()

    def plant(node: Sealring) -> None:
        follower = node.follower
        follower._source = LateAnswers(follower._source)
        follower._poll_interval = 0.3
        if planted:
            follower.__class__ = EndOfPoll

    async with a_node(postgres_dsn) as a, a_node(postgres_dsn, plant) as b:
        for held in await began(a, 2):
            await clients.end("a", a, held)
            await clients.haunt("b", b, held)
            await asyncio.sleep(0.37 * STALENESS)  # so that the ends fall into different parts of a poll
    assert clients.broken_laws() == broken


# a 503 turned into accept


class NeverStale(NodeState):
    __slots__ = ()

    @property
    def fresh_until(self) -> float:
        return float("inf")

    @fresh_until.setter
    def fresh_until(self, value: float) -> None:
        """Kept nowhere."""


@pytest.mark.parametrize(("planted", "broken"), [(False, set()), (True, {"I1"})])
async def test_f4_a_503_turned_into_accept_is_seen(postgres_dsn: str, *, planted: bool, broken: set[str]) -> None:
    clients = Clients()

    def plant(node: Sealring) -> None:
        if planted:
            node.node.__class__ = NeverStale

    async with a_node(postgres_dsn) as a, a_node(postgres_dsn, plant) as b:
        (held,) = await began(a, 1)
        b.follower._source.load = _cut  # type: ignore[assignment,method-assign]
        await clients.end("a", a, held)
        await clients.haunt("b", b, held)
    assert clients.broken_laws() == broken
    if not planted:
        assert "unavailable" in {operation.outcome for operation in clients.history}


async def _cut(_: Any) -> FeedPage:
    raise StoreUnavailable("cut off")


# the snapshot skipped at start


class TailOnly(Follower):
    async def _reload(self, cause: ReloadCause) -> FeedPage:
        page = await super()._reload(cause)
        self.node.revocations = RevocationView()
        return page


@pytest.mark.parametrize(("planted", "broken"), [(False, set()), (True, {"I1"})])
async def test_f10_a_snapshot_skipped_at_start_is_seen(postgres_dsn: str, *, planted: bool, broken: set[str]) -> None:
    clients = Clients()

    def plant(node: Sealring) -> None:
        if planted:
            node.follower.__class__ = TailOnly

    async with a_node(postgres_dsn) as a:
        (held,) = await began(a, 1)
        await clients.end("a", a, held)
        async with a_node(postgres_dsn, plant) as b:
            await clients.haunt("b", b, held)
    assert clients.broken_laws() == broken
