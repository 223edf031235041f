"""What a refresh costs: `scripts/bench sessions`; then the store's rows and the revocation view (`store`, `view`).

CPU of one whole refresh (MAC, row, decision, swap, two tokens) against one bare ES256 signature, in turns; the CPU of
all threads counts, SQLite's too. Target: at most 4 times.
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

ROUNDS = 15
REFRESHES = 100
SIGNATURES = 500


def signature_seconds() -> float:
    key, algorithm = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256())
    began = time.process_time()
    for number in range(SIGNATURES):
        key.sign(b"%d" % number, algorithm)
    return (time.process_time() - began) / SIGNATURES


async def refresh_seconds(auth: Sealring, token: str) -> tuple[float, str]:
    began = time.process_time()
    for _ in range(REFRESHES):
        token = (await auth.refresh_session(token)).refresh_token
    return (time.process_time() - began) / REFRESHES, token


async def measure() -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        auth = Sealring(secret="kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only", database_url=url)
        async with auth.lifespan():
            token = (await auth.start_session("42", scopes=["orders:read"])).refresh_token
            _, token = await refresh_seconds(auth, token)
            rounds = []
            for _ in range(ROUNDS):
                seconds, token = await refresh_seconds(auth, token)
                rounds.append((seconds, signature_seconds()))
            return rounds


def main() -> None:
    rounds = asyncio.run(measure())
    ratios = [refresh / signature for refresh, signature in rounds]
    refresh, signature = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    print(f"refresh {refresh:.0f} us CPU, ES256 signature {signature:.0f} us CPU")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f}), target <= 4")
    sys.argv[1:] = []
    for name in ("store", "view"):
        runpy.run_path(str(Path(__file__).with_name(f"{name}.py")), run_name="__main__")


if __name__ == "__main__":
    main()
