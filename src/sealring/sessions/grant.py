"""What a subject may do: scopes and claims, checked. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sealring.errors import ScopeRefused
from sealring.sessions.access_token import check_claims
from sealring.sessions.session import Session


@dataclass(frozen=True, slots=True)
class Grant:
    """What a subject may do now; requested at login and again at each refresh.

    Args:
        scopes: scope tokens of RFC 6749 §3.3, each once.
        claims: added to each access token of the session: JSON by names that no claim of ours has.

    Raises:
        TypeError, ValueError: scopes or claims that no access token can carry; names the scope or the claim.

    >>> async def grant_for(session: Session) -> Grant | None:  # Sealring(grant_for=grant_for)
    ...     return Grant(["orders:read"], {"tenant": "t1"}) if session.subject != "mallory" else None
    >>> Grant(["orders read"])
    Traceback (most recent call last):
    ValueError: scope 'orders read' is not a scope token of RFC 6749 §3.3
    """

    scopes: Sequence[str]
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scopes", scope_tokens(self.scopes))
        object.__setattr__(self, "claims", check_claims(self.claims))


GrantFor = Callable[[Session], Awaitable[Grant | None]]
"""The application's answer at each login and refresh: what the session's subject may do now.

None grants nothing: no session starts, and a session being refreshed ends.
"""


MAX_SUBJECT = 255


def check_subject(subject: object) -> None:
    """`sub` is a non-empty string of at most 255 characters (OpenID Connect Core §2).

    Raises:
        TypeError: it is not a string.
        ValueError: it is empty, too long or not printable.
    """
    if not isinstance(subject, str):
        raise TypeError(f"subject must be text, not {type(subject).__name__}")
    if not subject or len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise ValueError("subject must be 1 to 255 printable characters")


MAX_AUTHENTICATION = 64


def check_amr(amr: Iterable[str]) -> tuple[str, ...]:
    """`amr` is a list of short names, each once (OpenID Connect Core §2, RFC 8176).

    Raises:
        TypeError: not several strings.
        ValueError: a name is empty or too long, or there are too many.
    """
    if isinstance(amr, str) or not isinstance(amr, Iterable):
        raise TypeError('amr must be a list of strings, as in ["pwd"]')
    several = tuple(dict.fromkeys(amr))
    if len(several) > MAX_AUTHENTICATION:
        raise ValueError(f"amr must hold at most {MAX_AUTHENTICATION} names")
    for name in several:
        if not check_acr(name, named="a name in amr"):
            raise ValueError("a name in amr must not be empty")
    return several


def check_acr(acr: str, *, named: str = "acr") -> str:
    """`acr` is one short name, or empty where nothing is known.

    Raises:
        TypeError: it is no string.
        ValueError: it is too long or cannot be printed.
    """
    if not isinstance(acr, str):
        raise TypeError(f"{named} must be text, not {type(acr).__name__}")
    if len(acr) > MAX_AUTHENTICATION or not acr.isprintable():
        raise ValueError(f"{named} must be at most {MAX_AUTHENTICATION} printable characters")
    return acr


def scope_tokens(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return scope tokens (RFC 6749 §3.3), each once, in their order.

    Raises:
        TypeError: not a list of strings. A single string would be read as its letters.
        ValueError: a scope is empty or has a character that RFC 6749 does not allow.
    """
    if isinstance(scopes, str) or not isinstance(scopes, Iterable):
        raise TypeError('scopes must be a list of strings, as in ["orders:read"]')
    several = tuple(scopes)
    for scope in several:
        if not isinstance(scope, str):
            raise TypeError('scopes must be a list of strings, as in ["orders:read"]')
        if not is_scope(scope):
            raise ValueError(f"scope {scope!r} is not a scope token of RFC 6749 §3.3")
    return tuple(dict.fromkeys(several))


def narrowed(granted: Iterable[str], wanted: Iterable[str] | None) -> tuple[str, ...]:
    """What is granted, or the part of it that is asked for (RFC 6749 §3.3, §6).

    Raises:
        ScopeRefused: more is asked for.

    >>> narrowed(["a", "b"], None), narrowed(["a", "b"], ["b"])
    (('a', 'b'), ('b',))
    """
    granted = tuple(granted)
    if wanted is None:
        return granted
    asked = tuple(dict.fromkeys(wanted))
    if not set(asked) <= set(granted):
        raise ScopeRefused("a scope is asked for that is not granted")
    return asked


def is_scope(text: str) -> bool:
    """Whether this is a scope token (RFC 6749 §3.3)."""
    return bool(text) and all("!" <= character <= "~" and character not in '"\\' for character in text)
