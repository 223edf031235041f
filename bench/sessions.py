"""What a refresh costs: `scripts/bench sessions`; `scripts/bench store` has what a store can write.

CPU of one whole refresh (MAC, row, decision, swap, two tokens) against one bare ES256 signature, in turns; the CPU of
all threads and of the kernel counts. Target: at most 4 times. Over the memory store it is the refresh itself; over
SQLite the hand-over to its thread and the commit on disk come on top, which callers at the same time share.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import statistics
import tempfile
import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bench.report import Report, Table, add_json_option
from sealring import Sealring
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from tests.store.postgres_cluster import own_cluster

TARGETS = {"memory": {"Sealring: a whole refresh": 4.0}}
REFRESHES = 320
SIGNATURES = 500


def signature_seconds() -> float:
    key, algorithm = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256())
    began = time.process_time()
    for number in range(SIGNATURES):
        key.sign(b"%d" % number, algorithm)
    return (time.process_time() - began) / SIGNATURES


async def refresh_seconds(auth: Sealring, tokens: list[str]) -> float:
    """CPU seconds of a refresh, with all of these sessions at the same time; `tokens` become the next ones."""

    async def refresh(place: int) -> None:
        for _ in range(REFRESHES // len(tokens)):
            tokens[place] = (await auth.refresh_session(tokens[place])).refresh_token

    began = time.process_time()
    await asyncio.gather(*map(refresh, range(len(tokens))))
    return (time.process_time() - began) / REFRESHES


async def measure(url: str, store: Store | None, callers: int, count: int) -> list[tuple[float, float]]:
    auth = Sealring(secret="kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only", database_url=url, store=store)
    async with auth.lifespan():
        tokens = [(await auth.start_session(str(number))).refresh_token for number in range(callers)]
        await refresh_seconds(auth, tokens)
        return [(await refresh_seconds(auth, tokens), signature_seconds()) for _ in range(count)]


def show(report: Report, name: str, rounds: list[tuple[float, float]]) -> None:
    ratios = sorted(refresh / signature for refresh, signature in rounds)
    refresh, signature = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    print(
        f"{name}: refresh {refresh:.0f} µs CPU, ES256 signature {signature:.0f} µs CPU,"
        f" ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f}), target <= 4"
    )
    refreshes, signatures = ([one * 1e6 for one in column] for column in zip(*rounds, strict=True))
    values = {"floor: a bare ES256 signature": signatures, "Sealring: a whole refresh": refreshes}
    key = name.lower().replace(", ", "-").replace(" ", "-")
    report.add(Table.of(f"refresh-{key}", name, "µs CPU", values, targets=TARGETS.get(name)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    add_json_option(parser)
    arguments = parser.parse_args()
    report, rounds = Report(arguments.json), arguments.rounds
    with tempfile.TemporaryDirectory() as folder, own_cluster(()) as cluster:
        url = f"sqlite:///{folder}/bench.db"
        show(report, "memory", asyncio.run(measure(url, MemoryStore(), 1, rounds)))
        for callers in (1, 32):
            name = f"{callers} caller{'s' * (callers > 1)}"
            show(report, f"SQLite, {name}", asyncio.run(measure(url, None, callers, rounds)))
            dsn = cluster.create_database()
            show(report, f"PostgreSQL, {name}", asyncio.run(measure(dsn, None, callers, rounds)))


if __name__ == "__main__":
    main()
