"""Who is asking: what a verified access token says, as a value that nobody can change.

One `Principal` is shared by every request that brings the same token (the verifier's cache holds
it), so it is frozen all the way down: a handler that could write into it would write into other
requests (D3). It is a plain value besides: a route can return it, and it can be pickled, copied, compared
and hashed. The attribute names that Starlette's `request.user` expects are here too, without an import of
Starlette.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealring.jwt.frozen import FrozenDict, freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The verified caller (RFC 9068 §2.2). Times are Unix seconds."""

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
    amr: tuple[str, ...] = ()
    """How the user proved who they are (RFC 8176 §2); empty where the issuer does not say."""
    acr: str = ""
    """How strongly; after a login of our own `sfa` (one factor), `mfa` (two) or `phr` (two, one of which resists
    phishing)."""
    session_expires_at: int | None = None
    """When the session ends unless it is refreshed, by its absolute end or the idle limit; None where the issuer does
    not say."""
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
