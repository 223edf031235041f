"""What an address belongs to. For rate limits: the single host, and the network that a stranger easily has.

Within an IPv6 /64 addresses cost nothing; a whole /48, or an IPv4 /24, is what one customer can have (RFC 6177). Text
that is no address is one place for all (U10). Pure.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_UNKNOWN = "an unknown place"
_IPV6_PREFIX = 64
"""What one customer has at least (RFC 6177); within it addresses cost nothing."""
_REMEMBERED = 1024
"""Addresses: one attempt asks several times for its own, and a flood's refusals should cost little."""
_NETWORK_PREFIXES = {4: 24, 6: 48}
"""What one customer can easily have (RFC 6177 §2; the smallest IPv4 block that is routed)."""


@lru_cache(_REMEMBERED)
def network_of(address: str) -> str:
    """The network that an address belongs to: the /24 of an IPv4 address, the /48 of an IPv6 address.

    >>> network_of("198.51.100.7"), network_of("2001:db8:1:2::3"), network_of("?")
    ('198.51.100.0/24', '2001:db8:1::/48', 'an unknown place')
    """
    ip = _ip(address)
    if ip is None:
        return _UNKNOWN
    kind = IPv4Network if isinstance(ip, IPv4Address) else IPv6Network
    return str(kind((int(ip), _NETWORK_PREFIXES[ip.version]), strict=False))


@lru_cache(_REMEMBERED)
def host_of(address: str) -> str:
    """The client that an address belongs to: IPv4 as it is, IPv6 by its /64.

    >>> host_of("198.51.100.7"), host_of("2001:db8::1"), host_of("?")
    ('198.51.100.7', '2001:db8::/64', 'an unknown place')
    """
    ip = _ip(address)
    if ip is None:
        return _UNKNOWN
    return str(IPv6Network((int(ip), _IPV6_PREFIX), strict=False)) if isinstance(ip, IPv6Address) else str(ip)


def is_loopback(host: str) -> bool:
    """Whether this host name or address never leaves the machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("192.0.2.1")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
