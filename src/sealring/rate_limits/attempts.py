"""How many tries who has: the lanes of attempts, as values (design D13).

The counting is the store's, one atomic step for all lanes given; here stands which lanes an
attempt runs in. A name has its lanes whether or not an account has that name, so that being throttled
says nothing (I11). Success and the operator empty all lanes of a name at once: the store knows whose each is.
No clock, no I/O: `now`, randomness and keys are passed in.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from sealring.jwt.durations import parse_duration
from sealring.rate_limits.bucket import Lane

MAX_FAILURES_IN_A_ROW = 100
"""Of one device, and of all strangers together (NIST SP 800-63B-4 §3.2.2)."""
FAILURES_IN_A_ROW_SECONDS = 30 * 86_400
"""In which a full long lane empties by itself, one attempt every seven hours. NIST knows no end but an act of the
operator (`users set-password` and `users enable` empty it at once); a service whose operator sleeps needs one."""

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

MAX_FULL_LANES = 10_000
"""Lanes that one process remembers as full; the oldest are forgotten, and then the store is asked again."""

MAX_LIMIT = 1_000_000
MAX_WINDOW_SECONDS = 366 * 86_400
DEVICE_ID_BYTES = 16
_DEVICE_TEXT = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})", re.ASCII)
_RATE = re.compile(r"([0-9]{1,7})/(.+)", re.ASCII)
_UNKNOWN = "an unknown place"
_IPV6_PREFIX = 64
"""What one customer has at least (RFC 6177); within it addresses cost nothing."""
_NETWORK_PREFIXES = {4: 24, 6: 48}
"""What one customer can easily have (RFC 6177 §2; the smallest IPv4 block that is routed)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many attempts in so many seconds."""

    limit: int
    window_seconds: int

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise ValueError(f"a rate must allow 1 to {MAX_LIMIT} attempts")
        if not 1 <= self.window_seconds <= MAX_WINDOW_SECONDS:
            raise ValueError("a rate's window must be 1 second to 1 year")

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `attempts/duration`.

        Raises:
            ValueError: another form, or out of bounds.

        >>> Rate.parse("10/5m")
        Rate(limit=10, window_seconds=300)
        """
        shape = _RATE.fullmatch(text.strip())
        if shape is None:
            raise ValueError("a rate must read like 10/5m")
        seconds = parse_duration(shape[2])
        if not isinstance(seconds, int):
            raise ValueError("a rate's window must be whole seconds")  # noqa: TRY004 - a bad text, not a bad type
        return cls(int(shape[1]), seconds)


def address_lane(address: str, rate: Rate, *, purpose: str = "log-in") -> Lane:
    """The lane of an address: IPv4 as it is, IPv6 by its /64; all that is no address shares one (U10).

    >>> address_lane("2001:db8::1", Rate(60, 60)).key
    'log-in from 2001:db8::/64'
    """
    return Lane(
        key=f"{purpose} from {_place(address)}",
        limit=rate.limit,
        window_seconds=rate.window_seconds,
    )


def network_of(address: str) -> str:
    """The network that an address belongs to, IPv4 by its /24 and IPv6 by its /48; what is no address shares one.

    >>> network_of("198.51.100.7"), network_of("2001:db8:1:2::3"), network_of("?")
    ('198.51.100.0/24', '2001:db8:1::/48', 'an unknown place')
    """
    ip = _ip(address)
    if ip is None:
        return _UNKNOWN
    kind = IPv4Network if isinstance(ip, IPv4Address) else IPv6Network
    return str(kind((int(ip), _NETWORK_PREFIXES[ip.version]), strict=False))


def _place(address: str) -> str:
    ip = _ip(address)
    if ip is None:
        return _UNKNOWN
    return str(IPv6Network((int(ip), _IPV6_PREFIX), strict=False)) if isinstance(ip, IPv6Address) else str(ip)


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


class DeviceLanes:
    """Makes account lanes, and the cookie by which a browser shows that it has logged in to an account before.

    Both are under a key: the store's lanes name nobody (people type passwords into the name field), and nobody mints a
    lane of their own. The cookie holds a random id and a MAC over it and the account's canonical name; it is worth ten
    guesses in a lane that nobody else can fill, and nothing more, so it needs no end.

    Args:
        keys: 32-byte keys; the first writes, all read.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("device lanes need a key")
        self._keys = tuple(keys)

    def issue(self, canonical_name: str, device_id: bytes) -> str:
        """The cookie's text for a browser that has just logged in.

        Args:
            canonical_name: of the account.
            device_id: 16 random bytes.
        """
        if len(device_id) != DEVICE_ID_BYTES:
            raise ValueError(f"a device id must be {DEVICE_ID_BYTES} bytes")
        device = _text(device_id)
        return f"{device}.{_digest(self._keys[0], b'device cookie', device, canonical_name)}"

    def lane(self, text: str | None, canonical_name: str) -> str | None:
        """The device's own lane at that account; None when the text does not prove one."""
        shape = _DEVICE_TEXT.fullmatch(text) if text is not None else None
        if shape is None:
            return None
        device, mac = shape[1], shape[2]
        for key in self._keys:
            if compare_digest(_digest(key, b"device cookie", device, canonical_name), mac):
                return f"device {_digest(self._keys[0], b'device lane', device, canonical_name)}"
        return None

    def owner(self, canonical_name: str) -> str:
        """The owner of all lanes of a name, whether or not an account has it."""
        return f"name {_digest(self._keys[0], b'name lane', canonical_name)}"


@dataclass(frozen=True, slots=True)
class AccountLanes:
    """The lanes of one attempt at one account."""

    owner: str
    ways: tuple[tuple[Lane, ...], ...]
    """The attempt is counted in the first of these that has room in all its lanes; each has a first lane of its own."""


def account_lanes(owner: str, rate: Rate, *, purpose: str, device: str | None, network: str) -> AccountLanes:
    """Which lanes an attempt may be counted in.

    A known device has lanes that nobody else can fill. Where they are full, it is no worse off than a stranger (N6).

    Args:
        owner: from `DeviceLanes.owner`.
        rate: failures per account.
        purpose: "log-in", or another way to try passwords, with lanes of its own.
        device: from `DeviceLanes.lane`.
        network: from `network_of`.
    """

    def lane(where: str, limit: int, seconds: int) -> Lane:
        return Lane(key=f"{purpose}: {where}", limit=limit, window_seconds=seconds, owner=owner)

    def in_a_row(where: str, limit: int) -> Lane:
        return lane(f"{where} in a row", limit, FAILURES_IN_A_ROW_SECONDS)

    def short(where: str) -> Lane:
        return lane(where, rate.limit, rate.window_seconds)

    known = () if device is None else ((short(device), in_a_row(device, MAX_FAILURES_IN_A_ROW)),)
    here = short(network)
    strangers = in_a_row("all strangers", MAX_FAILURES_IN_A_ROW - MAX_RESERVED_FAILURES)
    first_tries = lane(f"first tries from {network}", FIRST_TRIES, FIRST_TRIES_SECONDS)
    reserve = in_a_row("first tries", MAX_RESERVED_FAILURES)
    return AccountLanes(
        owner,
        (*known, (here, in_a_row(network, MAX_NETWORK_FAILURES), strangers), (first_tries, here, reserve)),
    )


class FullLanes:
    """Lanes that this process knows to be full: a flood is refused without a hash, a store call or an audit line.

    Addresses need it for more. They are charged for failures alone, so an attempt is decided before it can be counted:
    once an address was found full, its attempts go one at a time at the lane's own pace, and only the first burst may
    overshoot, by the attempts that were under way.
    """

    def __init__(self) -> None:
        self._closed: dict[tuple[str, str], _Closed] = {}

    def wait(self, lane: Lane, *, now_ms: int) -> int:
        """Seconds until the lane may open; 0 when it is not known to be full."""
        closed = self._closed.get((lane.owner, lane.key))
        if closed is None or now_ms >= closed.believed_until_ms:
            return 0
        return -(-(closed.until_ms - now_ms) // 1000)

    def take_turn(self, lane: Lane, *, now_ms: int) -> int:
        """As `wait`; and where a lane that was full lately opens, this attempt is the one that it opened for."""
        if (wait := self.wait(lane, now_ms=now_ms)) == 0:
            closed = self._closed.pop((lane.owner, lane.key), None)
            if closed is not None and now_ms - closed.until_ms < lane.window_seconds * 1000:
                self._close(lane, now_ms + lane.window_seconds * 1000 // lane.limit)
        return wait

    def close(self, lane: Lane, wait_seconds: int, *, now_ms: int, believed_seconds: int | None = None) -> None:
        """The store said: full for so long.

        Args:
            lane: which.
            wait_seconds: what to tell those who ask: the truth.
            now_ms: the present.
            believed_seconds: after which the store is asked again; for lanes that somebody may empty before.
        """
        believed = wait_seconds if believed_seconds is None else min(wait_seconds, believed_seconds)
        self._close(lane, now_ms + wait_seconds * 1000, now_ms + believed * 1000)

    def give_back_turn(self, lane: Lane, *, now_ms: int) -> None:
        """The attempt succeeded, so it costs its address nothing."""
        if (lane.owner, lane.key) in self._closed:
            self._close(lane, now_ms)

    def forget(self, owner: str) -> None:
        """All lanes of that owner were emptied."""
        for key in [key for key in self._closed if key[0] == owner]:
            del self._closed[key]

    def _close(self, lane: Lane, until_ms: int, believed_until_ms: int | None = None) -> None:
        key = (lane.owner, lane.key)
        self._closed.pop(key, None)
        self._closed[key] = _Closed(until_ms, until_ms if believed_until_ms is None else believed_until_ms)
        if len(self._closed) > MAX_FULL_LANES:
            del self._closed[next(iter(self._closed))]


@dataclass(frozen=True, slots=True)
class _Closed:
    until_ms: int
    believed_until_ms: int


def _digest(key: bytes, purpose: bytes, *parts: str) -> str:
    """Keyed BLAKE2b (RFC 7693), 128 bits: whoever guesses one gains ten guesses of a password."""
    digest = blake2b(digest_size=16, key=key, person=purpose)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return _text(digest.digest())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
