"""Design D23 over two nodes: a connection of one ends when the other revokes, and when the way to the store is cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from sealring import ConnectionEnded, Principal, Sealring
from sealring.store.postgres import PostgresStore
from tests.cluster.proxy import Fault, Proxy
from tests.serving import SECRET
from tests.store.postgres_cluster import Cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

BOUND = 3.0
SLACK = 1.5
"""A machine that does other things besides."""


@dataclass
class Nodes:
    here: Sealring
    """Where things are revoked."""
    there: Sealring
    """Where connections are open, behind a proxy."""
    proxy: Proxy

    async def connect(self, subject: str = "42") -> tuple[Principal, asyncio.Task[str]]:
        """A connection to `there`; its task returns why it ended."""
        issued = await self.here.start_session(subject)
        await self.there.follower.poll()
        user = self.there.verify(issued.access_token.text)
        entered = asyncio.Event()

        async def serve() -> str:
            try:
                async with self.there.while_live(user):
                    entered.set()
                    await asyncio.Event().wait()
            except ConnectionEnded as ended:
                return ended.cause
            return "by itself"

        task = asyncio.create_task(serve())
        await asyncio.wait_for(entered.wait(), 5)
        return user, task


@pytest.fixture
async def nodes(postgres_cluster: Cluster, postgres_dsn: str) -> AsyncIterator[Nodes]:
    database = postgres_dsn.partition("@/")[2].partition("?")[0]
    proxy = Proxy(f"{postgres_cluster.folder}/.s.PGSQL.5432")
    await proxy.open()
    here, there = (
        Sealring(secret=SECRET, store=PostgresStore(dsn), max_staleness=f"{BOUND}s", poll_interval="0.2s")
        for dsn in (postgres_dsn, f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}")
    )
    await here.open()
    await there.open()
    yield Nodes(here, there, proxy)
    proxy.break_by("none")
    await there.close()
    await here.close()
    await proxy.close()


@pytest.mark.parametrize(
    ("revoke", "cause"),
    [
        (lambda auth, user: auth.revoke_session(user.session_id), "session"),
        (lambda auth, user: auth.revoke_subject(user.subject), "subject"),
        (lambda auth, user: auth.refresh_claims(user.subject), "subject"),
        (lambda auth, user: auth.issuer.keys.revoke(user.kid), "key"),
    ],
    ids=["session", "subject", "claims", "key"],
)
async def test_i1_what_one_node_revokes_ends_connections_of_the_other_within_the_bound(
    nodes: Nodes, revoke: Callable[[Sealring, Principal], Awaitable[object]], cause: str
) -> None:
    user, task = await nodes.connect()
    _, other = await nodes.connect("43")
    await revoke(nodes.here, user)
    acknowledged = time.monotonic()
    assert await asyncio.wait_for(task, BOUND + SLACK) == cause
    assert time.monotonic() - acknowledged < BOUND
    assert other.done() is (cause == "key") or not (await asyncio.wait({other}, timeout=0.3))[0]
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


@pytest.mark.parametrize("fault", ["cut", "silent", "deaf"])
async def test_i1_a_node_that_cannot_hear_ends_them_within_the_bound(nodes: Nodes, fault: Fault) -> None:
    """It cannot know what was revoked: so all of them."""
    user, task = await nodes.connect()
    _, other = await nodes.connect("43")
    nodes.proxy.break_by(fault)
    await nodes.here.revoke_session(user.session_id)
    acknowledged = time.monotonic()
    assert await asyncio.wait_for(task, BOUND + SLACK) == "stale"
    assert time.monotonic() - acknowledged < BOUND + SLACK
    assert await asyncio.wait_for(other, SLACK) == "stale"


async def test_an_outage_shorter_than_the_bound_ends_nothing(nodes: Nodes) -> None:
    user, task = await nodes.connect()
    nodes.proxy.break_by("cut")
    await asyncio.sleep(0.3)
    nodes.proxy.break_by("none")
    await asyncio.sleep(BOUND)  # the pool connects again about a second later
    assert nodes.there.node.is_fresh
    assert not task.done()
    await nodes.here.revoke_session(user.session_id)
    assert await asyncio.wait_for(task, BOUND + SLACK) == "session"
