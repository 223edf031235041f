"""Which origins the access token goes to (RFC 6454): exactly those that were named, compared by scheme, host and port.

https only, http on loopback: a bearer token in clear text is anybody's (RFC 6750 §5.3).
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port, in lower case, the port always there."""

    scheme: str
    host: str
    port: int


def origin_of(scheme: str, host: str, port: int | None) -> Origin:
    """Return the origin of these parts of a URL; `port` is None where the URL names none.

    >>> origin_of("https", "API.example.com", None)
    Origin(scheme='https', host='api.example.com', port=443)
    """
    scheme = scheme.lower()
    return Origin(scheme, host.lower(), _PORTS.get(scheme, 0) if port is None else port)


def read_origin(argument: str, text: str) -> Origin:
    """Return the origin that `text` names; `argument` is the argument's name.

    Raises:
        ValueError: it is no origin, or has more than one.
    """
    parts = urlsplit(text)
    if parts.path or parts.query or parts.fragment:
        raise ValueError(f"{argument} must be origins, such as 'https://api.example.com', without a path")
    return _checked(argument, text)


def read_base(url: str) -> tuple[str, Origin]:
    """Return the URL of the auth routes without a final slash, and its origin.

    Raises:
        ValueError: not a URL, or one with a query, fragment or user.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("url must be the URL of the auth routes, without query and fragment")
    return url.rstrip("/"), _checked("url", url)


def _checked(argument: str, text: str) -> Origin:
    parts = urlsplit(text)
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or parts.username is not None:
        raise ValueError(f"{argument} must name a host, in ASCII (IDNA form), and no user")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{argument} must be https, or http on loopback")
    return origin_of(parts.scheme, host, parts.port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
