"""Who is asking: what a verified access token says, as a value that nobody can change.

One `Principal` is shared by every request that brings the same token (the verifier's cache holds
it), so it is frozen all the way down: a handler that could write into it would write into other
requests (design D3). It is a plain value besides: a route can return it, and it can be pickled, copied, compared
and hashed. The attribute names that Starlette's `request.user` expects are here too, without an import of
Starlette.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealring.jwt.frozen import FrozenDict, freeze
from sealring.sessions.client_id import is_client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The verified caller (RFC 9068 §2.2). Times are Unix seconds.

    >>> user = auth.verify((await auth.start_session("42", claims={"tenant": "t1"}, amr=["pwd"])).access_token.text)
    >>> user.subject, user.amr, user.claims["tenant"]
    ('42', ('pwd',), 't1')
    >>> user.claims["tenant"] = "t2"
    Traceback (most recent call last):
    TypeError: claims are read-only; change a copy, dict(claims)
    """

    subject: str
    """`sub`: the id of an account of ours or of a user of yours."""
    session_id: str
    """`sid`; empty for a token of another issuer, which has no session here."""
    client_id: str
    """`client_id`: the OAuth client that the token was issued to."""
    scopes: frozenset[str]
    """`scope`, split: scope tokens of RFC 6749 §3.3."""
    epoch: int
    """The subject's epoch when the token was signed; a lower one than the current is outdated."""
    kid: str
    """The id of the key that signed it."""
    token_id: str
    """`jti`."""
    issued_at: int
    """`iat`."""
    expires_at: int
    """`exp`."""
    auth_time: int
    """When the user last proved who they are (OpenID Connect Core §2)."""
    amr: tuple[str, ...] = ()
    """How the user proved who they are (RFC 8176 §2); empty where the issuer does not say."""
    acr: str = ""
    """How strongly; after a login of our own `sfa` (one factor), `mfa` (two) or `phr` (two, one of which resists
    phishing)."""
    session_expires_at: int | None = None
    """When the session ends unless it is refreshed, by its absolute end or the idle limit; None where the issuer does
    not say."""
    is_device_bound: bool = False
    """Whether the session is bound to the device that it began on: then its cookies are worth minutes elsewhere."""
    claims: Mapping[str, Any]
    """Every claim of the token, read-only all the way down (`sealring.jwt.frozen`): objects are dicts that refuse to
    change, arrays are tuples."""

    def __post_init__(self) -> None:
        if type(self.claims) is not FrozenDict:  # the verifier's are frozen already
            object.__setattr__(self, "claims", freeze(self.claims))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic: a Principal may be answered with, and no request brings one.

        A parameter `user: Principal` without `Security(guard(auth))` is a body to FastAPI: its sender would say who
        they are.
        """
        only_ours = {"type": "no-info", "function": _refuse_input}
        return {"type": "function-before", "function": only_ours, "schema": handler(source)}

    @property
    def is_authenticated(self) -> bool:
        """Always true (Starlette's word)."""
        return True

    @property
    def is_bound(self) -> bool:
        """Whether a copy of the token is worth little: bound to the device (DBSC), or to a key that was proved (DPoP).

        >>> from sealring.testing import principal
        >>> principal("42").is_bound, principal("42", is_device_bound=True).is_bound
        (False, True)
        """
        return self.is_device_bound or "cnf" in self.claims

    @property
    def is_client(self) -> bool:
        """Whether a registered client acts for itself (RFC 9068 §2.2): then `subject` is its id and there is no user.

        >>> from sealring.testing import principal
        >>> report = "client_AAAAAAAAAAAAAAAA"
        >>> principal("42").is_client, principal(report, client_id=report).is_client
        (False, True)
        """
        return self.client_id == self.subject and is_client_id(self.subject)

    @property
    def display_name(self) -> str:
        """The subject: a token holds no name (Starlette's word)."""
        return self.subject

    @property
    def identity(self) -> str:
        """The subject (Starlette's word)."""
        return self.subject


def _refuse_input(value: object) -> object:
    """A TypeError, since pydantic makes an answer for the sender of each ValueError."""
    if isinstance(value, Principal):
        return value
    raise TypeError("a Principal comes from a guard, never from input: Annotated[Principal, Security(guard(auth))]")
