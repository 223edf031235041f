"""The values that stores take and give, beside `Session` and `Entry`.

They are plain facts: no method decides anything. Times are Unix seconds unless named `_ms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.audit.event import Event
from sealring.authentication.one_time import OneTime
from sealring.revocation.entry import Entry
from sealring.sessions.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUse:
    """What a proof by a credential writes when it is accepted: in the transaction in which the session starts.

    >>> from dataclasses import replace
    >>> ada = an_account("ada")
    >>> before = a_credential(ada.id)
    >>> done = await store.create_account(ada, an_event("account_created"), credential=before)
    >>> use = CredentialUse(before=before, after=replace(before, counter=7), spent=a_link("challenge"))
    >>> for _ in range(2):
    ...     guard = LoginGuard(epoch=0, use=use)
    ...     done = await store.start_session(a_session(ada.id), an_event(), guard=guard, cap=50, replaces=None)
    ...     print(done.result)
    0
    None
    >>> [credential.counter for credential in await store.find_credentials(account_id=ada.id)]
    [7]
    """

    before: Credential
    """As it was read."""
    after: Credential
    """Counter, label and time of the last use are put if they still are those of `before`; if not, another use has
    put its own, and this one counts all the same."""
    spent: OneTime
    """What was answered: it counts once."""
    events: tuple[Event, ...] = ()
    """Audit lines, before the one of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginGuard:
    """A session of an account starts only while it is active and its epoch is still that of the proof (U13).

    A change that voids a proof raises the epoch: another password or second factor, a disable, a delete, "log out
    everywhere". A rehash does not. Other scopes raise it too, so a login that they overtake proves once more.

    >>> ada = an_account("ada")
    >>> done = await store.create_account(ada, an_event("account_created"))
    >>> for guard in (LoginGuard(epoch=0), LoginGuard(epoch=7)):
    ...     done = await store.start_session(a_session(ada.id), an_event(), guard=guard, cap=50, replaces=None)
    ...     print(done.result)
    0
    None
    """

    epoch: int
    """As it was read together with what was proved against, in one consistent read."""
    use: CredentialUse | None = None
    """Written with the session. The guard does not hold where `spent` is there already."""


class StatusIndexTaken(Exception):
    """`start_session`: another session has this place in the Token Status List; nothing was written.

    >>> event = an_event("session_started")
    >>> for _ in range(2):
    ...     try:
    ...         session = a_session("42", status_index=7)
    ...         done = await store.start_session(session, event, guard=None, cap=2, replaces=None)
    ...     except StatusIndexTaken:
    ...         print("taken")
    taken
    """


Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Committed(Generic[Result_co]):
    """What one writing step did, once it is committed durably.

    `sealring.issuer.commit` puts the revocations in force and publishes the events; use cases see the result alone.

    >>> done = await store.create_account(an_account("ada"), an_event("account_created"))
    >>> done.result, done.entries, [event.kind for event in done.events]
    (None, (), ['account_created'])
    """

    result: Result_co
    """What the method's own text says."""
    entries: tuple[Entry, ...] = ()
    """The revocations that were written, in number order."""
    events: tuple[Event, ...] = ()
    """The audit lines that were written, in order, with their numbers. None: nothing happened."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as one consistent read: with the subject's epoch and, if the subject is an account of ours, that.

    >>> session = a_session("42")
    >>> done = await store.start_session(session, an_event("session_started"), guard=None, cap=50, replaces=None)
    >>> await store.read_session(session.id) == SessionRecord(session, epoch=0, account=None)
    True
    """

    session: Session
    """The session, ended or not."""
    epoch: int
    """Of the session's subject."""
    account: Account | None
    """None where the subject is a user of the application's own."""
