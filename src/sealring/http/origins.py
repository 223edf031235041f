"""Origins (RFC 6454): which pages are our own, and which front ends elsewhere the settings trust.

An origin is compared byte for byte with what the browser writes into `Origin`, so `check_origin` takes only that form:
a prefix, a suffix, userinfo, another port or another case never matches, and no pattern can match too much. `null` is
what sandboxed frames and local files write, any page of the web among them, so nobody can trust it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([1-9][0-9]{0,4}))?")
_MAX_CHARS = 300
"""A host name has 253 at most."""

_MAX_PORT = 65_535
_NO_PAGES = {
    "ws": "write http for ws",
    "wss": "write https for wss",
    "file": "pages of local files have the origin null, which cannot be trusted",
}
_FORM = "must be an origin as browsers write it, as in https://app.example.com"


def origin_of(url: str) -> bytes:
    """Return the origin of a URL as browsers write it (RFC 6454 §6.1): scheme, host, and port unless it is the default.

    Raises:
        ValueError: not an http or https URL with a host, or a host that is not in its ASCII form.

    >>> origin_of("https://Auth.example.com:443/auth")
    b'https://auth.example.com'
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not url.isascii():
        raise ValueError("an origin needs an http or https URL with a host in its ASCII form")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    suffix = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{suffix}".encode()


def check_origin(text: str) -> str:
    """Return an origin that is written exactly as browsers write it; apps' own schemes (`capacitor://`) included.

    Raises:
        ValueError: it is written in another way, and how to write it.

    >>> check_origin("capacitor://localhost")
    'capacitor://localhost'
    >>> check_origin("https://app.example.com/")
    Traceback (most recent call last):
    ...
    ValueError: must be an origin as browsers write it, as in https://app.example.com: leave out the path and the slash
    """
    fault = _fault(text)
    if fault is not None:
        raise ValueError(f"{_FORM}: {fault}" if fault else _FORM)
    return text


def _fault(text: str) -> str | None:
    """What is wrong; empty where nothing better can be said; None when the origin is good."""
    match = _ORIGIN.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        return _fault_of_form(text)
    scheme, host, port = match.groups()
    if scheme in _NO_PAGES:
        return _NO_PAGES[scheme]
    if port is not None and int(port) > _MAX_PORT:
        return "the port must be 65535 at most"
    if port is not None and _DEFAULT_PORTS.get(scheme) == int(port):
        return "leave out the default port"
    return None if _is_canonical(host) else "write the IP address in its shortest form"


def _fault_of_form(text: str) -> str:
    lowered = text.lower()
    for is_so, fault in (
        (text == "*", "list each origin; * would let every page of the web act for the user"),
        (text == "null", "null is the origin of sandboxed frames and local files of any site, and cannot be trusted"),
        (not text.isascii(), "write the host in its ASCII form (xn--…)"),
        ("://" not in text, "begin with https://"),
        (lowered != text and _ORIGIN.fullmatch(lowered), "write it in lower case"),
        ("@" in text, "leave out user and password"),
        ("/" in text.split("://", 1)[-1], "leave out the path and the slash"),
        ("*" in text, "list each origin; a pattern would match hosts of strangers"),
    ):
        if is_so:
            return fault
    return ""


def _is_canonical(host: str) -> bool:
    """Whether a host that is an IP address, or that browsers read as one, is written as they write it."""
    if host[0] != "[" and not host.rsplit(".", 1)[-1].isdigit():
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).compressed == host.strip("[]")
    except ValueError:
        return False


def may_be_same_site(origin: bytes, other: bytes) -> bool:
    """Whether pages of two origins may be of one site: one scheme, and one host or hosts whose last two labels agree.

    A site is the registrable domain with the scheme. Which domains can be registered only a list of public suffixes
    knows, which changes every week. But no registrable domain has fewer than two labels, so other endings, another
    scheme, an IP address or a name without a dot that is another host's are certainly another site. Hosts below one
    suffix with two labels (`co.uk`) pass.

    >>> may_be_same_site(b"https://app.example.com:8443", b"https://auth.example.com")
    True
    >>> may_be_same_site(b"https://app.example.org", b"https://auth.example.com")
    False
    """
    scheme, host = _site_parts(origin)
    other_scheme, other_host = _site_parts(other)
    if scheme != other_scheme:
        return False
    if host == other_host:
        return True
    ending, other_ending = host.split(".")[-2:], other_host.split(".")[-2:]
    is_name = len(ending) > 1 and not ending[-1].isdigit() and host[:1] != "["
    return is_name and ending == other_ending


def _site_parts(origin: bytes) -> tuple[str, str]:
    scheme, _, rest = origin.decode("latin-1").partition("://")
    host = rest.partition("]")[0] if rest[:1] == "[" else rest.partition(":")[0]
    return scheme, host


@dataclass(frozen=True, slots=True)
class Origins:
    """Whose pages may act with our cookies."""

    own: frozenset[bytes]
    """Of our own pages."""
    trusted: frozenset[bytes] = frozenset()
    """Of front ends elsewhere, as the settings list them."""

    @classmethod
    def of(cls, own: Iterable[str], trusted: Iterable[str] = ()) -> Self:
        """From the URLs of our own pages, and the origins that the settings list.

        Raises:
            ValueError: one of them is invalid.
        """
        ours = frozenset(map(origin_of, own))
        return cls(ours, frozenset(check_origin(origin).encode() for origin in trusted) - ours)


NO_ORIGINS = Origins(frozenset())
"""No page may act with our cookies."""
