"""One attempt at a password: waits its turn, is counted, is decided, and looks like every other.

The order is the point. A place in the hasher comes first, the count second, the hash last: so a
hundred parallel guesses get no more than the lane holds (U9), and valid log-ins that come all at once
do not fill their own lane while they wait (U12). Who fails pays in the address's lane too; who
succeeds empties the account's. A failure is answered on a grid of time that begins with the attempt's
own place, so that what differs by a few milliseconds inside does not show outside (U2).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sealring.errors import Throttled, WrongCredentials
from sealring.issuer.hashing import HashingSlot, PasswordHasher
from sealring.issuer.origin import Origin
from sealring.issuer.throttle import MAX_LIMIT, FullLanes, Rate, account_lanes, address_lane
from sealring.store.protocol import Store
from sealring.store.records import Event, EventKind, Lane

FORGET_FULL_ACCOUNT_SECONDS = 5
"""How long a full account lane is believed full without asking: another node's operator may have emptied it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that has been counted and may hash."""

    slot: HashingSlot
    lanes: tuple[Lane, ...]
    """The account's, which success empties."""
    address_lane: Lane
    origin: Origin


class Attempts:
    """All attempts at passwords on this node.

    Args:
        store: counts them.
        hasher: bounds them.
        clock: Unix milliseconds.
        account_rate: failures per account.
        address_rate: failures per address.
        answer_grid_ms: failures are answered at whole multiples of this after they got their place; a little more
            than a hash and its store calls usually take.
    """

    def __init__(
        self,
        store: Store,
        hasher: PasswordHasher,
        *,
        clock: Callable[[], int],
        account_rate: Rate,
        address_rate: Rate,
        answer_grid_ms: int,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._account_rate = account_rate
        self._address_rate = address_rate
        self._answer_grid_seconds = answer_grid_ms / 1000
        self._full = FullLanes()

    @asynccontextmanager
    async def attempt(self, lane_key: str, origin: Origin) -> AsyncIterator[Attempt]:
        """Count an attempt in the account lane of that key, and hold a place for it.

        Raises:
            Throttled: a lane is full; nothing was hashed.
            Overloaded: too many wait for a place.
        """
        lanes = account_lanes(lane_key, self._account_rate)
        address = address_lane(origin.address, self._address_rate)
        self._refuse_full(address, *lanes)  # before the queue, so that a throttled flood does not fill it
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with self._hasher.slot(share=lane_key, share_width=self._width) as slot:
                began = loop.time()
                self._refuse_full(*lanes)  # what came to light while this one waited
                _refuse(self._full.take_turn(address, now_ms=self._clock()))
                if wait := await self._store.count_attempt(lanes, now=self._clock() // 1000):
                    believed = min(wait, FORGET_FULL_ACCOUNT_SECONDS)
                    await self._found_full(lanes[0], believed, origin, cause="account lane is full")
                    raise Throttled(wait)
                yield Attempt(slot=slot, lanes=lanes, address_lane=address, origin=origin)
        except WrongCredentials:
            await asyncio.sleep(_until_grid(loop.time() - began, self._answer_grid_seconds))
            raise

    @asynccontextmanager
    async def registration(self, origin: Origin) -> AsyncIterator[HashingSlot]:
        """Count a registration, and hold a place for it.

        Raises:
            Throttled: too many registrations from this address, or too many failures of any kind.
            Overloaded: too many wait for a place.
        """
        address = address_lane(origin.address, self._address_rate)
        self._refuse_full(address)
        crowd = address_lane(origin.address, self._registration_rate, purpose="registration")
        async with self._hasher.slot() as slot:
            _refuse(self._full.take_turn(address, now_ms=self._clock()))
            if wait := await self._store.count_attempt([crowd], now=self._clock() // 1000):
                raise Throttled(wait)
            yield slot

    async def succeed(self, attempt: Attempt, *, subject: str) -> None:
        """The password was right: the account's lanes are emptied, the address pays nothing."""
        self._full.give_back_turn(attempt.address_lane, now_ms=self._clock())
        event = self._event("login", attempt.origin, subject=subject, cause="password verified")
        await self._store.settle_attempt(attempt.lanes, event)

    async def fail(self, origin: Origin, *, subject: str, cause: str) -> None:
        """The attempt failed: its address pays, the audit log has the true cause."""
        await self._store.settle_attempt((), self._event("login_failed", origin, subject=subject, cause=cause))
        await self.charge(origin)

    async def charge(self, origin: Origin) -> None:
        """Count a failure against the address alone."""
        address = address_lane(origin.address, self._address_rate)
        if wait := await self._store.count_attempt([address], now=self._clock() // 1000):
            await self._found_full(address, wait, origin, cause="address lane is full")

    async def lift(self, lane_key: str, *, subject: str) -> None:
        """Empty an account's lanes, by the operator's word."""
        event = self._event("throttled", Origin(""), subject=subject, cause="lifted by operator")
        await self._store.settle_attempt(account_lanes(lane_key, self._account_rate), event)

    @property
    def _width(self) -> int:
        """Places for one account: few enough that several nodes together stay below its lane."""
        return max(1, self._account_rate.limit // 4)

    @property
    def _registration_rate(self) -> Rate:
        """Successful registrations are honest more often than not, but rows: ten for every failure allowed (D2)."""
        return Rate(min(10 * self._address_rate.limit, MAX_LIMIT), self._address_rate.window_seconds)

    def _refuse_full(self, *lanes: Lane) -> None:
        for lane in lanes:
            _refuse(self._full.wait(lane, now_ms=self._clock()))

    async def _found_full(self, lane: Lane, wait: int, origin: Origin, *, cause: str) -> None:
        self._full.close(lane, wait, now_ms=self._clock())
        await self._store.settle_attempt((), self._event("throttled", origin, cause=cause))

    def _event(self, kind: EventKind, origin: Origin, *, subject: str = "", cause: str) -> Event:
        return Event(kind=kind, at_ms=self._clock(), subject=subject, address=origin.address, cause=cause)


def _until_grid(elapsed_seconds: float, grid_seconds: float) -> float:
    """Seconds to the next multiple of the grid, and a random part of a millisecond.

    Event loops wait whole milliseconds. Without that random part the fraction of a millisecond that the attempt took
    would come through the rounding unchanged; with it, the mean does not depend on it.
    """
    return -elapsed_seconds % grid_seconds + secrets.randbelow(1000) / 1_000_000


def _refuse(wait: int) -> None:
    if wait:
        raise Throttled(wait)
