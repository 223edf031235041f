"""One trial: three database machines, two nodes behind HAProxy and one without, clients, faults; then the evidence."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.cluster.clients import Clients
from tests.cluster.failover.databases import PAGE, Databases
from tests.cluster.failover.faults import Faults, Mark
from tests.cluster.node import Node
from tests.cluster.trial import Evidence, evidence_of
from tests.ports import free_port
from tests.programs import required_program


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Args:
        faults: in their order, given dice and the names of all.
        seed: of the dice. The clock is not among them: no two runs are alike.
        staleness: S, seconds.
        synchronous: whether commits wait for a standby, as the page has it.
        crowd: clients of each kind.
    """

    faults: Callable[[random.Random, Sequence[str]], Sequence[str]]
    seed: int = 1
    staleness: float = 5.0
    synchronous: bool = True
    crowd: int = 2


@dataclass(frozen=True, slots=True)
class Failovers:
    """What a trial leaves behind."""

    evidence: Evidence
    marks: list[Mark]


@contextmanager
def proxy(folder: Path, name: str) -> Iterator[int]:
    """HAProxy by the page's file, on a port of its own."""
    port = free_port()
    text = PAGE["/etc/haproxy/haproxy.cfg"]
    assert "bind 127.0.0.1:5000" in text
    file = folder / f"{name}.cfg"
    file.write_text(text.replace("bind 127.0.0.1:5000", f"bind 127.0.0.1:{port}"))
    with (folder / f"{name}-haproxy.log").open("wb") as log:
        process = subprocess.Popen(
            [str(required_program("haproxy")), "-db", "-f", str(file)], stdout=log, stderr=log, env=os.environ
        )
    try:
        yield port
    finally:
        process.kill()
        process.wait()


async def run_trial(trial: Trial, folder: Path) -> Failovers:
    """Drive the cluster through the faults.

    Args:
        trial: what is tried.
        folder: for disks and logs; a short path.
    """
    chance = random.Random(trial.seed)  # noqa: S311 - dice
    databases = Databases(folder, synchronous=trial.synchronous)
    direct = url_of("environment", databases.password)
    faults = Faults(databases)
    tasks: list[asyncio.Task[None]] = []
    nodes: list[Node] = []
    with ExitStack() as stack:
        try:
            await databases.open()
            with psycopg.connect(direct.replace("/shop?", "/postgres?"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE shop")
            settings = {"SEALRING_MAX_STALENESS": f"{trial.staleness:g}s"}
            behind = url_of("environment behind HAProxy", databases.password)
            for name in ("x", "y"):
                port = stack.enter_context(proxy(folder, name))
                nodes.append(Node(name, behind.replace(":5000/", f":{port}/"), folder, settings))
            nodes.append(Node("z", direct, folder, settings))
            clients = Clients(nodes, trial.staleness, chance)
            for node in nodes:
                node.start()
            await asyncio.gather(*(node.ready() for node in nodes))
            tasks = clients.crowd(trial.crowd)
            tasks += [asyncio.create_task(work) for work in (clients.try_the_dead(), *map(clients.probe, nodes))]
            await asyncio.sleep(3)
            await faults.do(trial.faults(chance, list(faults.table)))
            await asyncio.gather(*(node.ready() for node in nodes))
            await asyncio.sleep(trial.staleness + 2)
            clients.stopped = True
            await asyncio.gather(*tasks)
            evidence = await evidence_of(clients.history, nodes, direct, staleness=trial.staleness)
            return Failovers(evidence, faults.marks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for node in nodes:
                await node.close()
            await databases.close()


def url_of(title: str, password: str) -> str:
    """SEALRING_DATABASE_URL of a file of the page, as the superuser."""
    url = PAGE[title].splitlines()[0].partition("SEALRING_DATABASE_URL=")[2]
    assert "sealring_server:secret@" in url
    return url.replace("sealring_server:secret@", f"postgres:{password}@")
