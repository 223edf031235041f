"""What goes wrong in a cluster, one spell at a time, each undone at its end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import httpx2
import psycopg

from tests.cluster.node import Node
from tests.cluster.proxy import Fault, Proxy
from tests.store.postgres_cluster import Cluster


class Nemesis:
    """Breaks things.

    Args:
        nodes: the nodes.
        proxies: the way of each to PostgreSQL.
        cluster: the PostgreSQL server.
        dsn: a way to the database that never breaks.
        staleness: S, seconds: a spell lasts longer.
        chance: the dice.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        proxies: Sequence[Proxy],
        *,
        cluster: Cluster,
        dsn: str,
        staleness: float,
        chance: random.Random,
    ) -> None:
        self._nodes = nodes
        self._proxies = proxies
        self._cluster = cluster
        self._dsn = dsn
        self._spell_seconds = staleness + 0.4
        self._chance = chance
        self.spells: dict[str, Callable[[], Awaitable[None]]] = {
            "rotate": self.rotate,
            "hold": self.hold,
            "cut": lambda: self._network("cut"),
            "freeze": self.freeze,
            "silent": lambda: self._network("silent"),
            "kill": self.kill,
            "deaf": lambda: self._network("deaf"),
            "restart": self.restart,
            "slow": lambda: self._network("slow", self._spell_seconds / 6),
        }

    async def cast(self, names: Sequence[str]) -> None:
        """These, one after the other, with a breath between."""
        for name in names:
            await self.spells[name]()
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    async def _network(self, fault: Fault, delay: float = 0.0) -> None:
        """One node loses its way to PostgreSQL, or two at once."""
        for proxy in self._chance.sample(list(self._proxies), self._chance.choice([1, 1, 2])):
            proxy.break_by(fault, delay)
        await asyncio.sleep(self._spell_seconds)
        for proxy in self._proxies:
            proxy.break_by("none")

    async def freeze(self) -> None:
        """SIGSTOP: to the node no time passes, to the others it does (F6)."""
        node = self._chance.choice(self._nodes)
        node.freeze()
        await asyncio.sleep(self._spell_seconds)
        node.thaw()

    async def kill(self) -> None:
        """kill -9, and another start (P1, F10)."""
        node = self._chance.choice(self._nodes)
        node.kill()
        await asyncio.sleep(0.2)
        node.start()
        await node.ready()

    async def restart(self) -> None:
        """PostgreSQL crashes and comes back (P5)."""
        await asyncio.to_thread(self._cluster.stop, self._chance.choice(["immediate", "fast"]))
        await asyncio.sleep(self._chance.uniform(0.1, self._spell_seconds))
        await asyncio.to_thread(self._cluster.start)

    async def hold(self) -> None:
        """Somebody leaves a transaction open that wrote: what waits for the oldest snapshot stalls (design D6)."""
        async with await psycopg.AsyncConnection.connect(self._dsn) as connection:
            await connection.execute("INSERT INTO subjects (subject, epoch) VALUES ('never committed', 0)")
            await asyncio.sleep(self._spell_seconds)
            await connection.rollback()

    async def rotate(self) -> None:
        """Another signing key (I12)."""
        for node in self._chance.sample(list(self._nodes), len(self._nodes)):
            with suppress(httpx2.HTTPError):
                if (await node.client.post("/rotate")).is_success:
                    return
