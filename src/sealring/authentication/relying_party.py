"""Whose passkeys these are: a domain and the pages that may ask for them (WebAuthn Level 3 §5.1.2, §13.4.9). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """Whose passkeys these are."""

    id: str
    """A domain: the host of our pages, or one above it. Passkeys belong to it for ever."""
    origins: frozenset[str]
    """Of the pages that may ask for a passkey, as browsers write them."""

    @classmethod
    def of(cls, issuer: str, *, id: str = "", trusted: Iterable[str] = ()) -> Self:
        """The one of an issuer.

        Args:
            issuer: an origin as browsers write it.
            id: the domain; empty for the host of the issuer.
            trusted: origins of front ends elsewhere; those below the domain may ask.

        Raises:
            ValueError: no browser would make a passkey for that domain on a page of the issuer.

        >>> party = RelyingParty.of("https://auth.example.com", id="example.com", trusted=["https://app.example.com"])
        >>> party.id, sorted(party.origins)
        ('example.com', ['https://app.example.com', 'https://auth.example.com'])
        """
        domain = id or _host(issuer)
        if not _is_domain(domain) or not _is_below(issuer, domain):
            raise ValueError(
                "must be the host of the issuer or a domain above it, no IP address and no top-level domain"
            )
        return cls(id=domain, origins=frozenset({issuer, *(origin for origin in trusted if _is_below(origin, domain))}))


def _is_below(origin: str, domain: str) -> bool:
    """Whether browsers give pages of that origin the passkeys of that domain: https, or the machine itself."""
    host = _host(origin)
    secure = origin.startswith("https://") or host == "localhost" or host.endswith(".localhost")
    return secure and (host == domain or host.endswith(f".{domain}"))


def _host(origin: str) -> str:
    return origin.partition("://")[2].partition(":")[0]


def _is_domain(name: str) -> bool:
    if name != "localhost" and "." not in name:
        return False
    try:
        ip_address(name)
    except ValueError:
        return True
    return False
