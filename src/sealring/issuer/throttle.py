"""How many tries who has: the lanes of attempts, as values (design D13).

The counting is the store's, one atomic step for all lanes given; here stands which lanes an
attempt runs in. A name has its lane whether or not an account has that name, so that being throttled
says nothing (I11). A browser that has logged in to an account before has a lane of its own there, so that
a stranger's wrong guesses never lock its user out (U11). Behind the short lane lies a long one: at most
100 failures in a row (NIST SP 800-63B-4 §3.2.2), emptied by success or by the operator.
No clock, no I/O: `now`, randomness and keys are passed in.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from ipaddress import IPv6Address, IPv6Network, ip_address

from sealring.jwt.durations import parse_duration
from sealring.store.records import Lane

MAX_FAILURES_IN_A_ROW = 100
FAILURES_IN_A_ROW_SECONDS = 30 * 86_400
"""In which a full long lane empties by itself, one attempt every seven hours. NIST knows no end but an act of the
operator (`users set-password` and `users enable` empty it at once); a service whose operator sleeps needs one."""

MAX_FULL_LANES = 10_000
"""Lanes that one process remembers as full; the oldest are forgotten, and then the store is asked again."""

MAX_LIMIT = 1_000_000
MAX_WINDOW_SECONDS = 366 * 86_400
DEVICE_ID_BYTES = 16
_DEVICE_TEXT = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})", re.ASCII)
_RATE = re.compile(r"([0-9]{1,7})/(.+)", re.ASCII)
_IPV6_PREFIX = 64
"""What one customer has at least (RFC 6177); within it addresses cost nothing."""


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


def _place(address: str) -> str:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "an unknown place"
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(IPv6Network((int(ip) >> _IPV6_PREFIX << _IPV6_PREFIX, _IPV6_PREFIX)))
    return str(ip)


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

    def stranger_lane(self, canonical_name: str) -> str:
        """The lane that everybody without a device of their own shares at a name, used or not."""
        return f"name {_digest(self._keys[0], b'name lane', canonical_name)}"


def account_lanes(key: str, rate: Rate) -> tuple[Lane, Lane]:
    """The short lane and, behind it, the 100 failures in a row.

    Args:
        key: from `DeviceLanes.lane` or `DeviceLanes.stranger_lane`.
        rate: the short lane's.
    """
    return (
        Lane(key=key, limit=rate.limit, window_seconds=rate.window_seconds),
        Lane(key=f"{key} in a row", limit=MAX_FAILURES_IN_A_ROW, window_seconds=FAILURES_IN_A_ROW_SECONDS),
    )


class FullLanes:
    """Lanes that this process knows to be full: a flood is refused without a hash, a store call or an audit line.

    Addresses need it for more. They are charged for failures alone, so an attempt is decided before it can be counted:
    once an address was found full, its attempts go one at a time at the lane's own pace, and only the first burst may
    overshoot, by the attempts that were under way.
    """

    def __init__(self) -> None:
        self._closed_until_ms: dict[str, int] = {}

    def wait(self, lane: Lane, *, now_ms: int) -> int:
        """Seconds until the lane may open; 0 when it is not known to be full."""
        return max(0, -(-(self._closed_until_ms.get(lane.key, 0) - now_ms) // 1000))

    def take_turn(self, lane: Lane, *, now_ms: int) -> int:
        """As `wait`; and where a lane that was full lately opens, this attempt is the one that it opened for."""
        if (wait := self.wait(lane, now_ms=now_ms)) == 0:
            closed_until_ms = self._closed_until_ms.pop(lane.key, None)
            if closed_until_ms is not None and now_ms - closed_until_ms < lane.window_seconds * 1000:
                self._close(lane.key, now_ms + lane.window_seconds * 1000 // lane.limit)
        return wait

    def close(self, lane: Lane, wait_seconds: int, *, now_ms: int) -> None:
        """The store said: full for so long."""
        self._close(lane.key, now_ms + wait_seconds * 1000)

    def give_back_turn(self, lane: Lane, *, now_ms: int) -> None:
        """The attempt succeeded, so it costs its address nothing."""
        if lane.key in self._closed_until_ms:
            self._close(lane.key, now_ms)

    def _close(self, key: str, until_ms: int) -> None:
        self._closed_until_ms.pop(key, None)
        self._closed_until_ms[key] = until_ms
        if len(self._closed_until_ms) > MAX_FULL_LANES:
            del self._closed_until_ms[next(iter(self._closed_until_ms))]


def _digest(key: bytes, purpose: bytes, *parts: str) -> str:
    """Keyed BLAKE2b (RFC 7693), 128 bits: whoever guesses one gains ten guesses of a password."""
    digest = blake2b(digest_size=16, key=key, person=purpose)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return _text(digest.digest())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
