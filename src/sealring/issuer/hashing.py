"""Password hashes: Argon2id (RFC 9106), in threads that give way to everything else (design D12, I14).

Memory is bounded by a budget, not by hope: as many threads as fit into it, at most as many as there are cores; one
hash of a larger, older profile at a time. Who waits is bounded too; past that, `Overloaded`. Threads run at
the lowest priority, so that a flood of log-ins takes only the time that verification leaves. Every
verification costs the same whether or not there is anything to verify against (U2). A stored hash is
text from a database: its costs are checked before it may spend them (U15).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import threading
from binascii import a2b_base64, b2a_base64
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_bytes
from typing import TypeVar, TypeVarTuple

from argon2.low_level import Type, hash_secret, hash_secret_raw

from sealring.errors import Overloaded

log = logging.getLogger(__name__)

SALT_BYTES = 16
"""RFC 9106 §3.1; NIST asks for 4."""
HASH_BYTES = 32
MIN_MEMORY_KIB = 8
LOWEST_PRIORITY = 19
MIB = 1024
"""In KiB, the unit of every Argon2 memory cost."""

MAX_STORED_MEMORY_KIB = 64 * MIB
"""Of a stored hash: RFC 9106's second recommended profile and argon2-cffi's default, so imports of those work."""
MAX_STORED_WORK_KIB = 4 * MAX_STORED_MEMORY_KIB
"""Memory times passes of a stored hash: about a quarter of a second."""
MAX_STORED_LANES = 4

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

_PHC = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,7}),t=([1-9][0-9]{0,3}),p=([1-9][0-9]?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})",
    re.ASCII,
)
"""Argon2id, version 19, nothing else; salt of 8 to 64 bytes, hash of 16 to 64."""


@dataclass(frozen=True, slots=True)
class Argon2Profile:
    """The cost of one hash: KiB of memory, passes over it, lanes."""

    memory_kib: int
    passes: int
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.lanes < 1 or self.passes < 1 or self.memory_kib < MIN_MEMORY_KIB * self.lanes:
            raise ValueError("argon2 needs a lane, a pass and 8 KiB a lane at least (RFC 9106 §3.1)")
        if not self.bounded:
            raise ValueError("these costs are above what a stored hash may have")

    @property
    def bounded(self) -> bool:
        """Whether a stored hash may cost that much."""
        return (
            self.memory_kib <= MAX_STORED_MEMORY_KIB
            and self.memory_kib * self.passes <= MAX_STORED_WORK_KIB
            and self.lanes <= MAX_STORED_LANES
        )


OWASP_2024 = Argon2Profile(memory_kib=19 * MIB, passes=2)
"""OWASP Password Storage Cheat Sheet, first choice; ASVS 5.0 appendix C. Measured: 20 ms of one core."""


@dataclass(frozen=True, slots=True)
class StoredHash:
    """A PHC string, taken apart and found bounded."""

    profile: Argon2Profile
    salt: bytes
    digest: bytes


def read_phc(text: str) -> StoredHash | None:
    """Take a stored hash apart; None for whatever we would not have written or could not afford to check.

    The text must be what its parts print back to, so that no two texts mean one hash.
    """
    shape = _PHC.fullmatch(text)
    if shape is None:
        return None
    try:
        profile = Argon2Profile(int(shape[1]), int(shape[2]), int(shape[3]))
        salt, digest = _from_base64(shape[4]), _from_base64(shape[5])
    except ValueError:
        return None
    return StoredHash(profile, salt, digest)


def _from_base64(text: str) -> bytes:
    raw = a2b_base64(text + "=" * (-len(text) % 4))
    if b2a_base64(raw, newline=False).rstrip(b"=") != text.encode():
        raise ValueError("base64 has bits left over")
    return raw


class HashingSlot:
    """A place in the hasher, held by one log-in: hashes made here wait for nobody else."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher

    async def hash(self, password: str) -> str:
        """The PHC string of a password in its normal form, under the current profile and a fresh salt."""
        return await self._hasher.run(self._hasher.hash_now, password)

    async def verify(self, phc: str | None, password: str | None) -> bool:
        """Whether this is the password of that hash.

        Args:
            phc: the stored hash; None when there is none to verify against.
            password: its normal form; None when it is no possible password.

        Either None costs one hash all the same and is never a match; so does a stored hash that is not ours.
        """
        return await self._hasher.run(self._hasher.verify_now, phc, password)


class PasswordHasher:
    """A bounded pool that hashes passwords off the event loop.

    Args:
        memory_budget_bytes: what all hashing may take at once, in this process.
        profile: cost of new hashes.
        threads: at most this many; by default as many as cores this process may use.
        max_waiting: log-ins that may wait for a place; those beyond get `Overloaded`.

    Raises:
        ValueError: the budget does not hold one hash of the largest profile that a stored hash may have.
    """

    def __init__(
        self,
        *,
        memory_budget_bytes: int = 256 * MIB * 1024,
        profile: Argon2Profile = OWASP_2024,
        threads: int | None = None,
        max_waiting: int = 64,
    ) -> None:
        # one hash at a time may be of a larger, older profile: the budget holds room for it
        larger_kib = MAX_STORED_MEMORY_KIB - profile.memory_kib
        fitting = (memory_budget_bytes // 1024 - larger_kib) // profile.memory_kib
        if fitting < 1:
            raise ValueError(f"the memory budget must be {MAX_STORED_MEMORY_KIB // MIB} MiB at least")
        self.profile = profile
        self.threads = max(1, min(fitting, threads or _cores()))
        self.places = 2 * self.threads
        """Log-ins under way at once: while one asks the store, another hashes."""
        self.max_waiting = max_waiting
        self.waiting = 0
        """Log-ins that wait for a place now."""
        self.computed = 0
        """Hashes made and verified so far; both are for metrics."""
        self._places = asyncio.Semaphore(self.places)
        self._shares: dict[str, _Share] = {}
        self._pool = ThreadPoolExecutor(self.threads, "sealring-argon2", initializer=_give_way)
        self._counting = threading.Lock()
        self._larger = threading.Lock()
        # what nobody's password hashes to: random, not the hash of anything, so that nothing ever matches it
        self._absent = StoredHash(profile, token_bytes(SALT_BYTES), token_bytes(HASH_BYTES))

    @asynccontextmanager
    async def slot(self, *, share: str = "", share_width: int = 0) -> AsyncIterator[HashingSlot]:
        """Wait for a place, first come, first served.

        Whoever counts attempts counts them here, after the wait and before the hash: then few attempts of one account
        are counted and undecided at once, whatever the length of the queue (U9), and valid log-ins that come all at
        once do not fill their own lane (U12).

        Args:
            share: what must not take all places: an account.
            share_width: places that it may hold at once; 0 for no limit.

        Raises:
            Overloaded: too many wait already.
        """
        shared = self._shares.get(share)
        must_wait = self._places.locked() or (shared is not None and shared.places.locked())
        if must_wait and self.waiting >= self.max_waiting:
            raise Overloaded("too many log-ins wait to be hashed", retry_after=2)
        async with AsyncExitStack() as held:
            self.waiting += 1
            try:
                if share_width:
                    await held.enter_async_context(self._share(share, share_width))
                await held.enter_async_context(self._places)
            finally:
                self.waiting -= 1
            yield HashingSlot(self)

    def needs_rehash(self, phc: str) -> bool:
        """Whether a log-in that has just proved this hash should replace it by one of the current profile."""
        stored = read_phc(phc)
        return stored is None or stored.profile != self.profile or len(stored.digest) != HASH_BYTES

    def hash_now(self, password: str) -> str:
        """Hash in the calling thread: for slots, and for commands that have no event loop to spare."""
        self._count()
        profile = self.profile
        return hash_secret(
            password.encode(),
            token_bytes(SALT_BYTES),
            time_cost=profile.passes,
            memory_cost=profile.memory_kib,
            parallelism=profile.lanes,
            hash_len=HASH_BYTES,
            type=Type.ID,
        ).decode()

    def verify_now(self, phc: str | None, password: str | None) -> bool:
        """Verify in the calling thread; see `HashingSlot.verify`."""
        self._count()
        stored = read_phc(phc) if phc is not None else None
        if phc is not None and stored is None:
            log.error("a stored password hash is not bounded argon2id: it never matches")
        against = stored or self._absent
        with self._larger if against.profile.memory_kib > self.profile.memory_kib else nullcontext():
            digest = _argon2id(password or "", against.profile, against.salt, len(against.digest))
        if (rest := _missing_cost(against.profile, self.profile)) is not None:
            _argon2id("", rest, against.salt, HASH_BYTES)
        return compare_digest(digest, against.digest) and stored is not None and password is not None

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do work in a hashing thread; for slots."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @asynccontextmanager
    async def _share(self, name: str, width: int) -> AsyncIterator[None]:
        share = self._shares.setdefault(name, _Share(asyncio.Semaphore(width)))
        share.users += 1
        try:
            async with share.places:
                yield
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[name]

    def _count(self) -> None:
        with self._counting:
            self.computed += 1


@dataclass(slots=True)
class _Share:
    places: asyncio.Semaphore
    users: int = 0


def _argon2id(password: str, profile: Argon2Profile, salt: bytes, length: int) -> bytes:
    return hash_secret_raw(
        password.encode(),
        salt,
        time_cost=profile.passes,
        memory_cost=profile.memory_kib,
        parallelism=profile.lanes,
        hash_len=length,
        type=Type.ID,
    )


def _missing_cost(stored: Argon2Profile, current: Argon2Profile) -> Argon2Profile | None:
    """What an older, cheaper hash leaves out of the current cost, as a profile of its own; None when it is nothing.

    Without it the accounts that nobody used since the cost was raised would answer sooner than names that do not exist.
    Work is memory times passes, so the two are equal within some per cent; what remains is for whoever answers to hide.
    A hash *costlier* than the current one stands out until its next log-in: making everybody pay for it would be the
    worse attack.
    """
    missing_kib = current.memory_kib * current.passes - stored.memory_kib * stored.passes
    memory_kib = missing_kib // current.passes
    return Argon2Profile(memory_kib, current.passes) if memory_kib >= MIN_MEMORY_KIB else None


def _cores() -> int:
    """Cores that this process may use: a container's share, where the system says so."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _give_way() -> None:
    """Lower this thread's priority as far as it goes.

    Linux gives each thread a priority of its own (setpriority(2), "C library/kernel differences"); elsewhere it would
    be the whole process's, so there it is left alone.
    """
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        except OSError:
            log.warning("this system does not let hashing threads give way: log-ins compete with verification")
