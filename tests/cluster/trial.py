"""One trial of a cluster: three nodes, PostgreSQL, clients and a nemesis; then the evidence."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.cluster.checker import Violation, check, check_remains, tally
from tests.cluster.clients import Clients
from tests.cluster.history import Operation, Remains, as_line
from tests.cluster.nemesis import Nemesis
from tests.cluster.node import Node
from tests.cluster.proxy import Proxy
from tests.store.postgres_cluster import Cluster

STALENESS = 1.0
RETRY_WINDOW = 10.0
SETTINGS = {
    "SEALRING_MAX_STALENESS": f"{STALENESS}s",
    "SEALRING_POLL_INTERVAL": "0.2s",
    "SEALRING_RETRY_WINDOW": f"{RETRY_WINDOW}s",
    "NODE_KEY_LEAD": "3",
}
HEAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a trial leaves behind."""

    history: list[Operation]
    violations: list[Violation]
    standings: list[dict[str, Any]]
    """What each node holds at the end."""
    head: int
    """The newest number of the feed."""
    signed: int
    """Keys that have signed."""

    @property
    def tally(self) -> dict[str, int]:
        """How often each kind of operation ended how."""
        return tally(self.history)

    def write(self, path: Path) -> None:
        """The history, a line for each operation."""
        path.write_text("".join(json.dumps(as_line(operation)) + "\n" for operation in self.history))


async def run_trial(
    cluster: Cluster,
    folder: Path,
    *,
    seed: int,
    plan: Callable[[random.Random, Sequence[str]], Sequence[str]],
    crowd: int = 3,
) -> Evidence:
    """Drive a cluster through the spells of the plan.

    Args:
        cluster: a PostgreSQL server of one's own.
        folder: for logs.
        seed: of the dice. The clock is not among them: no two runs are alike.
        plan: given dice and the names of all spells, the spells to cast in their order.
        crowd: clients of each kind.
    """
    chance = random.Random(seed)  # noqa: S311 - dice
    dsn = cluster.create_database()
    database = dsn.partition("@/")[2].partition("?")[0]
    proxies = [Proxy(f"{cluster.folder}/.s.PGSQL.5432") for _ in range(3)]
    for proxy in proxies:
        await proxy.open()
    nodes = [
        Node(name, f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}", folder, SETTINGS)
        for name, proxy in zip("abc", proxies, strict=True)
    ]
    clients = Clients(nodes, STALENESS, chance)
    tasks: list[asyncio.Task[None]] = []
    try:
        for node in nodes:
            node.start()
        await asyncio.gather(*(node.ready() for node in nodes))
        tasks = clients.crowd(crowd)
        nemesis = Nemesis(nodes, proxies, cluster=cluster, dsn=dsn, staleness=STALENESS, chance=chance)
        await asyncio.sleep(1)
        await nemesis.cast(plan(chance, list(nemesis.spells)))
        await asyncio.gather(*(node.ready(HEAL_SECONDS) for node in nodes))
        await asyncio.sleep(STALENESS + 0.5)
        clients.stopped = True
        await asyncio.gather(*tasks)
        return await evidence_of(clients.history, nodes, dsn)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for node in nodes:
            await node.close()
        for proxy in proxies:
            await proxy.close()


async def evidence_of(
    history: list[Operation], nodes: Sequence[Node], dsn: str, *, staleness: float = STALENESS
) -> Evidence:
    """Wait until every node has followed to the head, and judge.

    Args:
        history: what clients were answered.
        nodes: all of them, running.
        dsn: a way to the database.
        staleness: S, seconds.
    """
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        head = await _settle(connection, nodes)
        cursor = await connection.execute("SELECT id, ended_at IS NOT NULL FROM sessions")
        sessions: dict[str, bool] = dict(await cursor.fetchall())
        cursor = await connection.execute("SELECT session FROM events WHERE kind = 'refresh_reused'")
        reused = frozenset(session for (session,) in await cursor.fetchall())
        cursor = await connection.execute(
            "SELECT count(*) FROM signing_keys WHERE signs_from <= extract(epoch FROM now())"
        )
        ((signed,),) = await cursor.fetchall()
    standings = [(await node.client.get("/standing")).json() for node in nodes]
    remains = Remains(sessions=sessions, reused=reused)
    violations = check(history, staleness=staleness, retry_window=RETRY_WINDOW) + check_remains(history, remains)
    return Evidence(history, violations, standings, head, signed)


async def _settle(connection: psycopg.AsyncConnection[Any], nodes: Sequence[Node]) -> int:
    """Wait until every node has followed to the head, which nobody moves any more."""
    async with asyncio.timeout(HEAL_SECONDS):
        while True:
            ((head,),) = await (await connection.execute("SELECT head FROM store")).fetchall()
            cursors = {(await node.client.get("/standing")).json()["cursor"] for node in nodes}
            if cursors == {head}:
                return int(head)
            await asyncio.sleep(0.1)
