"""The discovery document of a provider, read strictly (OpenID Connect Discovery §3, §4.3; RFC 9207 §3). Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.strict_json import BadJSON, decode_object
from sealring.providers.provider import OIDC
from sealring.verifier.http_trust import is_trusted_scheme

DEFAULT_ALGORITHM = "RS256"
"""Of ID tokens, where the document names none (OpenID Connect Core §3.1.3.7 item 7)."""


class ProviderFault(Exception):
    """The provider, or an attacker in its place, said what it must not say. The message is for the audit log.

    It names the clause that is broken and never what was sent.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where a provider is asked, and what it does."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    algorithms: frozenset[str] = frozenset({DEFAULT_ALGORITHM})
    """With which an ID token may be signed: asymmetric ones alone, so that no client secret signs."""
    names_itself: bool = False
    """Whether each answer of the authorization endpoint has `iss` (RFC 9207): one without it is refused then."""
    posts_secret: bool = False
    """Whether the client secret goes in the form, as the provider takes no basic authentication."""


def read_metadata(body: bytes, provider: OIDC) -> Metadata:
    """Return what a discovery document says.

    Raises:
        ProviderFault: it is not this provider's, or leads where nobody may be asked.
    """
    try:
        members = decode_object(body)
    except BadJSON:
        raise ProviderFault("discovery document is not strict JSON") from None
    if members.get("issuer") != provider.issuer:  # whole: another's would sign for this one (Discovery §4.3)
        raise ProviderFault("discovery document is of another issuer")
    listed = members.get("id_token_signing_alg_values_supported")
    named = {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else {DEFAULT_ALGORITHM}
    secret_methods = members.get("token_endpoint_auth_methods_supported")
    return Metadata(
        authorization_endpoint=_endpoint(members, "authorization_endpoint", provider),
        token_endpoint=_endpoint(members, "token_endpoint", provider),
        jwks_uri=_endpoint(members, "jwks_uri", provider),
        userinfo_endpoint=_endpoint(members, "userinfo_endpoint", provider, needed=False),
        end_session_endpoint=_endpoint(members, "end_session_endpoint", provider, needed=False),
        algorithms=frozenset(name for name in named if name in ALGORITHMS and not ALGORITHMS[name].is_symmetric),
        names_itself=members.get("authorization_response_iss_parameter_supported") is True,
        posts_secret=provider.posts_secret
        or (isinstance(secret_methods, list) and "client_secret_basic" not in secret_methods),
    )


def _endpoint(members: dict[str, Any], name: str, provider: OIDC, *, needed: bool = True) -> str:
    url = members.get(name)
    if url is None and not needed:
        return ""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise ProviderFault(f"discovery document has no {name} that is a URL")
    # http is for loopback, and there only where the provider itself is on http: nothing may lead away from TLS
    if not _may_be_asked(url) or (url.lower().startswith("http:") and provider.issuer.startswith("https:")):
        raise ProviderFault(f"discovery document has a {name} that must not be asked")
    return url


def _may_be_asked(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - asked for its error
    except ValueError:
        return False
    plain = bool(parts.hostname) and parts.username is None and not parts.fragment
    return plain and is_trusted_scheme(parts, allow_http=False)
