"""What happens to three database machines, one fault at a time, each undone at its end.

The faults that leave a primary behind last until another machine leads, and then longer than S: whoever still asks the
old one has to notice by itself.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.cluster.failover.databases import NAMES, Databases

AFTERWARDS_SECONDS = 8.0
"""How long an old primary stays beside its successor."""
QUORUM_SECONDS = 30.0
"""How long etcd has no majority: longer than the leader's lease."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One fault of a run. Times are seconds of the history's clock."""

    fault: str
    start: float
    end: float
    """When the three machines were whole again."""
    leaders: tuple[str, str]
    """Who led before and after."""


class Faults:
    """Breaks the database machines.

    Args:
        databases: the machines.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self.marks: list[Mark] = []
        self.table: dict[str, Callable[[str], Awaitable[None]]] = {
            "switchover": self.switchover,
            "kill": self.kill,
            "freeze": self.freeze,
            "cut": self.cut,
            "hang": self.hang,
            "split": self.split,
            "minority": self.minority,
            "crash": self.crash,
            "standby": self.standby,
            "quorum": self.quorum,
        }

    async def do(self, names: Sequence[str]) -> None:
        """These, one after the other; each begins with three whole machines."""
        for name in names:
            leader, start = await self._databases.named("leader"), time.monotonic()
            await self.table[name](leader)
            await self._databases.whole()
            after = await self._databases.named("leader")
            self.marks.append(Mark(name, start, time.monotonic(), (leader, after)))
            await asyncio.sleep(2)

    async def switchover(self, leader: str) -> None:
        """The operator asks for it: the leader stops in order."""
        await self._databases.switch_over(leader, await self._databases.named("sync_standby"))

    async def kill(self, leader: str) -> None:
        """The leader's machine loses its power, its member of etcd with it; later it boots."""
        self._databases.machines[leader].kill()
        await self._replaced(leader)
        self._databases.boot(leader)

    async def freeze(self, leader: str) -> None:
        """The leader's machine stops as a whole, and goes on as if nothing had been (F6, F8)."""
        machine = self._databases.machines[leader]
        machine.send(signal.SIGSTOP)
        await self._replaced(leader)
        machine.send(signal.SIGCONT)

    async def cut(self, leader: str) -> None:
        """The leader's machine is cut off from everybody."""
        machine = self._databases.machines[leader]
        machine.cut()
        await self._replaced(leader)
        machine.join()

    async def hang(self, leader: str) -> None:
        """Patroni hangs: its PostgreSQL runs on without anybody to stop it, and all can reach it (F8)."""
        machine = self._databases.machines[leader]
        machine.send(signal.SIGSTOP, "patroni.yml")
        await self._replaced(leader)
        machine.send(signal.SIGCONT, "patroni.yml")

    async def split(self, leader: str) -> None:
        """Patroni hangs, and the machine is cut off from the other two, but not from the nodes: two primaries (F8)."""
        machine = self._databases.machines[leader]
        machine.send(signal.SIGSTOP, "patroni.yml")
        machine.cut(self._others(leader))
        await self._replaced(leader)
        machine.join()
        machine.send(signal.SIGCONT, "patroni.yml")

    async def minority(self, leader: str) -> None:
        """The leader's machine is cut off from the other two, but not from the nodes: Patroni there has to stop it."""
        machine = self._databases.machines[leader]
        machine.cut(self._others(leader))
        await self._replaced(leader)
        machine.join()

    async def crash(self, leader: str) -> None:
        """PostgreSQL is killed: Patroni starts it again, or another leads."""
        machine = self._databases.machines[leader]
        machine.send(signal.SIGKILL, "postgres")
        await asyncio.sleep(AFTERWARDS_SECONDS)

    async def standby(self, leader: str) -> None:
        """The machine of the synchronous standby loses its power: commits wait until the third has its place."""
        del leader
        name = await self._databases.named("sync_standby")
        self._databases.machines[name].kill()
        await asyncio.sleep(AFTERWARDS_SECONDS)
        self._databases.boot(name)

    async def quorum(self, leader: str) -> None:
        """Two members of etcd stop: no leader can keep its lease, and none is found."""
        stopped = [name for name in NAMES if name != leader]
        for name in stopped:
            self._databases.machines[name].send(signal.SIGSTOP, "/etcd")
        await asyncio.sleep(QUORUM_SECONDS)
        for name in stopped:
            self._databases.machines[name].send(signal.SIGCONT, "/etcd")

    async def _replaced(self, leader: str) -> None:
        await self._databases.another_leads(leader)
        await asyncio.sleep(AFTERWARDS_SECONDS)

    def _others(self, leader: str) -> list[str]:
        return [
            address
            for name, machine in self._databases.machines.items()
            if name != leader
            for address in machine.addresses
        ]
