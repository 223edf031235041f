"""The checks of an ID token and of a logout token, as values: nothing is fetched here, `now` is an argument.

OpenID Connect Core §3.1.3.7 for the code flow, by its numbers: 1 no encrypted token is read; 2 `iss`; 3 `aud`; 4, 5
`azp`; 6 the signature, always; 7 `alg`; 8 no MAC: a client secret signs nothing; 9 `exp`; 10 `iat`; 11 `nonce`; 13
`auth_time`, where it was asked for by `max_age`. 12 concerns `acr`, which is not asked for. Back-Channel Logout §2.6
for the logout token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from hmac import compare_digest
from typing import Any, Final

from sealring.errors import TokenError
from sealring.jwt.base64url import encode
from sealring.jwt.key_set import KeySet
from sealring.jwt.one_shot import verify
from sealring.jwt.policy import media_type
from sealring.jwt.values import Token
from sealring.providers.identity import Identity
from sealring.providers.metadata import Metadata, ProviderFault
from sealring.providers.provider import OIDC

LEEWAY_SECONDS: Final = 10
"""By which our clock and the provider's may differ."""
FRESH_SECONDS: Final = 600
"""How old an ID token or a logout token may be: it was made a moment ago, for this answer."""
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
MAX_SUBJECT: Final = 255
"""ASCII characters of `sub` (OpenID Connect Core §2)."""

_AT_HASH = {"256": sha256, "384": sha384, "512": sha512}


@dataclass(frozen=True, slots=True)
class EndedAtProvider:
    """What a logout token says has ended there."""

    issuer: str
    subject: str
    """Empty where it names a session alone."""
    session: str
    """Empty where every session of the subject has ended."""
    issued_at: int


def check_id_token(
    text: str,
    keys: KeySet,
    provider: OIDC,
    metadata: Metadata,
    *,
    nonce: str,
    access_token: str,
    now: float,
    fresh: bool = False,
) -> dict[str, Any]:
    """Return the claims of an ID token that passes every check.

    Args:
        text: the compact text.
        keys: those that the provider publishes.
        provider: what the application said of it.
        metadata: what the provider says of itself.
        nonce: of this attempt.
        access_token: that came with it; `at_hash`, where there is one, must be its.
        now: Unix seconds.
        fresh: whether the provider was asked to ask the user again.

    Raises:
        ProviderFault: which check failed.
    """
    token = _verified(text, keys, provider, metadata, now, nonce=nonce, require=("exp", "iat", "sub", "nonce"))
    if media_type(str(token.header.get("typ", ""))) not in {"", "jwt"}:
        raise ProviderFault("ID token: another type of token")
    claims = token.claims
    _check_subject(claims.get("sub"))
    for name, wanted in provider.required_claims.items():
        if claims.get(name) != wanted:
            raise ProviderFault(f"ID token: claim {name} is not as this application requires")
    asked_at = claims.get("auth_time")
    if asked_at is not None and (type(asked_at) is not int or not 0 < asked_at <= now + LEEWAY_SECONDS):
        raise ProviderFault("ID token: auth_time is no time of the past")
    if fresh and (asked_at is None or asked_at < now - FRESH_SECONDS):
        raise ProviderFault("ID token: the user was not asked again")
    at_hash = claims.get("at_hash")
    if at_hash is not None and not _is_hash_of(at_hash, access_token, str(token.header["alg"])):
        raise ProviderFault("ID token: at_hash is of another access token")
    return claims


def check_logout_token(text: str, keys: KeySet, provider: OIDC, metadata: Metadata, *, now: float) -> EndedAtProvider:
    """Return what a logout token says, once it passes every check of Back-Channel Logout §2.6.

    Raises:
        ProviderFault: which check failed.
    """
    token = _verified(text, keys, provider, metadata, now, nonce=None, require=("exp", "iat", "jti"))
    if media_type(str(token.header.get("typ", ""))) not in {"", "jwt", "logout+jwt"}:
        raise ProviderFault("logout token: another type of token")
    claims = token.claims
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):
        raise ProviderFault("logout token: events does not say that it is one")
    if "nonce" in claims:  # an ID token must not pass for one (§2.4)
        raise ProviderFault("logout token: has a nonce")
    subject, session = claims.get("sub", ""), claims.get("sid", "")
    if not isinstance(subject, str) or not isinstance(session, str) or not (subject or session):
        raise ProviderFault("logout token: names neither sub nor sid")
    return EndedAtProvider(provider.issuer, subject, session, int(claims["iat"]))


def identity_of(provider: OIDC, claims: Mapping[str, Any], more: Mapping[str, Any]) -> Identity:
    """The identity that verified claims speak of; `more` is what the userinfo endpoint added."""
    said = {**more, **claims}
    email, session = said.get("email"), claims.get("sid")
    return Identity(
        provider=provider.name,
        issuer=provider.issuer,
        subject=str(claims["sub"]),
        email=email if isinstance(email, str) and email else None,
        email_verified=provider.trusts_email and _is_verified(said.get("email_verified"), provider),
        username=_first_text(said, "preferred_username", "nickname", "login"),
        name=_first_text(said, "name", "given_name"),
        authenticated_at=claims.get("auth_time"),
        session=session if isinstance(session, str) else "",
        claims=said,
    )


def check_userinfo(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the userinfo endpoint said, if it is of the same user (OpenID Connect Core §5.3.2).

    Raises:
        ProviderFault: it is not.
    """
    if userinfo.get("sub") != claims.get("sub"):
        raise ProviderFault("userinfo: is of another user")
    return userinfo


def _verified(
    text: str,
    keys: KeySet,
    provider: OIDC,
    metadata: Metadata,
    now: float,
    *,
    nonce: str | None,
    require: tuple[str, ...],
) -> Token:
    what = "logout token" if nonce is None else "ID token"
    try:
        token = verify(
            text,
            keys,
            now=now,
            algorithms=metadata.algorithms,
            issuer=provider.issuer,
            audience=provider.client_id,
            nonce=nonce,
            require=(*require, "iss", "aud"),
            leeway=LEEWAY_SECONDS,
            max_age=FRESH_SECONDS,
            max_chars=65_536,
        )
    except TokenError as error:
        raise ProviderFault(f"{what}: {error.code}") from None
    audience, party = token.claims["aud"], token.claims.get("azp")
    # a token that is for others too says who asked for it, and that must be us (items 3 to 5)
    if party != provider.client_id if party is not None else audience not in (provider.client_id, [provider.client_id]):
        raise ProviderFault(f"{what}: wrong_audience")
    return token


def _check_subject(subject: object) -> None:
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise ProviderFault("ID token: sub is no text of 1 to 255 printable characters")


def _is_hash_of(at_hash: object, access_token: str, alg: str) -> bool:
    """Whether it is the left half of the token's digest (OpenID Connect Core §3.1.3.6); Ed25519 digests by SHA-512."""
    digest = _AT_HASH.get(alg[-3:], sha512)(access_token.encode()).digest()
    wanted = encode(digest[: len(digest) // 2])
    return isinstance(at_hash, str) and compare_digest(at_hash.encode(errors="surrogatepass"), wanted.encode())


def _is_verified(value: object, provider: OIDC) -> bool:
    return value is True or (provider.email_verified_as_text and value == "true")


def _first_text(claims: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := claims.get(name), str) and value), "")
