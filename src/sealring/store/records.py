"""The values that stores take and give, beside `Session` and `Entry`.

They are plain facts: no method decides anything. Times are Unix seconds unless named `_ms`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealring.accounts.account import Account
from sealring.revocation.entry import Entry
from sealring.sessions.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginGuard:
    """A session of an account starts only while it is active and its epoch is still that of the proof (U13).

    Whatever voids a proof raises the epoch: another password or second factor, a disable, a delete, "log out
    everywhere". A rehash does not. Other scopes raise it too, so a login that they overtake proves once more.
    """

    epoch: int
    """As it was read together with what was proved against, in one consistent read."""


@dataclass(frozen=True, slots=True)
class StartedSession:
    """What starting a session did: the subject's epoch at that moment, and what was ended for it."""

    epoch: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as one consistent read: with the subject's epoch and, if the subject is an account of ours, that."""

    session: Session
    epoch: int
    account: Account | None


@dataclass(frozen=True, slots=True)
class DeclaredTtl:
    """A life of access tokens that some issuer of this store has declared before it signed one (design D19)."""

    seconds: int
    since: int
    """When it was first declared, by the clock of the issuer that did."""
    until: int
    """When the last token of this life has expired, unless the declaration is renewed."""
