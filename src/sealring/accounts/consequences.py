"""What each change of an account revokes, decided once for every store (I7). Pure.

`consequence` is the table; docs/explanation/sessions.md shows it. Enabling brings no session back (I5). A credential
more or less makes logins in flight prove again, since the epoch rises (U13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, assert_never

from sealring.accounts.changes import (
    AccountChange,
    CredentialAdded,
    CredentialRemoved,
    Deletion,
    EmailChange,
    EmailConsequence,
    PasswordChange,
    ScopesChange,
    StatusChange,
)


@dataclass(frozen=True, slots=True)
class EndAll:
    """All sessions end and the epoch rises."""

    keep: str | None = None
    """This session goes on, renewed: with another refresh token."""


@dataclass(frozen=True, slots=True)
class RaiseEpoch:
    """Access tokens issued so far are outdated; sessions go on."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is revoked."""


Consequence = EndAll | RaiseEpoch | Nothing

EMAIL_CONSEQUENCES: Final[Mapping[EmailConsequence, Consequence]] = MappingProxyType(
    {"nothing": Nothing(), "tokens": RaiseEpoch(), "sessions": EndAll()}
)


def consequence(change: AccountChange) -> Consequence:
    """What a store must revoke in the transaction that makes this change.

    >>> consequence(Deletion())
    EndAll(keep=None)
    """
    match change:
        case PasswordChange():
            return EndAll(keep=change.keep_session) if change.ends_sessions else Nothing()
        case StatusChange():
            return EndAll() if change.status == "disabled" else Nothing()
        case EmailChange():
            return EMAIL_CONSEQUENCES[change.revokes]
        case ScopesChange() | CredentialAdded() | CredentialRemoved():
            return RaiseEpoch()
        case Deletion():
            return EndAll()
        case _:
            assert_never(change)
