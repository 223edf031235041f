"""What a refresh costs: `scripts/bench sessions`; then the store's rows and the revocation view (`store`, `view`).

CPU of one whole refresh (MAC, row, decision, swap, two tokens) against one bare ES256 signature, in turns; the CPU of
all threads and of the kernel counts. Target: at most 4 times. Over the memory store it is the refresh itself; over
SQLite the hand-over to its thread and the commit on disk come on top, which callers at the same time share.
"""

from __future__ import annotations

import asyncio
import runpy
import statistics
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from sealring import Sealring
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store

ROUNDS = 15
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


async def measure(url: str, store: Store | None, callers: int) -> list[tuple[float, float]]:
    auth = Sealring(secret="kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only", database_url=url, store=store)
    async with auth.lifespan():
        tokens = [(await auth.start_session(str(number))).refresh_token for number in range(callers)]
        await refresh_seconds(auth, tokens)
        return [(await refresh_seconds(auth, tokens), signature_seconds()) for _ in range(ROUNDS)]


def report(name: str, rounds: list[tuple[float, float]]) -> None:
    ratios = sorted(refresh / signature for refresh, signature in rounds)
    refresh, signature = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    print(
        f"{name}: refresh {refresh:.0f} µs CPU, ES256 signature {signature:.0f} µs CPU,"
        f" ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f}), target <= 4"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        report("memory", asyncio.run(measure(url, MemoryStore(), 1)))
        report("SQLite, 1 caller", asyncio.run(measure(url, None, 1)))
        report("SQLite, 32 callers", asyncio.run(measure(url, None, 32)))
    sys.argv[1:] = []
    for name in ("store", "view"):
        runpy.run_path(str(Path(__file__).with_name(f"{name}.py")), run_name="__main__")


if __name__ == "__main__":
    main()
