"""The profile of access tokens (RFC 9068), for both halves: its claims, how they are written and read. Pure.

No name, no email: a cookie must hold no personal data. What the application adds may not speak for the issuer: it
cannot replace a claim of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from sealring import jwt
from sealring.errors import BadClaim, TokenTooLong
from sealring.jwt.compact import MAX_TOKEN_CHARS
from sealring.jwt.frozen import freeze
from sealring.jwt.signing import count_chars
from sealring.jwt.strict_json import require_json, write
from sealring.sessions.lifetimes import session_expiry
from sealring.sessions.session import Session
from sealring.sessions.status_list import write_reference

TYPE = "at+jwt"
"""The header's `typ` (RFC 9068 §2.1): no other token of the same key is taken for an access token."""

MAX_EPOCH = 2**31 - 1
"""Longer in a token than any epoch that an account will see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim that the issuer alone may set."""

    meaning: str
    json_type: Literal["string", "integer", "boolean", "array of strings", "object"]
    use: Literal["required", "where known", "reserved"]
    """In every token, and refused without it; in those tokens where its value is known; in none: reserved, because
    other verifiers trust it when they find it."""
    source: str
    """The clause that defines it."""


CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        "iss": Claim(
            meaning="The issuer.", json_type="string", use="required", source="RFC 9068 §2.2, RFC 7519 §4.1.1"
        ),
        "aud": Claim(
            meaning="For which services the token is.",
            json_type="string",
            use="required",
            source="RFC 9068 §2.2, RFC 7519 §4.1.3",
        ),
        "sub": Claim(
            meaning="Whose session it is.",
            json_type="string",
            use="required",
            source="RFC 9068 §2.2, RFC 7519 §4.1.2",
        ),
        "client_id": Claim(
            meaning="The OAuth client; the issuer's own name for its pages. Of a registered client that acts for "
            "itself, the same as `sub`.",
            json_type="string",
            use="required",
            source="RFC 9068 §2.2, RFC 8693 §4.3",
        ),
        "sid": Claim(
            meaning="The session; what revokes it names it. Of a registered client, which has none, the one token.",
            json_type="string",
            use="required",
            source="OpenID Connect Front-Channel Logout §3",
        ),
        "jti": Claim(
            meaning="The token's own id, random.",
            json_type="string",
            use="required",
            source="RFC 9068 §2.2, RFC 7519 §4.1.7",
        ),
        "iat": Claim(
            meaning="When it was issued, in Unix seconds.",
            json_type="integer",
            use="required",
            source="RFC 9068 §2.2, RFC 7519 §4.1.6",
        ),
        "exp": Claim(
            meaning="From when on it is refused, in Unix seconds; never after the session's absolute end.",
            json_type="integer",
            use="required",
            source="RFC 9068 §2.2, RFC 7519 §4.1.4",
        ),
        "session_expiry": Claim(
            meaning="Until when a connection may stay open, in Unix seconds: the session ends then unless it is "
            "refreshed, by its idle limit or at its absolute end.",
            json_type="integer",
            use="where known",
            source="OpenID IPSIE SL1, with the idle limit",
        ),
        "auth_time": Claim(
            meaning="When the user last proved who they are, in Unix seconds; a refresh does not change it.",
            json_type="integer",
            use="required",
            source="RFC 9068 §2.2.1",
        ),
        "epoch": Claim(
            meaning="The subject's epoch; tokens of an earlier one are outdated or revoked.",
            json_type="integer",
            use="required",
            source="ours",
        ),
        "scope": Claim(
            meaning="What the session may do: scopes with a space between them.",
            json_type="string",
            use="required",
            source="RFC 9068 §2.2.3, RFC 8693 §4.2",
        ),
        "amr": Claim(
            meaning="How the user proved who they are.",
            json_type="array of strings",
            use="where known",
            source="RFC 9068 §2.2.1, RFC 8176 §2",
        ),
        "acr": Claim(
            meaning="How strongly.",
            json_type="string",
            use="where known",
            source="RFC 9068 §2.2.1",
        ),
        "device_bound": Claim(
            meaning="`true` where the session is bound to the device that it began on.",
            json_type="boolean",
            use="where known",
            source="ours",
        ),
        "status": Claim(
            meaning="The session's place in the Token Status List, where one is published; the index of a session is "
            "in all its tokens.",
            json_type="object",
            use="where known",
            source="Token Status List, draft 21 §6.1",
        ),
        "nbf": Claim(
            meaning="From when on a token is accepted.",
            json_type="integer",
            use="reserved",
            source="RFC 7519 §4.1.5",
        ),
        "cnf": Claim(
            meaning="The key that the bearer must prove (DPoP): `jkt`, its RFC 7638 thumbprint. Without the proof, the "
            "token is refused.",
            json_type="object",
            use="where known",
            source="RFC 7800 §3.1, RFC 9449 §6.1",
        ),
        "act": Claim(meaning="Who acts for the subject.", json_type="object", use="reserved", source="RFC 8693 §4.1"),
        "nonce": Claim(
            meaning="To which request a token belongs.",
            json_type="string",
            use="reserved",
            source="OpenID Connect Core §2",
        ),
    }
)
"""Every claim that the issuer alone may set. All others are the application's."""

REQUIRED = tuple(name for name, row in CLAIMS.items() if row.use == "required")
"""The claims without which a token is refused: RFC 9068 §2.2, and what revocation needs."""
RESERVED = frozenset(CLAIMS)
"""The claims that an application cannot add."""


class PrincipalValues(TypedDict):
    """What a verified access token says, named as in `Principal`."""

    subject: str
    session_id: str
    client_id: str
    scopes: frozenset[str]
    epoch: int
    kid: str
    token_id: str
    issued_at: int
    expires_at: int
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    session_expires_at: int | None
    is_device_bound: bool
    claims: Mapping[str, Any]


def write_claims(
    session: Session,
    *,
    issuer: str,
    audience: str,
    token_id: str,
    epoch: int,
    scopes: Iterable[str],
    claims: Mapping[str, Any],
    issued_at: int,
    expires_at: int,
    status_list_url: str = "",
) -> dict[str, Any]:
    """Return all claims of an access token; `claims` are those that the application adds.

    Raises:
        TypeError: the application's claims are no mapping.
        ValueError: they name one of ours.
    """
    check_claims(claims)
    written: dict[str, Any] = {
        **claims,
        "iss": issuer,
        "aud": audience,
        "sub": session.subject,
        "client_id": session.client_id,
        "sid": session.id,
        "jti": token_id,
        "iat": issued_at,
        "exp": expires_at,
        "session_expiry": session_expiry(session),
        "auth_time": session.auth_time,
        "epoch": epoch,
        "scope": " ".join(scopes),
    }
    if session.amr:  # an empty one would say that nothing was proved
        written["amr"] = list(session.amr)
    if session.acr:
        written["acr"] = session.acr
    if session.proof_key:
        written["cnf"] = {"jkt": session.proof_key}
    if session.is_bound:
        written["device_bound"] = True
    if status_list_url and session.status_index is not None:
        written["status"] = write_reference(session.status_index, status_list_url)
    return written


def read_claims(token: jwt.Token) -> PrincipalValues:
    """Return what a verified access token says.

    Raises:
        BadClaim: a claim has another type than the table says.
    """
    claims = token.claims
    if not isinstance(claims.get("status", {}), dict):
        raise BadClaim("status", "an object")
    if "cnf" in claims and not _is_thumbprint(claims["cnf"]):
        raise BadClaim("cnf", 'an object with "jkt" alone')  # any other confirmation is one that nobody here asks for
    return {
        "subject": _text(claims, "sub"),
        "session_id": _text(claims, "sid"),
        "client_id": _text(claims, "client_id"),
        "scopes": frozenset(_text(claims, "scope").split()),
        "epoch": _number(claims, "epoch"),
        "kid": token.kid or "",
        "token_id": _text(claims, "jti"),
        "issued_at": _number(claims, "iat"),
        "expires_at": _number(claims, "exp"),
        "auth_time": _number(claims, "auth_time"),
        "amr": _texts(claims, "amr") if "amr" in claims else (),
        "acr": _text(claims, "acr") if "acr" in claims else "",
        "session_expires_at": _number(claims, "session_expiry") if "session_expiry" in claims else None,
        "is_device_bound": _flag(claims, "device_bound"),
        "claims": freeze(claims),
    }


def check_claims(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse claims that only the issuer may set, and what no token can carry.

    Returns:
        The same claims, read-only.

    Raises:
        TypeError: not a mapping, a name that is not text, or a value that is not JSON; names the claim.
        ValueError: a claim of ours, or a value that JSON cannot carry: NaN, half a character; names the claim.
    """
    if not isinstance(claims, Mapping):
        raise TypeError('claims must be a mapping, as in {"tenant": "t1"}')
    try:
        frozen: Mapping[str, Any] = freeze(claims)
    except RecursionError:
        raise ValueError("claims are nested too deeply") from None
    for name, value in frozen.items():
        if type(name) is not str:
            raise TypeError(f"claim names must be text, not {type(name).__name__}")
        require_json(name, value)
        try:
            write({name: value})
        except UnicodeEncodeError:
            raise ValueError(f"claim {name!r} holds half of a surrogate pair, which is no character") from None
        except ValueError:  # `sys.set_int_max_str_digits`
            raise ValueError(f"claim {name!r} holds an integer that is too long") from None
    if clash := sorted(RESERVED.intersection(claims)):
        raise ValueError(f"claim {clash[0]!r} is set by the issuer")
    return frozen


def check_fits(claims: Mapping[str, Any], key: jwt.Key) -> int:
    """Check that these claims can be signed with this key at any epoch; call it before a session is written.

    Returns:
        How many characters the token has at the longest epoch.

    Raises:
        TypeError: a claim is no JSON.
        TokenTooLong: the token would be longer than any verifier accepts.
    """
    chars = count_chars({**claims, "epoch": MAX_EPOCH}, key, typ=TYPE)
    if chars > MAX_TOKEN_CHARS:
        raise TokenTooLong(MAX_TOKEN_CHARS)
    return chars


def _is_thumbprint(confirmation: object) -> bool:
    return (
        isinstance(confirmation, dict)
        and confirmation.keys() == {"jkt"}
        and isinstance(confirmation["jkt"], str)
        and bool(confirmation["jkt"])
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise BadClaim(name, "a string")
    return value


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims[name]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadClaim(name, "a list of strings")
    return tuple(value)


def _flag(claims: Mapping[str, Any], name: str) -> bool:
    value = claims.get(name, False)
    if type(value) is not bool:
        raise BadClaim(name, "a boolean")
    return value


def _number(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if type(value) is not int:
        raise BadClaim(name, "an integer")
    return value
