"""Which buckets an attempt counts in, as values (design D13).

The store does the counting, in one atomic step for all buckets given. A name has its buckets whether or not an account
has that name, so a throttled answer says nothing about accounts (I11). Success and the operator empty all buckets of a
name at once, by their owner. Pure: no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.networks import host_of
from sealring.rate_limits.rate import RateLimit

MAX_FAILURES_IN_A_ROW = 100
"""Of one device, and of all strangers together (NIST SP 800-63B-4 §3.2.2)."""
FAILURES_IN_A_ROW_SECONDS = 30 * 86_400
"""In which a full long bucket empties by itself, one attempt every seven hours. In NIST's rule only the operator ends
it (`users set-password` and `users enable` empty it at once); a service whose operator sleeps needs another end."""

MAX_NETWORK_FAILURES = 25
MAX_RESERVED_FAILURES = 40
FIRST_TRIES = 3
FIRST_TRIES_SECONDS = 86_400
"""How the 100 failures of strangers in a row are divided, so that no stranger uses up what is the owner's (N6).

One network may fail 25 times, all together 60 times. So one network, or two, never fill the 60: in a day 0.8 more
attempts open for a network, and 2 for all. Of the other 40, each network may use 3 a day. Only a stranger with 3
networks and 14 more can keep the owner's new device out, and no stranger keeps a known device out (U11). A network
is a /24 or a /48, not an address: addresses in it cost a stranger nothing, and have one rate limit together (U9).
"""


def address_bucket(address: str, rate: RateLimit, *, purpose: str = "login") -> Bucket:
    """The bucket of an address: IPv4 as it is, IPv6 by its /64; text that is no address has one in common (U10).

    >>> address_bucket("2001:db8::1", RateLimit(60, 60)).key
    'login from 2001:db8::/64'
    """
    return Bucket(key=f"{purpose} from {host_of(address)}", rate=rate)


@dataclass(frozen=True, slots=True)
class AccountBuckets:
    """The buckets of one attempt at one account."""

    owner: str
    ways: tuple[tuple[Bucket, ...], ...]
    """The attempt counts in the first of these that has room in all its buckets; the first bucket of each is its own,
    so it stands for the whole way."""


def account_buckets(owner: str, rate: RateLimit, *, purpose: str, device: str | None, network: str) -> AccountBuckets:
    """Which buckets an attempt may count in.

    A known device has buckets that nobody else can fill. Where they are full, it counts as a stranger does (N6).

    Args:
        owner: from `DeviceCookies.owner`.
        rate: failures per account.
        purpose: "login", or another way to try passwords, with buckets of its own.
        device: from `DeviceCookies.bucket`.
        network: from `network_of`.
    """

    def bucket(where: str, rate: RateLimit) -> Bucket:
        return Bucket(key=f"{purpose}: {where}", rate=rate, owner=owner)

    def in_a_row(where: str, limit: int) -> Bucket:
        return bucket(f"{where} in a row", RateLimit(limit, FAILURES_IN_A_ROW_SECONDS))

    known = () if device is None else ((bucket(device, rate), in_a_row(device, MAX_FAILURES_IN_A_ROW)),)
    here = bucket(network, rate)
    strangers = in_a_row("all strangers", MAX_FAILURES_IN_A_ROW - MAX_RESERVED_FAILURES)
    first_tries = bucket(f"first tries from {network}", RateLimit(FIRST_TRIES, FIRST_TRIES_SECONDS))
    reserve = in_a_row("first tries", MAX_RESERVED_FAILURES)
    return AccountBuckets(
        owner,
        (*known, (here, in_a_row(network, MAX_NETWORK_FAILURES), strangers), (first_tries, here, reserve)),
    )
