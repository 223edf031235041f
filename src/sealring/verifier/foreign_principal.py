"""Who the bearer of another issuer's token is: of the old library, while both run side by side, or of another service.

A `jwt.Verifier` verifies such a token by keys and a policy of its own; this makes a `Principal` of it. The principal
has no session of ours: `session_id` is empty. Nothing here can revoke the token: it is good until its `exp`, which it
must have.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sealring.errors import BadClaim, MissingClaim, TokenBound
from sealring.jwt import Verifier as JwtVerifier
from sealring.jwt.values import Token
from sealring.sessions.grant import check_subject, scope_tokens
from sealring.verifier.principal import Principal

_log = logging.getLogger("sealring.foreign_tokens")

Scopes = Iterable[str] | Callable[[Mapping[str, Any]], Iterable[str]]


class VerifiesForeign(Protocol):
    """What verifies tokens of another issuer: a `jwt.Verifier` with a `ForeignPrincipal`, or an object of yours."""

    def verify(self, token: str, /) -> Principal:
        """Who the bearer is.

        Raises:
            TokenError: why not.
        """


class ForeignTokens:
    """Asks a verifier of another issuer's tokens, and takes a principal without a session from it, nothing else.

    Guards that ask for no scopes look at the principal no further: a coroutine, a dict or a `Token` would let
    everybody in, or every kind of token.

    Args:
        verifier: given by the application.

    Raises:
        TypeError: it cannot be one.
    """

    __slots__ = ("_verify",)

    def __init__(self, verifier: VerifiesForeign) -> None:
        verify = getattr(verifier, "verify", None)
        if not callable(verify):
            raise TypeError(
                "foreign_tokens must have a method verify, as jwt.Verifier(…, project=ForeignPrincipal()) has"
            )
        if inspect.iscoroutinefunction(verify):
            raise TypeError("foreign_tokens.verify must be a plain function: what is async would verify nothing")
        if isinstance(verifier, JwtVerifier) and (verifier.project is None or isinstance(verifier.project, type)):
            raise TypeError(
                "foreign_tokens=jwt.Verifier(…) needs project=ForeignPrincipal(…), which makes the principal"
            )
        self._verify: Callable[[str], object] = verify

    def verify(self, token: str) -> Principal:
        """Who the bearer is.

        Raises:
            TokenError: why not.
        """
        found = self._verify(token)
        if not isinstance(found, Principal) or found.session_id:
            _log.error("foreign_tokens.verify must return a Principal without a session, and every token is refused")
            raise BadClaim("sub", "that of a principal without a session")
        if "cnf" in found.claims:  # its issuer has bound it to a key, which nobody here asks for (RFC 7800 §3.1)
            raise TokenBound
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPrincipal:
    """Makes the principal of another issuer's token: `jwt.Verifier(keys, project=ForeignPrincipal())`.

    Args:
        subject: the claim with the user's id; text, or a whole number, which RFC 7519 §4.1.2 forbids in `sub` alone.
        scopes: what the bearer may do: scopes, or a function of the claims that gives them.
        expect: claims that must have exactly these values. Name the kind of token here: libraries sign refresh tokens
            with the same key, and those must not pass for access tokens.

    Raises:
        TypeError, ValueError: an argument of the wrong kind.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> old = jwt.Verifier(key, project=ForeignPrincipal(subject="id", expect={"type": "access"}))
    >>> old.verify(jwt.sign({"id": 42, "type": "access"}, key, expires_in="1h")).subject
    '42'
    """

    subject: str = "sub"
    scopes: Scopes = ()
    expect: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: object = self.subject
        if not isinstance(given, str):
            raise TypeError('subject must be the name of a claim, as in "sub"')
        if not isinstance(self.expect, Mapping):
            raise TypeError('expect must be a mapping of claims, as in {"type": "access"}')
        if inspect.iscoroutinefunction(self.scopes):
            raise TypeError("scopes must be scopes, or a plain function of the claims")
        if not callable(self.scopes):
            object.__setattr__(self, "scopes", scope_tokens(self.scopes))

    def __call__(self, token: Token) -> Principal:
        """Called once per remembered token.

        Raises:
            MissingClaim, BadClaim: a claim is not there, or not as expected.
        """
        claims = token.claims
        for name, wanted in self.expect.items():
            found = _claim(claims, name)
            if type(found) is not type(wanted) or found != wanted:
                raise BadClaim(name, "another value")
        issued_at, token_id = claims.get("iat", 0), claims.get("jti")
        auth_time, acr = claims.get("auth_time"), claims.get("acr")
        return Principal(
            subject=self._subject(claims),
            session_id="",
            client_id="",
            scopes=self._scopes(claims),
            epoch=0,
            kid=token.kid or "",
            token_id=token_id if isinstance(token_id, str) else "",
            issued_at=int(issued_at),
            expires_at=int(_claim(claims, "exp")),
            auth_time=auth_time if type(auth_time) is int else int(issued_at),
            acr=acr if isinstance(acr, str) else "",
            claims=claims,
        )

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        if not callable(self.scopes):
            return frozenset(self.scopes)
        try:
            scopes = self.scopes(claims)
            if isinstance(scopes, Mapping):  # {"admin": false} would grant admin
                raise TypeError("scopes must be a list")  # noqa: TRY301 - a refusal as any other
            return frozenset(scope_tokens(scopes))
        except Exception as error:  # I9: no claims of a token may be an error of the server, whatever the function does
            raise BadClaim("scopes", "what the function of the scopes reads") from error

    def _subject(self, claims: Mapping[str, Any]) -> str:
        found = _claim(claims, self.subject)
        subject: str = str(found) if type(found) is int else found
        try:
            check_subject(subject)
        except (TypeError, ValueError):
            raise BadClaim(self.subject, "text of 1 to 255 printable characters, or a whole number") from None
        return subject


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    found = claims.get(name)
    if found is None:
        raise MissingClaim(name)
    return found
