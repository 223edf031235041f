"""Nodes over PostgreSQL: `scripts/bench cluster [force|rate|idle|load|throughput]…`; without a name, all of them.

force: from the acknowledgement of a revocation to its being in force on the one node that there is, and on all three,
with NOTIFY and by polling alone. rate: revocations per second at the store. idle: CPU share of a node that only
follows. load: a full load of a million entries. throughput: authenticated requests per second through one node (wrk)
while it takes in 1,000 revocations per second, against none, in turns. PostgreSQL flushes to disk (fsync on),
everything is on loopback.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import os
import random
import re
import resource
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg

from bench.report import Report, Table, add_json_option
from sealring import jwt
from sealring.audit.event import Event
from sealring.issuer.store_source import StoreSource
from sealring.sessions.revocation import EndSession
from sealring.store.postgres import PostgresStore
from sealring.store.postgres.logs import CHANNEL
from sealring.store.revocation_log import digest_of, draft_entry
from sealring.verifier.clock import SystemClock
from sealring.verifier.follower import Follower
from sealring.verifier.node_state import NodeState
from sealring.verifier.source import VerifyingKeys
from tests.cluster.node import Node
from tests.store.postgres_cluster import Cluster, own_cluster

SAMPLES = int(os.environ.get("BENCH_SAMPLES", "60"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
MILLION = 1_000_000
CALLERS = 64
HOUR = 3600
WRK = """
local tokens, at = {}, 0
for line in io.lines("%s") do tokens[#tokens + 1] = line end
request = function()
  at = at %% #tokens + 1
  return wrk.format("GET", "/whoami", {["Authorization"] = "Bearer " .. tokens[at]})
end
"""


def require(condition: object, words: str) -> None:
    if not condition:
        raise SystemExit(words)


@asynccontextmanager
async def nodes(cluster: Cluster, folder: Path, count: int = 3, hints: str = "") -> AsyncIterator[list[Node]]:
    dsn = cluster.create_database()
    started = [Node(name, dsn, folder, {"NODE_HINTS": hints}) for name in "abc"[:count]]
    for node in started:
        node.start()
    try:
        for node in started:
            node.client.timeout = 30  # a neighbour's load is no failure here
            await node.ready()
        yield started
    finally:
        for node in started:
            await node.close()
        cluster.drop_database(dsn)


# force


async def begin(node: Node) -> dict[str, str]:
    body: dict[str, str] = (await node.client.post("/start", json={"subject": secrets.token_hex(6)})).json()
    return body


async def dead_at(node: Node, token: str) -> float:
    """When this node first refused the token."""
    while True:
        asked = time.perf_counter()
        response = await node.client.get("/whoami", headers={"authorization": f"Bearer {token}"})
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            return asked
        await asyncio.sleep(0.001)


async def force(report: Report, cluster: Cluster, folder: Path) -> None:
    for label, count, hints, target in (
        ("one node", 1, "", 5),
        ("NOTIFY", 3, "", 50),
        ("polling", 3, "never", 600),
    ):
        waits = []
        async with nodes(cluster, folder, count, hints) as (a, *others):
            for _ in range(SAMPLES // 2 if label == "polling" else SAMPLES):
                held = await begin(a)
                await asyncio.sleep(random.uniform(0, 0.3))  # noqa: S311 - so that samples fall anywhere in a poll
                watching = [asyncio.create_task(dead_at(node, held["access_token"])) for node in others or [a]]
                answer = await a.client.post("/auth/logout", json={"refresh_token": held["refresh_token"]})
                acknowledged = time.perf_counter()
                require(answer.is_success, answer.text)
                waits.append(max(0.0, *[moment - acknowledged for moment in await asyncio.gather(*watching)]))
        worst = statistics.quantiles(waits, n=100)[98]
        print(
            f"in force on all nodes, {label:8} median {statistics.median(waits) * 1000:5.1f} ms"
            f"   p99 {worst * 1000:6.1f} ms   target p99 <= {target} ms"
        )
        title = {"one node": "1 node", "NOTIFY": "3 nodes, NOTIFY", "polling": "3 nodes, polling alone"}[label]
        found = {"acknowledged revocation to refusal on every node": [wait * 1000 for wait in waits]}
        report.add(Table.of(f"force-{label.lower().replace(' ', '-')}", title, "ms", found, compared=False))


# rate


async def rate(report: Report, cluster: Cluster, _: Path) -> None:
    dsn = cluster.create_database()
    store = PostgresStore(dsn)
    await store.open()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as owner:
        await owner.execute(
            "INSERT INTO sessions SELECT 's' || n, 'u' || n, 'web', '[]', '{}', '', '', 0, 0, 0, 9e9, 9e9, 1, 0, NULL,"
            " 0, NULL, NULL, NULL, '[]', '' FROM generate_series(1, 200000) AS n"
        )
        await owner.execute("VACUUM ANALYZE sessions")
    numbers = iter(range(1, 200_001))

    async def caller(until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            revocation = EndSession(id=f"s{next(numbers)}", cause="logout")
            event = Event(kind="session_ended", at_ms=0, session=revocation.id)
            require((await store.revoke(revocation, event, now=1)).result, "not revoked")
            done += 1
        return done

    found: dict[str, list[float]] = {}
    for callers in (1, 8, CALLERS):
        rates = []
        for _round in range(ROUNDS):
            began = time.perf_counter()
            done = sum(await asyncio.gather(*(caller(began + 1) for _ in range(callers))))
            rates.append(done / (time.perf_counter() - began))
        print(f"revocations/s, {callers:2} callers: {statistics.median(rates):7.0f}   target >= 1000")
        found[f"{callers} caller{'s' * (callers > 1)}"] = rates
    title = "revocations acknowledged, one PostgreSQL"
    report.add(Table.of("cluster-rate", title, "a second", found, less_is_better=False))
    await store.close()
    cluster.drop_database(dsn)


# idle


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def idle(report: Report, cluster: Cluster, folder: Path) -> None:
    async with nodes(cluster, folder) as started:
        await asyncio.sleep(2)
        before = [cpu_seconds(node.pid) for node in started]
        await asyncio.sleep(5 * SECONDS)
        shares = [(cpu_seconds(node.pid) - was) / (5 * SECONDS) for node, was in zip(started, before, strict=True)]
    print(f"CPU share of an idle node: {max(shares):.2%} of a core   target <= 1 %")
    idling = {"each of 3 nodes": [100 * share for share in shares]}
    report.add(Table.of("cluster-idle", "a node that nobody asks", "% of a core", idling, compared=False))


# load


async def load(report: Report, cluster: Cluster, _: Path) -> None:
    dsn = cluster.create_database()
    store = PostgresStore(dsn)
    await store.open()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as owner:
        await owner.execute("SET statement_timeout = 0")
        await owner.execute(
            "INSERT INTO revocations SELECT n, md5(n::TEXT), 'session', left(md5('s' || n), 22), 0, 4000000000"
            " FROM generate_series(1, 1000000) AS n"
        )
        await owner.execute("UPDATE store SET head = 1000000")

    node = NodeState(SystemClock(5), max_staleness=5)
    follower = Follower(StoreSource(store, NoKeys()), node, poll_interval=0.5, leeway=5)
    stalls: list[float] = []
    watch = asyncio.create_task(stalled(stalls))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    require(await follower.poll(), "the first load failed")
    took = time.perf_counter() - began
    watch.cancel()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    require(len(node.revocations) == MILLION, "entries are missing")
    began = time.perf_counter()
    require(await follower.poll(), "the second poll failed")
    tail = time.perf_counter() - began
    print(f"full load of a million entries: {took:.1f} s, longest stall of the event loop {max(stalls):.2f} s,")
    print(f"  peak memory grew by {grown:.0f} MB; the poll after it {tail * 1000:.1f} ms, fresh: {node.is_fresh}")
    rest = {
        "until all are in force, s": took,
        "longest stall of its event loop, s": max(stalls),
        "peak memory, MB": grown,
        "the poll after it, ms": tail * 1000,
    }
    found = {name: [value] for name, value in rest.items()}
    report.add(
        Table.of("cluster-load", "a node that starts with a million revocations", "see row", found, compared=False)
    )
    await store.close()
    cluster.drop_database(dsn)


class NoKeys:
    """A ring that is empty."""

    async def read_verifying(self) -> VerifyingKeys:
        return VerifyingKeys(jwt.KeySet([]), 0)


async def stalled(stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        stalls.append(time.perf_counter() - began)


# throughput


async def requests_per_second(node: Node, script: Path) -> float:
    wrk = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", "-c16", f"-d{SECONDS:.0f}s", "-s", str(script), node.url), stdout=asyncio.subprocess.PIPE
    )
    output = (await wrk.communicate())[0].decode()
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    require("Non-2xx" not in output and found, output)
    return float(found[1]) if found else 0.0


async def write_revocations(dsn: str, per_second: int) -> None:
    """What other nodes acknowledge: a hundred entries ten times a second, each batch one commit and one NOTIFY."""
    if not per_second:
        await asyncio.Event().wait()
    batch = per_second // 10
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as writer:
        await writer.execute("SET synchronous_commit = off")  # its cost is not the question
        due = time.perf_counter()
        while True:
            drafts = [draft_entry("session", secrets.token_urlsafe(16), expires_at=4_000_000_000) for _ in range(batch)]
            await writer.execute(
                "WITH counter AS (UPDATE store SET head = head + %s, digest = digest # %s RETURNING head - %s AS last)"
                " INSERT INTO revocations SELECT last + place, id, 'session', target, 0, 4000000000"
                " FROM counter, unnest(%s::TEXT[], %s::TEXT[]) WITH ORDINALITY AS v (id, target, place)",
                (batch, digest_of(drafts), batch, [draft.id for draft in drafts], [draft.target for draft in drafts]),
            )
            await writer.execute(f"NOTIFY {CHANNEL}".encode())
            due += 0.1
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def throughput(report: Report, cluster: Cluster, folder: Path) -> None:
    async with nodes(cluster, folder, count=1) as (node,):
        dsn = node.database_url
        tokens = [(await begin(node))["access_token"] for _ in range(100)]
        (folder / "tokens").write_text("\n".join(tokens))
        script = folder / "wrk.lua"
        script.write_text(WRK % (folder / "tokens"))
        await requests_per_second(node, script)
        ratios, quiet_rates, busy_rates = [], [], []
        for number in range(ROUNDS):
            rates = {}
            for per_second in (0, 1000) if number % 2 else (1000, 0):  # in turns: who comes second has no advantage
                writing = asyncio.create_task(write_revocations(dsn, per_second))
                rates[per_second] = await requests_per_second(node, script)
                require(not writing.done(), "the writer has ended")
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            ratios.append(rates[1000] / rates[0])
            quiet_rates.append(rates[0])
            busy_rates.append(rates[1000])
        standing = (await node.client.get("/standing")).json()
    print(
        f"requests/s while taking in 1,000 revocations/s: {statistics.median(ratios):.3f} of"
        f" {statistics.median(quiet_rates):.0f}   ({min(ratios):.3f} to {max(ratios):.3f})   target >= 0.95"
    )
    found = {"no revocations": quiet_rates, "1,000 revocations a second": busy_rates}
    title = "authenticated requests of one node"
    targets = {"1,000 revocations a second": 0.95}
    report.add(Table.of("cluster-throughput", title, "requests/s", found, targets=targets, less_is_better=False))
    print(f"  the node holds {standing['entries']} entries, reloads: {standing['reloads']}")


PARTS: dict[str, Any] = {"force": force, "rate": rate, "idle": idle, "load": load, "throughput": throughput}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), default=list(PARTS))
    add_json_option(parser)
    asked = parser.parse_args()
    report = Report(asked.json)
    flushed = ("-c shared_buffers=256MB", "-c max_connections=100")
    with own_cluster(flushed) as cluster, tempfile.TemporaryDirectory(prefix="sealring-bench-") as folder:
        for name in asked.parts:
            asyncio.run(PARTS[name](report, cluster, Path(folder)))


if __name__ == "__main__":
    main()
