"""Runs one attempt to log in: wait for a place to hash, count, verify; failures take uniform time.

The order is the point. A place in the hasher comes first, the count second, the hash last: so a hundred parallel
guesses get no more than the bucket holds (U9), and valid logins that come all at once do not fill their own bucket
while they wait (U12). A failure counts in the address's bucket. A success empties the account's buckets and counts in
a wide bucket of the address, because right passwords cost hashes too (N7). Failures are answered on a time grid that
starts with the attempt's place, so that differences of a few milliseconds inside do not show outside (U2).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType

from sealring.audit.event import Event, EventKind
from sealring.authentication.client_info import ClientInfo
from sealring.errors import Throttled, WrongCredentials
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot, PasswordHasher
from sealring.rate_limits.blocked import BlockedBuckets
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.buckets import AccountBuckets, address_bucket
from sealring.rate_limits.networks import network_of
from sealring.rate_limits.rate import MAX_LIMIT, RateLimit

RECHECK_ACCOUNT_SECONDS = 5
"""After which the store is asked again about a full account bucket: the operator, or success on another node, may have
emptied it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt:
    """An attempt that has been counted and may hash."""

    slot: HashingSlot | None
    """Where it hashes; none for a method that costs no hash."""
    owner: str
    """Of the account's buckets, which success empties; empty where the account has none for this method."""
    address_bucket: Bucket
    client: ClientInfo

    @property
    def hashing_slot(self) -> HashingSlot:
        """The place of an attempt that hashes."""
        if self.slot is None:
            raise RuntimeError("this attempt has no place for hashing")
        return self.slot


class LoginAttempts:
    """All attempts on this node, by any method, and registrations.

    Args:
        store: counts them.
        hasher: bounds them.
        clock: Unix milliseconds.
        account_rate: failures per account.
        address_rate: failures per address.
        registration_rate: registrations per address.
        answer_grid_ms: failures are answered at whole multiples of this after they got their place; a little more
            than a hash and its store calls usually take.
    """

    def __init__(
        self,
        store: CommittingStore,
        hasher: PasswordHasher,
        *,
        clock: Callable[[], int],
        account_rate: RateLimit,
        address_rate: RateLimit,
        registration_rate: RateLimit,
        answer_grid_ms: int,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._account_rate = account_rate
        self._address_rate = address_rate
        self._registration_rate = registration_rate
        self._answer_grid_seconds = answer_grid_ms / 1000
        self._blocked = BlockedBuckets()

    @asynccontextmanager
    async def attempt(
        self, buckets: AccountBuckets, client: ClientInfo, *, hashes: bool = True
    ) -> AsyncIterator[LoginAttempt]:
        """Count an attempt in an account's buckets, and hold a place for hashing, if it hashes.

        Raises:
            Throttled: the buckets are full; nothing was hashed.
            Overloaded: too many wait for a place.
        """
        address = address_bucket(client.address, self._address_rate)
        self._refuse_full(client, buckets)  # before the queue, so that a throttled flood does not fill it
        loop = asyncio.get_running_loop()
        began = loop.time()
        share = f"{buckets.owner} {buckets.ways[0][0].key}"
        try:
            async with (
                self._hasher.slot(network=network_of(client.address), share=share, share_width=self._width)
                if hashes
                else nullcontext()
            ) as slot:
                began = loop.time()
                self._refuse_full(client, buckets)  # what came to light while this one waited
                _refuse(self._blocked.admit(address, now_ms=self._clock()))
                if wait := await self._count(buckets):
                    event = self._event("throttled", client, cause="account bucket is full")
                    await self._store.settle_attempt("", event)
                    raise Throttled(wait)
                yield LoginAttempt(slot=slot, owner=buckets.owner, address_bucket=address, client=client)
        except WrongCredentials:
            await asyncio.sleep(_until_grid(loop.time() - began, self._answer_grid_seconds))
            raise

    @asynccontextmanager
    async def signature(self, client: ClientInfo) -> AsyncIterator[LoginAttempt]:
        """Count an attempt that nobody can guess their way through: for the address alone, in its wide bucket.

        Raises:
            Throttled: the address's buckets are full; nothing was verified.
        """
        self._refuse_full(client)
        address, wide = address_bucket(client.address, self._address_rate), self._success_bucket(client)
        _refuse(self._blocked.wait(wide, now_ms=self._clock()))
        began = asyncio.get_running_loop().time()
        _refuse(self._blocked.admit(address, now_ms=self._clock()))
        if wait := await self._store.count_attempt([wide], now=self._clock() // 1000):
            await self._found_full(wide, wait, client, cause="address login bucket is full")
            raise Throttled(wait)
        try:
            yield LoginAttempt(slot=None, owner="", address_bucket=address, client=client)
        except WrongCredentials:
            await asyncio.sleep(_until_grid(asyncio.get_running_loop().time() - began, self._answer_grid_seconds))
            raise

    @asynccontextmanager
    async def registration(self, client: ClientInfo) -> AsyncIterator[HashingSlot]:
        """Count a registration, and hold a place for it.

        Raises:
            Throttled: too many registrations from this address, or too many failures of any kind.
            Overloaded: too many wait for a place.
        """
        address = address_bucket(client.address, self._address_rate)
        self._refuse_full(client)
        crowd = address_bucket(client.address, self._registration_rate, purpose="registration")
        async with self._hasher.slot(network=network_of(client.address)) as slot:
            _refuse(self._blocked.admit(address, now_ms=self._clock()))
            if wait := await self._store.count_attempt([crowd], now=self._clock() // 1000):
                raise Throttled(wait)
            yield slot

    @asynccontextmanager
    async def beginning(self, buckets: AccountBuckets, client: ClientInfo) -> AsyncIterator[None]:
        """Count that a method begins, which may send a mail, for the account and for the address.

        All outcomes take even time, as a method may do more for an account that exists (I11).

        Raises:
            Throttled: the buckets are full; nothing was begun.
        """
        self._refuse_full(client, buckets)
        loop = asyncio.get_running_loop()
        began = loop.time()
        of_address = address_bucket(client.address, self._address_rate, purpose="begin")
        _refuse(self._blocked.wait(of_address, now_ms=self._clock()))
        if wait := await self._store.count_attempt([of_address], now=self._clock() // 1000):
            await self._found_full(of_address, wait, client, cause="address begin bucket is full")
            raise Throttled(wait)
        if wait := await self._count(buckets):
            await self._store.settle_attempt("", self._event("throttled", client, cause="account bucket is full"))
            raise Throttled(wait)
        yield
        await asyncio.sleep(_until_grid(loop.time() - began, self._answer_grid_seconds))

    async def has_room(self, buckets: AccountBuckets) -> bool:
        """Count in an account's buckets; whether they had room."""
        return await self._count(buckets) == 0

    async def succeed(self, attempt: LoginAttempt, *, subject: str, methods: Sequence[str]) -> None:
        """The login is complete: the account's buckets are emptied, the address pays in its wide bucket."""
        detail = {"methods": " ".join(methods)}
        await self._empty(attempt.owner, self._event("login", attempt.client, subject=subject, detail=detail))
        await self.accept(attempt)

    def signed(self, attempt: LoginAttempt, *, subject: str, methods: Sequence[str]) -> Event:
        """The login is complete by a signature, which has been counted: the audit line that its session writes."""
        self._blocked.release(attempt.address_bucket, now_ms=self._clock())
        return self._event("login", attempt.client, subject=subject, detail={"methods": " ".join(methods)})

    async def accept(self, attempt: LoginAttempt) -> None:
        """What was presented is right: the address pays in its wide bucket, and not for a failure."""
        self._blocked.release(attempt.address_bucket, now_ms=self._clock())
        if not attempt.owner:  # counted before
            return
        wide = self._success_bucket(attempt.client)
        if wait := await self._store.count_attempt([wide], now=self._clock() // 1000):
            await self._found_full(wide, wait, attempt.client, cause="address login bucket is full")

    async def fail(self, client: ClientInfo, *, subject: str, cause: str, method: str = "") -> None:
        """The attempt failed: its address pays, the audit log has the true cause, and the method of a login."""
        await self.record(client, subject=subject, cause=cause, method=method)
        await self.charge(client)

    async def record(self, client: ClientInfo, *, subject: str, cause: str, method: str = "") -> None:
        """Write the audit line of a login that was refused; nobody pays for it."""
        detail = {"method": method} if method else {}
        event = self._event("login_failed", client, subject=subject, cause=cause, detail=detail)
        await self._store.settle_attempt("", event)

    async def charge(self, client: ClientInfo) -> None:
        """Count a failure against the address alone."""
        address = address_bucket(client.address, self._address_rate)
        if wait := await self._store.count_attempt([address], now=self._clock() // 1000):
            await self._found_full(address, wait, client, cause="address bucket is full")

    async def lift(self, owner: str, *, subject: str, cause: str = "lifted by operator") -> None:
        """Empty all of an account's buckets: the operator says so, or a password was proved elsewhere."""
        await self._empty(owner, self._event("throttled", ClientInfo(""), subject=subject, cause=cause))

    async def _empty(self, owner: str, event: Event) -> None:
        await self._store.settle_attempt(owner, event)
        if owner:
            self._blocked.forget(owner)

    async def _count(self, buckets: AccountBuckets) -> int:
        """Count in the first way that has room; else the seconds until one will."""
        waits = []
        for way in buckets.ways:
            now_ms = self._clock()
            if (wait := self._blocked.wait(way[0], now_ms=now_ms)) == 0:
                wait = await self._store.count_attempt(way, now=now_ms // 1000)
                if wait == 0:
                    return 0
                self._blocked.block(way[0], wait, now_ms=now_ms, recheck_seconds=RECHECK_ACCOUNT_SECONDS)
            waits.append(wait)
        return min(waits)

    @property
    def _width(self) -> int:
        """Places for one account: few enough that several nodes together stay below its bucket."""
        return max(1, self._account_rate.limit // 4)

    @property
    def _wide_rate(self) -> RateLimit:
        """What succeeds is honest more often than not, but costs: ten for every failure allowed (D2, N7)."""
        return RateLimit(min(10 * self._address_rate.limit, MAX_LIMIT), self._address_rate.window_seconds)

    def _success_bucket(self, client: ClientInfo) -> Bucket:
        return address_bucket(client.address, self._wide_rate, purpose="success")

    def refuse_full(self, client: ClientInfo) -> None:
        """Refuse an address whose failures are known to have filled its bucket, before any store is asked.

        Raises:
            Throttled: until it has room.
        """
        self._refuse_full(client)

    def _refuse_full(self, client: ClientInfo, buckets: AccountBuckets | None = None) -> None:
        """Refuse what is known to be full: the address's buckets, or every way of the account's.

        Raises:
            Throttled: with the longest of these waits, after which all of them have room.
        """
        now_ms = self._clock()
        waits = [self._blocked.wait(address_bucket(client.address, self._address_rate), now_ms=now_ms)]
        if buckets is not None:
            waits.append(self._blocked.wait(self._success_bucket(client), now_ms=now_ms))
            waits.append(min(self._blocked.wait(way[0], now_ms=now_ms) for way in buckets.ways))
        _refuse(max(waits))

    async def _found_full(self, bucket: Bucket, wait: int, client: ClientInfo, *, cause: str) -> None:
        self._blocked.block(bucket, wait, now_ms=self._clock())
        await self._store.settle_attempt("", self._event("throttled", client, cause=cause))

    def _event(
        self,
        kind: EventKind,
        client: ClientInfo,
        *,
        subject: str = "",
        cause: str = "",
        detail: Mapping[str, str] = MappingProxyType({}),
    ) -> Event:
        return Event(
            kind=kind, at_ms=self._clock(), subject=subject, address=client.address, cause=cause, detail=detail
        )


def _until_grid(elapsed_seconds: float, grid_seconds: float) -> float:
    """Seconds to the next multiple of the grid, and a random part of a millisecond.

    Event loops wait whole milliseconds. Without that random part the fraction of a millisecond that the attempt took
    would come through the rounding unchanged; with it, the mean does not depend on it.
    """
    return -elapsed_seconds % grid_seconds + secrets.randbelow(1000) / 1_000_000


def _refuse(wait: int) -> None:
    if wait:
        raise Throttled(wait)
