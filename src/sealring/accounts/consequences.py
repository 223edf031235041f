"""What each change of an account revokes, decided once for every store (I7). Pure.

| change | sessions | access tokens |
|---|---|---|
| password | all end, except one that the user keeps, which is renewed | dead |
| rehash at login (`ends_sessions=False`) | go on | stay valid |
| disable | all end | dead |
| enable | none comes back (I5) | stay as they are |
| scopes | go on, and get the new scopes at their next refresh | outdated |
| delete | all end | dead |
| credential added or removed | go on; logins in flight prove anew (U13) | outdated |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from sealring.accounts.changes import (
    AccountChange,
    CredentialAdded,
    CredentialRemoved,
    Deletion,
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
        case ScopesChange() | CredentialAdded() | CredentialRemoved():
            return RaiseEpoch()
        case Deletion():
            return EndAll()
        case _:
            assert_never(change)
