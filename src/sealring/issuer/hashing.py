"""Password hashes: Argon2id (RFC 9106), in threads that give way to everything else (design D12, I14).

Memory is bounded by a budget, not by hope: as many threads as fit into it, at most as many as there are cores; one
hash of a larger, older profile, or of another scheme, at a time. Who waits is bounded too; past that, `Overloaded`.
While anybody waits, hashes run at the lowest priority, and while the event loop is busy one of the cores is left to it:
a flood of logins takes little more than the time that verification leaves (`scripts/bench login` says how much), while
a login that comes alone is not starved by a busy machine. Every verification costs the same whether or not there is
anything to verify against (U2).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from hmac import compare_digest
from secrets import token_bytes
from typing import TypeVar, TypeVarTuple

from sealring.accounts.argon2id import (
    HASH_BYTES,
    MAX_STORED_MEMORY_KIB,
    MIB,
    OWASP_2024,
    SALT_BYTES,
    Argon2Profile,
    StoredHash,
    argon2id,
    missing_cost,
    read_phc,
    write_phc,
)
from sealring.accounts.foreign_hash import ForeignHash, read_foreign
from sealring.forks import watch_forks
from sealring.issuer.hashing_queue import HashingQueue
from sealring.issuer.thread_priority import (
    ALONE_PRIORITY,
    LOWEST_PRIORITY,
    LoopLoad,
    lower_priority,
    usable_cores,
)

log = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class HashingSlot:
    """A place in the hasher, held by one login. Hashes made here do not wait for a place again."""

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
        max_waiting: logins that may wait for a place; those beyond get `Overloaded`.

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
        self.threads = max(1, min(fitting, threads or usable_cores()))
        self.places = 2 * self.threads
        """Logins under way at once: while one asks the store, another hashes."""
        self._max_waiting = max_waiting
        # what nobody's password hashes to: random, not the hash of anything, so that nothing ever matches it
        self._absent = StoredHash(profile, token_bytes(SALT_BYTES), token_bytes(HASH_BYTES))
        self.forked()
        watch_forks(self)

    def forked(self) -> None:
        """Begin with nobody waiting and no thread: a child has none of its parent's, and any lock may be held."""
        self.queue = HashingQueue(self.places, self._max_waiting)
        self.running = 0
        """Hashes under way now, or next."""
        self._larger = threading.Lock()
        self.open()

    def open(self) -> None:
        """Be ready for hashes in the running event loop, after `close` or after a loop that has ended."""
        self._threads = asyncio.Semaphore(self.threads)  # these belong to the loop in which somebody first waits
        self._beside_the_loop = asyncio.Semaphore(max(1, self.threads - 1))
        self._loop = LoopLoad()
        # a thread that has given way cannot be raised again without privilege, so there are two pools
        self._alone = ThreadPoolExecutor(1, "argon2", lower_priority, (ALONE_PRIORITY,))
        self._giving_way = ThreadPoolExecutor(self.threads, "argon2-flood", lower_priority, (LOWEST_PRIORITY,))

    @property
    def waiting(self) -> int:
        """Logins that wait for a place now."""
        return self.queue.waiting

    @asynccontextmanager
    async def slot(self, *, network: str = "", share: str = "", share_width: int = 0) -> AsyncIterator[HashingSlot]:
        """Wait for a place, network by network in turn.

        Attempts are counted here, after the wait and before the hash. Then few attempts of one account are counted and
        undecided at once, however long the queue is (U9), and valid logins that come all at once do not fill their own
        bucket while they wait (U12).

        Args:
            network: where the login comes from, as `network_of` has it; places are shared fairly by it (N7).
            share: what must not take all places: an account.
            share_width: places that it may hold at once; 0 for no limit.

        Raises:
            Overloaded: too many wait already.
        """
        async with self.queue.place(network, share=share, width=share_width):
            yield HashingSlot(self)

    def needs_rehash(self, phc: str) -> bool:
        """Whether a login that has just proved this hash should replace it by one of the current profile."""
        stored = read_phc(phc)
        return stored is None or stored.profile != self.profile or len(stored.digest) != HASH_BYTES

    def hash_now(self, password: str) -> str:
        """Hash in the calling thread: what `HashingSlot.hash` runs in a hashing thread."""
        return write_phc(password, self.profile, token_bytes(SALT_BYTES))

    def verify_now(self, phc: str | None, password: str | None) -> bool:
        """Verify in the calling thread; see `HashingSlot.verify`."""
        stored = read_phc(phc) if phc is not None else None
        if phc is not None and stored is None:
            if (foreign := read_foreign(phc)) is not None:
                return self._verify_foreign(foreign, password)
            log.error("a stored password hash is of no known scheme, or above its bounds: it never matches")
        against = stored or self._absent
        with self._room_for(against.profile.memory_kib):
            digest = argon2id(password or "", against.profile, against.salt, len(against.digest))
        if (rest := missing_cost(against.profile, self.profile)) is not None:
            argon2id("", rest, against.salt, HASH_BYTES)
        return compare_digest(digest, against.digest) and stored is not None and password is not None

    def _verify_foreign(self, foreign: ForeignHash, password: str | None) -> bool:
        """Verify the hash of an imported account, and spend a hash of ours besides.

        So a cheap one is not answered sooner than a name that does not exist. A costly one stands out until its next
        login, as a costlier Argon2id hash does (`missing_cost`).
        """
        self.verify_now(None, None)
        try:
            with self._room_for(foreign.memory_kib):
                return foreign.matches(password or "") and password is not None
        except ModuleNotFoundError as missing:
            log.error(  # noqa: TRY400 - the trace says nothing more
                "an imported password hash needs the package %s, pip install 'sealring[bcrypt]': it never matches",
                missing.name,
            )
            return False

    def _room_for(self, memory_kib: int) -> AbstractContextManager[object]:
        """One hash at a time may take more memory than those of the profile."""
        return self._larger if memory_kib > self.profile.memory_kib else nullcontext()

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do work in a hashing thread; for slots."""
        self.running += 1
        try:
            busy = self._loop.is_busy(time.monotonic(), time.thread_time())
            async with self._beside_the_loop if busy else nullcontext(), self._threads:
                pool = self._alone if self.running == 1 and not self.waiting else self._giving_way
                job = pool.submit(work, *arguments)
                loop = asyncio.get_running_loop()
                done: asyncio.Future[None] = loop.create_future()  # half of what run_in_executor and shield cost
                job.add_done_callback(lambda job: _tell(loop, job, done))
                try:
                    await done
                except asyncio.CancelledError:
                    # the thread goes on, and so does its memory: nobody takes its place before it is done
                    await asyncio.wait([asyncio.wrap_future(job)])
                    raise
                return job.result()
        finally:
            self.running -= 1

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        for pool in (self._alone, self._giving_way):
            pool.shutdown(wait=True, cancel_futures=True)


def _tell(loop: asyncio.AbstractEventLoop, job: Future[Result], done: asyncio.Future[None]) -> None:
    """Wake the task that waits for that job, from the job's thread."""
    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
        loop.call_soon_threadsafe(_wake, job, done)


def _wake(job: Future[Result], done: asyncio.Future[None]) -> None:
    if job.cancelled():  # dropped by `close` before it began
        done.cancel()
    elif not done.done():
        done.set_result(None)
