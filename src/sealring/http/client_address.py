"""The client's address: the peer, or the address that trusted proxies report.

`X-Forwarded-For` is read from the right: each trusted proxy is responsible for the hop that it wrote,
the first hop that is not a trusted proxy is the client, and everything further left may be forged by
the client. If a hop is not an address, the field is ignored and the peer counts (U10, C12,
CVE-2024-47070): a malformed field never leaves a request without an address. Run the server without
its own proxy handling (uvicorn: `--no-proxy-headers`), or it replaces the peer before this code runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
TrustedProxy = Network | Literal["unix"]
"""A network, or "unix" for every peer without an address: those at a Unix socket."""

MAX_HOPS = 16
"""More proxies than any deployment has; the rest of a longer list is not read."""
_MAX_HOP_BYTES = 64


def plain_address(text: str) -> str | None:
    """Return the plain form of an IPv4 or IPv6 address; None for any other text."""
    address = _parse(text)
    return None if address is None else str(address)


def client_address(scope: Mapping[str, Any], trusted_proxies: Sequence[TrustedProxy] = ()) -> str:
    """Return the client's address in its plain form; empty when there is none: a Unix socket that is not trusted.

    >>> from ipaddress import ip_network
    >>> scope = {"client": ("10.0.0.9", 1), "headers": [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.7, 10.0.0.2")]}
    >>> client_address(scope, [ip_network("10.0.0.0/8")])
    '203.0.113.7'
    """
    peer_name = scope["client"][0] if scope.get("client") else ""
    peer = _parse(peer_name)
    own = "" if peer is None else str(peer)
    if not ("unix" in trusted_proxies if not peer_name else _is_trusted(peer, trusted_proxies)):
        return own
    fields = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    address = own
    for hop in reversed(b",".join(fields).rsplit(b",", MAX_HOPS)[-MAX_HOPS:]):
        found = _parse(hop.strip(b" \t").decode("latin-1")) if len(hop) <= _MAX_HOP_BYTES else None
        if found is None:
            return own
        address = str(found)
        if not _is_trusted(found, trusted_proxies):
            break
    return address


def _parse(text: str) -> Address | None:
    if text.startswith("["):  # "[2001:db8::1]:4711", as some proxies write it
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # "192.0.2.1:4711"
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address  # a dual-stack listener's form of an IPv4 peer
    return address


def _is_trusted(address: Address | None, proxies: Sequence[TrustedProxy]) -> bool:
    return address is not None and any(address in network for network in proxies if network != "unix")
