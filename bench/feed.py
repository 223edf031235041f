"""Services that only verify, over HTTP: `scripts/bench feed [check|force|load|cost|relays|restart]…`, or all of them.

check: one check of a token by `Verifier.from_issuer`, beside the issuer's own, introspection on every request and a
look-up in Redis. force: from an acknowledged revocation to its being in force on one verifier, directly and through a
relay. load: a start with a million revocations, with the stalls of the event loop. cost: what 1,000 verifiers that
follow directly cost their issuer, idle and at 10 revocations a second. relays: the same behind 10 relays, and how long
it takes to the last of them. restart: so many that start at the same moment. Verifiers are real ones, hundreds to a
process; everything is on loopback of one machine, which all of them share.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2

from bench.feed_roles import AUDIENCE, Role, issuer_role, relay_role, verifier_roles
from bench.report import Report, Table, add_json_option
from sealring import Verifier
from sealring.errors import Revoked

VERIFIERS = int(os.environ.get("BENCH_VERIFIERS", "1000"))
RELAYS = int(os.environ.get("BENCH_RELAYS", "10"))
RESTARTING = int(os.environ.get("BENCH_RESTARTING", "10000"))
ENTRIES = int(os.environ.get("BENCH_ENTRIES", "1000000"))
SAMPLES = int(os.environ.get("BENCH_SAMPLES", "60"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
REVOCATIONS_A_SECOND = 10
BEHIND_RELAYS_A_SECOND = 1
"""Fewer: on one machine each of them is as many answers as there are verifiers, by all relays at once."""
RESTARTING_STALENESS = 60.0
"""`max_staleness` of the verifiers that restart: with 5 s, ten thousand poll more than one issuer answers."""
GIVEN_UP_SECONDS = 60
STALL_MS = 5


def require(condition: object) -> None:
    if not condition:
        raise SystemExit("a verifier did not do what it is for")


async def serving(url: str) -> httpx2.AsyncClient:
    """A client of a server, once that answers."""
    client = httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30)
    deadline = time.monotonic() + GIVEN_UP_SECONDS
    while time.monotonic() < deadline:
        try:
            if (await client.get("/auth/feed?after=0")).is_success:
                return client
        except httpx2.TransportError:
            pass
        await asyncio.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


async def check(report: Report, folder: Path) -> None:
    """One check, and what one asks otherwise."""
    # the other parts do without its packages
    from bench.alternatives import introspection_of, measure, redis_checks  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        role, url = issuer_role(folder)
        stack.enter_context(role)
        client = await serving(url)
        stack.push_async_callback(client.aclose)
        tokens = [(await client.post("/start")).json()["token"] for _ in range(100)]
        verifier = Verifier.from_issuer(f"{url}/auth", audience=AUDIENCE)
        await stack.enter_async_context(verifier.lifespan())
        asked = cycle(tokens)

        async def own() -> None:
            require(verifier.verify(next(asked)).subject)

        checks: dict[str, Callable[[], Awaitable[None]]] = {"Sealring: Verifier.from_issuer": own}
        if shutil.which("redis-server"):
            checks |= await stack.enter_async_context(redis_checks())
        else:
            report.leave_out("Redis: redis-server is missing (apt-get install redis-server)")
        checks |= await stack.enter_async_context(introspection_of(url, tokens))
        await measure(report, checks, ROUNDS, name="feed")

        spent = []
        for _ in range(ROUNDS):
            began = time.process_time()
            for token in tokens * 100:
                verifier.verify(token)
            spent.append((time.process_time() - began) / (100 * len(tokens)) * 1e6)
        show(report, Table.of("feed-cached", "a token that was seen before", "µs", {"verify": spent}, compared=False))


async def force(report: Report, folder: Path) -> None:
    """From the acknowledgement to the first refusal, by one verifier that is asked without a pause."""
    with ExitStack() as stack:
        role, url = issuer_role(folder)
        stack.enter_context(role)
        client = await serving(url)
        relay, (relay_url,) = relay_role(folder, url)
        stack.enter_context(relay)
        await (await serving(relay_url)).aclose()
        rounds = {}
        for name, feed_url in {"directly": url, "through one relay": relay_url}.items():
            verifier = Verifier.from_issuer(f"{url}/auth", audience=AUDIENCE, feed_url=f"{feed_url}/auth")
            async with verifier.lifespan():
                rounds[name] = [await refused_after(client, verifier) for _ in range(SAMPLES)]
        await client.aclose()
    show(report, Table.of("feed-force", "revocation to refusal", "ms", rounds, compared=False))
    for name, waits in rounds.items():
        print(f"  {name}: p99 {percentile(waits, 99):.1f} ms, longest {max(waits):.1f} ms")
    tails = {name: [percentile(waits, 99)] for name, waits in rounds.items()}
    report.add(Table.of("feed-force-p99", "revocation to refusal, p99", "ms", tails, compared=False))


async def refused_after(client: httpx2.AsyncClient, verifier: Verifier) -> float:
    started = (await client.post("/start")).json()
    require(verifier.verify(started["token"]).subject)
    # at any moment between two polls
    await asyncio.sleep(0.2 + int.from_bytes(os.urandom(1), "big") / 256)
    revoking = asyncio.create_task(client.post(f"/revoke/{started['sid']}"))
    deadline = time.monotonic() + GIVEN_UP_SECONDS
    while time.monotonic() < deadline:
        now = time.monotonic()
        try:
            verifier.verify(started["token"])
        except Revoked:
            acknowledged: float = (await revoking).json()["at"]
            return max(0.0, now - acknowledged) * 1000
        await asyncio.sleep(0.0005)
    raise SystemExit("a revoked token was not refused")


async def load(report: Report, folder: Path) -> None:
    """A start with very many revocations: how long, and what requests would notice."""
    with ExitStack() as stack:
        role, url = issuer_role(folder, entries=ENTRIES)
        stack.enter_context(role)
        client = await serving(url)
        token = (await client.post("/start")).json()["token"]
        await client.get("/auth/feed", timeout=GIVEN_UP_SECONDS)  # the issuer makes its segments for the first who asks
        verifier = Verifier.from_issuer(f"{url}/auth", audience=AUDIENCE)
        stalls: list[float] = []
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        watch = asyncio.create_task(stalled(stalls))
        began = time.perf_counter()
        async with verifier.lifespan():
            while not verifier.node.is_fresh:  # noqa: ASYNC110 - of a task beside us
                await asyncio.sleep(0.001)
            took = time.perf_counter() - began
            watch.cancel()
            require(len(verifier.node.revocations) == ENTRIES and verifier.verify(token))
        await client.aclose()
    found = {
        "until it verifies, s": took,
        "longest turn of its event loop, ms of CPU": max(stalls),
        f"turns of more than {STALL_MS} ms": sum(stall > STALL_MS for stall in stalls),
        "peak memory, MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024,
    }
    show_one(report, "feed-load", f"a verifier that starts with {ENTRIES:,} revocations", found)


async def stalled(stalls: list[float]) -> None:
    """How many ms of CPU each turn of the event loop took, which a request would have waited for."""
    while True:
        began = time.thread_time()
        await asyncio.sleep(0)
        stalls.append((time.thread_time() - began) * 1000)


async def cost(report: Report, folder: Path) -> None:
    """What verifiers that follow directly cost their issuer."""
    with ExitStack() as stack:
        role, url = issuer_role(folder)
        stack.enter_context(role)
        client = await serving(url)
        before = await without_verifiers(role, client)
        verifiers = started(stack, verifier_roles(folder, url, [url], VERIFIERS))
        found = await fan_out(role, client, verifiers) | {"the same without verifiers, %": before * 100}
        await client.aclose()
    show_one(report, "feed-cost", f"{VERIFIERS:,} verifiers that follow one issuer directly", found)


async def relays(report: Report, folder: Path) -> None:
    """The same behind relays."""
    with ExitStack() as stack:
        role, url = issuer_role(folder)
        stack.enter_context(role)
        client = await serving(url)
        relay, urls = relay_role(folder, url, RELAYS)
        stack.enter_context(relay)
        for relay_url in urls:
            await (await serving(relay_url)).aclose()
        verifiers = started(stack, verifier_roles(folder, url, urls, VERIFIERS))
        found = await fan_out(role, client, verifiers, a_second=BEHIND_RELAYS_A_SECOND)
        await client.aclose()
    show_one(report, "feed-relays", f"{VERIFIERS:,} verifiers behind {RELAYS} relays", found)


def started(stack: ExitStack, roles: Sequence[Role]) -> list[Role]:
    for role in roles:
        stack.enter_context(role)
    for role in roles:
        role.hear()
    return list(roles)


async def without_verifiers(role: Role, client: httpx2.AsyncClient) -> float:
    """Share of a core that the same revocations cost an issuer whom nobody follows."""
    return (await revoke(role, client, REVOCATIONS_A_SECOND))[1]


async def revoke(role: Role, client: httpx2.AsyncClient, a_second: int) -> tuple[dict[str, float], float]:
    """Revoke at the rate of the benchmark; when each was acknowledged, and the issuer's share of a core."""
    ids = [(await client.post("/start")).json()["sid"] for _ in range(int(SECONDS * a_second))]
    acknowledged = {}
    cpu, began = role.cpu_seconds, time.monotonic()
    for number, sid in enumerate(ids):
        await asyncio.sleep(max(0.0, began + number / a_second - time.monotonic()))
        acknowledged[sid] = (await client.post(f"/revoke/{sid}")).json()["at"]
    return acknowledged, (role.cpu_seconds - cpu) / (time.monotonic() - began)


async def fan_out(
    role: Role, client: httpx2.AsyncClient, verifiers: Sequence[Role], *, a_second: int = REVOCATIONS_A_SECOND
) -> dict[str, float]:
    cpu, began, asked = role.cpu_seconds, time.monotonic(), await count(client)
    await asyncio.sleep(SECONDS)
    idle = (role.cpu_seconds - cpu) / (time.monotonic() - began)
    idle_asked = {name: (now - asked[name]) / SECONDS for name, now in (await count(client)).items()}
    for one in verifiers:
        one.ask()
    asked = await count(client)
    acknowledged, share = await revoke(role, client, a_second)
    asked = {name: (now - asked[name]) / SECONDS for name, now in (await count(client)).items()}
    await asyncio.sleep(3)
    answers = [one.ask() for one in verifiers]
    waits, lasts, late = [], [], 0
    for sid, at in acknowledged.items():
        arrived = [moment for answer in answers for moment in answer["arrived"].get(sid, ())]
        late += VERIFIERS - len(arrived)
        waits += [max(0.0, moment - at) * 1000 for moment in arrived]
        lasts.append(max(0.0, max(arrived) - at) * 1000)
    what = f"{a_second} revocation{'s' * (a_second > 1)} a second"
    return {
        "issuer, nothing revoked: share of a core, %": idle * 100,
        "issuer, nothing revoked: requests a second": idle_asked["requests"],
        "issuer, nothing revoked: KB a second": idle_asked["bytes"] / 1000,
        f"issuer, {what}: share of a core, %": share * 100,
        f"issuer, {what}: requests a second": asked["requests"],
        f"issuer, {what}: KB a second": asked["bytes"] / 1000,
        "revocation to one verifier, p50, ms": percentile(waits, 50),
        "revocation to one verifier, p99, ms": percentile(waits, 99),
        "revocation to the last of them, p50, ms": percentile(lasts, 50),
        "revocation to the last of them, longest, ms": max(lasts),
        "not there 3 s after the last, of all, %": late / (VERIFIERS * len(acknowledged)) * 100,
        "verifiers out of date at the end": sum(answer["stale"] for answer in answers),
    }


async def count(client: httpx2.AsyncClient) -> dict[str, float]:
    found: dict[str, float] = (await client.get("/count")).json()
    return found


async def restart(report: Report, folder: Path) -> None:
    """Very many that start at the same moment."""
    with ExitStack() as stack:
        role, url = issuer_role(folder, entries=1_000)
        stack.enter_context(role)
        client = await serving(url)
        asked = await count(client)
        roles = verifier_roles(folder, url, [url], RESTARTING, staleness=RESTARTING_STALENESS)
        for one in roles:
            stack.enter_context(one)
        took = max(one.hear()["fresh_after"] for one in roles)
        asked = {name: now - asked[name] for name, now in (await count(client)).items()}
        await client.aclose()
    found = {
        "until the last of them verifies, s": took,
        "requests to the issuer": asked["requests"],
        "MB from the issuer": asked["bytes"] / 1e6,
    }
    title = f"{RESTARTING:,} verifiers that start at the same moment, 1,000 revocations"
    show_one(report, "feed-restart", title, found)


def percentile(values: Sequence[float], which: int) -> float:
    return quantiles(values, n=100, method="inclusive")[which - 1] if len(values) > 1 else values[0]


def show(report: Report, table: Table) -> None:
    report.add(table)
    print(f"\n{table.title}, {table.unit}")
    for row in table.rows:
        print(f"  {row.name:60} {row.values.median:12,.2f}  ({row.values.p10:,.2f} to {row.values.p90:,.2f})")


def show_one(report: Report, name: str, title: str, found: dict[str, float]) -> None:
    show(report, Table.of(name, title, "see row", {row: [value] for row, value in found.items()}, compared=False))


PARTS: dict[str, Callable[[Report, Path], Any]] = {
    "check": check, "force": force, "load": load, "cost": cost, "relays": relays, "restart": restart,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="|".join(PARTS))
    add_json_option(parser)
    arguments = parser.parse_args()
    report = Report(arguments.json)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="sealring-bench-") as folder:
            asyncio.run(PARTS[name](report, Path(folder)))


if __name__ == "__main__":
    main()
