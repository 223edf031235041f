"""What an OAuth client reads of this issuer before its first request: RFC 8414. Pure.

The document says only what is served: no authorization endpoint, so no response types, and the token endpoint with its
grants only where the application serves the OAuth routes. It is no OpenID Connect discovery document, since no ID token
is ever issued, and so it has no `openid-configuration` name.

Its URLs are made of the issuer that the settings name and of the path that the client asked. `Host` is in none of them:
the client writes it (C12), and a cache would give the next client a forged token endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from sealring.http.origins import origin_of
from sealring.jwt.dpop import PROOF_ALGORITHMS

WELL_KNOWN = "/.well-known"
"""RFC 8615, at the root of a host."""

AUTHORIZATION_SERVER = "oauth-authorization-server"
"""The name that RFC 8414 §7.3 registers."""


SECRET_METHODS = ("client_secret_basic", "client_secret_post")
"""How a registered client authenticates; `none` is a client that only has tokens, such as a page or an app."""


def name_below_well_known(name: str, identifier: str) -> str:
    """Where the metadata of an identifier is, below `/.well-known`: its path comes after the name (RFC 8414 §3).

    >>> name_below_well_known("oauth-authorization-server", "https://example.com/auth/")
    '/oauth-authorization-server/auth'
    """
    return f"/{name}{unquote(urlsplit(identifier).path).rstrip('/')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What the document is made of."""

    issuer: str
    auth_path: str
    """The setting: where the auth routes are below the application."""
    audience: str
    """`aud` of our access tokens: what `resource` may name (RFC 8707)."""
    grants: tuple[str, ...]
    """Values of `grant_type` that the token endpoint takes; none where it is not served."""
    signs_introspection_with: str = ""
    """`alg` of signed introspection answers (RFC 9701); empty where a secret signs tokens, and no answer is signed."""
    takes_proofs: bool = False
    """Whether tokens can be bound to a key (RFC 9449)."""

    def document(self, auth_path: str) -> dict[str, Any]:
        """The document of RFC 8414 §2.

        Args:
            auth_path: where a browser sees the auth routes, percent-encoded; "/" at the root of the host.
        """
        base = origin_of(self.issuer).decode("ascii") + auth_path.rstrip("/")
        members: dict[str, Any] = {
            "issuer": self.issuer,  # byte for byte, since clients compare it so (§3.3)
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "sealring_feed": f"{base}/feed",  # a member of our own (§2): which tokens are revoked
            "response_types_supported": [],  # there is no authorization endpoint
            "grant_types_supported": list(self.grants),
        }
        if self.grants:
            members["token_endpoint"] = f"{base}/token"
            members["token_endpoint_auth_methods_supported"] = ["none", *SECRET_METHODS]
            members["revocation_endpoint"] = f"{base}/revoke"
            members["revocation_endpoint_auth_methods_supported"] = ["none", *SECRET_METHODS]
            members["introspection_endpoint"] = f"{base}/introspect"
            members["introspection_endpoint_auth_methods_supported"] = [*SECRET_METHODS]
            if self.signs_introspection_with:
                members["introspection_signing_alg_values_supported"] = [self.signs_introspection_with]
        if self.takes_proofs:
            members["dpop_signing_alg_values_supported"] = list(PROOF_ALGORITHMS)  # RFC 9449 §5.1
        return members
