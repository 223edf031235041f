"""Log-ins: how near to the bare Argon2 rate, and how little a flood of them costs verification (I14).

Everything is a ratio of two rates measured in turns within this run. `scripts/bench login [seconds]`; without a number
1.5 seconds for each rate.

The flood arrives on the very event loop that verifies, so what makes it takes time from verification too: 2 to 3 % on
the machine where this was written, which no server pays for its clients. Verification under the flood is therefore
compared to verification under as many arrivals that ask for nothing; against none at all is printed beside it.
Whether a machine has a core to spare for hashing shows here: on a busy one hashes give way, and few are made.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from secrets import token_bytes

from argon2.low_level import Type, hash_secret_raw

from bench.report import Report, Table, add_json_option
from sealring import jwt
from sealring.accounts.argon2id import OWASP_2024
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import AuthenticationPolicy
from sealring.errors import SealringError
from sealring.issuer.accounts import AccountPolicy, Accounts
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import PasswordHasher
from sealring.issuer.methods.password import PasswordMethod
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.rate_limits.rate import RateLimit
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from sealring.verifier.clock import SystemClock
from sealring.verifier.node_state import NodeState

PASSWORD = "correct horse fine staple"
ACCOUNTS = 50
CLIENTS = 24
ROUNDS = 9
FLOOD_ROUNDS = 15
FLOOD = 10
"""Times the log-ins that the machine can hash."""
KEPT = 0.95
"""Of the verifications, in a flood (I14)."""
HERE = ClientInfo("192.0.2.1")
NO_LIMIT = RateLimit(1_000_000, 1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def accounts_over(store: Store) -> AsyncIterator[Callable[[str, str], Awaitable[object]]]:
    """Fifty accounts, and no throttle: the question is what hashing costs."""
    await store.open()
    node = NodeState(SystemClock(5), max_staleness=5)
    committing = CommittingStore(store, node)
    hasher = PasswordHasher()
    accounts = Accounts(
        committing,
        hasher,
        clock=now_ms,
        devices=DeviceCookies([token_bytes(32)]),
        policy=AccountPolicy(account_rate=NO_LIMIT, address_rate=NO_LIMIT),
        check_scopes=lambda _: None,
    )
    for number in range(ACCOUNTS):
        await accounts.register(f"user{number}", PASSWORD, None, HERE)
    password_method = PasswordMethod(committing, hasher, clock=now_ms)
    authenticator = Authenticator(
        store=committing,
        accounts=accounts,
        policy=AuthenticationPolicy(methods=(password_method.row,)),
        methods=(password_method,),
        clock=now_ms,
    )

    async def prove(username: str, password: str) -> object:
        response = {"username": username, "password": password}
        return await authenticator.prove(None, password_method, response, HERE)

    yield prove
    await accounts.close()
    await store.close()


async def rate_of(work: Callable[[int], Awaitable[object]], seconds: float) -> float:
    """Calls per second by a fixed number of clients, each at its next call when its last is done."""
    done = 0
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await work(number)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return done / (time.perf_counter() - began)


def bare_hash() -> bytes:
    profile = OWASP_2024
    return hash_secret_raw(
        PASSWORD.encode(), token_bytes(16), profile.passes, profile.memory_kib, profile.parallelism, 32, Type.ID
    )


async def log_ins_against_bare_hashes(report: Report, name: str, store: Store, seconds: float) -> None:
    async with accounts_over(store) as log_in:
        threads = PasswordHasher()  # of the same number and priority
        ratios, log_in_rates, bare_rates = [], [], []
        for _ in range(ROUNDS):
            bare = await rate_of(lambda _: threads.run(bare_hash), seconds)
            log_ins = await rate_of(
                lambda number: log_in(f"user{number % ACCOUNTS}", PASSWORD),
                seconds,
            )
            ratios.append(log_ins / bare)
            log_in_rates.append(log_ins)
            bare_rates.append(bare)
        threads.close()
    print(f"log-ins/s, {name}: {statistics.median(log_in_rates):.1f}")
    print(f"log-ins/s, {name}, against bare Argon2id on {threads.threads} threads: {statistics.median(ratios):.3f}")
    rates = {f"floor: bare Argon2id, {threads.threads} threads": bare_rates, "Sealring": log_in_rates}
    key = name.rpartition(" ")[2].lower()
    report.add(Table.of(f"login-{key}", f"logins, {name}", "a second", rates, less_is_better=False))


async def verifications(verify: Callable[[], object], seconds: float) -> float:
    """Verifications per second on the event loop, which may turn to others after each."""
    done = 0
    began = time.perf_counter()
    end = began + seconds
    while time.perf_counter() < end:
        verify()
        done += 1
        await asyncio.sleep(0)
    return done / (time.perf_counter() - began)


@asynccontextmanager
async def arrivals(rate: float, one: Callable[[int], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Calls that arrive at that rate, whatever becomes of those before them."""
    tasks: set[asyncio.Task[None]] = set()

    async def arrive() -> None:
        began, number = time.perf_counter(), 0
        while True:
            while number < (time.perf_counter() - began) * rate:
                task = asyncio.create_task(one(number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                number += 1
            await asyncio.sleep(0.002)

    arriving = asyncio.create_task(arrive())
    yield
    arriving.cancel()
    await asyncio.gather(arriving, *tasks, return_exceptions=True)


async def nothing(_: int) -> None:
    """What it costs that something arrives."""


async def verification_under_flood(report: Report, name: str, store: Store, seconds: float) -> None:
    key = jwt.Key.generate("ES256")
    token = jwt.sign({"sub": "42"}, key, issuer="https://auth.example.com", expires_in="30m")
    verifier = jwt.Verifier(key.public(), issuer="https://auth.example.com", cache_size=0)
    async with accounts_over(store) as prove:
        threads = PasswordHasher()
        hashes = await rate_of(lambda _: threads.run(bare_hash), seconds)
        threads.close()
        outcomes: Counter[str] = Counter()

        names = count()

        async def log_in(_: int) -> None:
            try:  # a name that comes again is refused unhashed: failures in a row have fixed limits
                await prove(f"user{next(names)}", "wrong wrong wrong wrong")
            except SealringError as refused:
                outcomes[type(refused).__name__] += 1

        rates: dict[str, list[float]] = {"alone": [], "arrivals": [], "flood": []}
        for _ in range(FLOOD_ROUNDS):
            rates["alone"].append(await verifications(lambda: verifier.verify(token), seconds))
            async with arrivals(FLOOD * hashes, nothing):
                rates["arrivals"].append(await verifications(lambda: verifier.verify(token), seconds))
            async with arrivals(FLOOD * hashes, log_in):
                rates["flood"].append(await verifications(lambda: verifier.verify(token), seconds))
    print(f"ES256 verifications/s alone: {statistics.median(rates['alone']):.0f}")
    print(f"verification under {FLOOD} x {hashes:.0f} log-ins/s")
    for what, than in (("arrivals", "against as many arrivals that ask for nothing"), ("alone", "against none")):
        ratios = [flooded / other for flooded, other in zip(rates["flood"], rates[what], strict=True)]
        print(f"  {than}: {statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"what became of the log-ins: {dict(outcomes)}")
    labels = {
        "arrivals": "under as many arrivals that ask for nothing",
        "flood": f"under {FLOOD} times the logins that the machine can hash",
        "alone": "alone",
    }
    report.add(
        Table.of(
            f"login-flood-{name.rpartition(' ')[2].lower()}",
            f"ES256 verifications in a login flood, {name}",
            "a second",
            {label: rates[what] for what, label in labels.items()},
            targets={labels["flood"]: KEPT},
            less_is_better=False,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=1.5)
    add_json_option(parser)
    arguments = parser.parse_args()
    report, seconds = Report(arguments.json), arguments.seconds
    asyncio.run(log_ins_against_bare_hashes(report, "in memory", MemoryStore(), seconds))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(log_ins_against_bare_hashes(report, "SQLite", SqliteStore(Path(folder) / "a.db"), seconds))
    asyncio.run(verification_under_flood(report, "in memory", MemoryStore(), seconds))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(verification_under_flood(report, "SQLite", SqliteStore(Path(folder) / "b.db"), seconds))
    print(f"peak resident: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
