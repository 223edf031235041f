"""What a client reads of an API before it has a token: which issuer's tokens it takes (RFC 9728). Pure.

Each challenge of the API names the document (`resource_metadata`, §5.1), so a client that knows nothing but the URL of
the API finds the issuer, and from there its endpoints. MCP clients begin so. The URLs are the settings' own words:
nothing that a client sends is in them (C12).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sealring.http.origins import origin_of
from sealring.http.server_metadata import WELL_KNOWN
from sealring.jwt.dpop import PROOF_ALGORITHMS

PROTECTED_RESOURCE = "oauth-protected-resource"
"""The name that RFC 9728 §8.2 registers."""

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&()*+,;=:@%-]*)*")
"""Without what would end a quoted string of a challenge."""


def check_resource(url: str) -> str:
    """Return a resource identifier (RFC 9728 §1.2); plain http is for loopback and for networks that one trusts.

    Raises:
        ValueError: it is no such URL.

    >>> check_resource("https://api.example.com/orders")
    'https://api.example.com/orders'
    """
    try:
        parts = urlsplit(url)
        origin_of(url)
        good = parts.username is None and not parts.query and "#" not in url and "?" not in url
        good = good and _PATH.fullmatch(parts.path) is not None
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be an http or https URL with a host in its ASCII form, without user, query or fragment")
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResource:
    """An API and the issuer whose tokens it takes."""

    resource: str
    issuer: str
    takes_proofs: bool = True
    """Whether it takes tokens that are bound to a key (RFC 9449)."""

    @property
    def metadata_url(self) -> str:
        """Where the document is: the path of the resource comes after the name (§3.1).

        >>> ProtectedResource(resource="https://api.example.com/orders", issuer="https://a.example").metadata_url
        'https://api.example.com/.well-known/oauth-protected-resource/orders'
        """
        path = urlsplit(self.resource).path.rstrip("/")
        return f"{origin_of(self.resource).decode('ascii')}{WELL_KNOWN}/{PROTECTED_RESOURCE}{path}"

    def document(self) -> dict[str, Any]:
        """The document of §2."""
        members: dict[str, Any] = {
            "resource": self.resource,  # byte for byte, since clients compare it so (§3.3)
            "authorization_servers": [self.issuer],
            "bearer_methods_supported": ["header"],
        }
        if self.takes_proofs:
            members["dpop_signing_alg_values_supported"] = list(PROOF_ALGORITHMS)
        return members
