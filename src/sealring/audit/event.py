"""Audit events: what happened, as values, and the table of the kinds there are. Pure.

The table says what each kind means, which fields and causes it has, and how loud the log is. The page
docs/reference/events.md is written from it, the log and the metrics read it. To add a kind: a word in `EventKind`, a
row in `EVENTS`, `scripts/docs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sealring.audit.queued_mail import QueuedMail
from sealring.jwt.frozen import freeze

EventKind = Literal[
    "invitation_created",
    "account_created",
    "account_disabled",
    "account_enabled",
    "account_deleted",
    "password_changed",
    "scopes_changed",
    "client_registered",
    "client_changed",
    "client_removed",
    "client_refused",
    "token_revoked",
    "credential_added",
    "credential_removed",
    "passkey_counter_back",
    "recovery_code_used",
    "email_changed",
    "email_verified",
    "mail_requested",
    "mail_link_refused",
    "mail_failed",
    "login",
    "session_started",
    "reauthenticated",
    "login_failed",
    "throttled",
    "device_bound",
    "device_refused",
    "session_ended",
    "subject_revoked",
    "claims_refreshed",
    "refresh_reused",
    "key_published",
    "key_revoked",
    "keys_reencrypted",
    "store_restored",
]
Severity = Literal["info", "warning"]
"""`warning`: an operator should look, since an attack or a leak is likely; a name of `logging`'s own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit log. Never holds a token, a password or a secret.

    >>> from sealring.testing import InMemorySealring
    >>> seen: list[Event] = []
    >>> auth = InMemorySealring(on_event=seen.append)
    >>> issued = await auth.start_session("42", address="192.0.2.7")
    >>> seen[-1].kind, seen[-1].subject, seen[-1].address
    ('session_started', '42', '192.0.2.7')
    >>> await auth.close()
    """

    kind: EventKind
    """What happened: a row of docs/reference/events.md."""
    at_ms: int
    """When, in Unix milliseconds."""
    subject: str = ""
    """Whose `sub` it concerns."""
    session: str = ""
    """Which session: its `sid`."""
    address: str = ""
    """IP address of the client."""
    cause: str = ""
    """One of the causes that its kind has."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """More, by the keys that its kind has; read-only."""
    number: int = 0
    """Given by the store, rising; 0 before it is written."""
    mails: tuple[QueuedMail, ...] = field(default=(), repr=False, compare=False)
    """What goes out because of it: put into the outbox by the transaction that writes this line. No part of the log."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", freeze(self.detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """What there is to know of one kind of event."""

    meaning: str
    fields: frozenset[str]
    """Of `subject`, `session`, `address`: those that may be filled; all others are empty."""
    causes: tuple[str, ...] = ()
    """Empty for a kind that has one cause, which its name says."""
    detail: Mapping[str, str] = field(default_factory=dict)
    """Keys of `detail`, and what they hold."""
    severity: Severity = "info"


def _row(meaning: str, fields: str = "", **more: Any) -> EventRow:
    return EventRow(meaning=meaning, fields=frozenset(fields.split()), **more)


_CREDENTIAL = {"method": "the method that uses it", "credential": "its id"}

EVENTS: Mapping[EventKind, EventRow] = MappingProxyType(
    {
        "invitation_created": _row(
            "An operator let one person register.",
            detail={"invitation": "the start of its digest, a name", "expires_at": "Unix seconds"},
        ),
        "account_created": _row(
            "A new account.",
            "subject address",
            causes=(
                "registered",
                "registered with an invitation",
                "registered by an identity provider",
                "created by operator",
                "imported by operator",
            ),
            detail={"invitation": "the name of the invitation that was used up, if there was one"},
        ),
        "account_disabled": _row(
            "An account can no longer log in; its sessions ended.", "subject", causes=("by operator",)
        ),
        "account_enabled": _row("A disabled account can log in again.", "subject", causes=("by operator",)),
        "account_deleted": _row(
            "An account is gone; its sessions ended.", "subject address", causes=("by operator", "deleted by user")
        ),
        "password_changed": _row(
            "The stored hash of a password changed. Sessions end except where it was only hashed again.",
            "subject address",
            causes=("changed by user", "set by operator", "rehashed at login", "reset by mail"),
        ),
        "scopes_changed": _row(
            "The scopes of an account changed; its access tokens are outdated.", "subject", causes=("by operator",)
        ),
        "client_registered": _row(
            "A program may ask for tokens of its own.", "subject", causes=("by operator",), detail={"name": "its name"}
        ),
        "client_changed": _row(
            "A registered client has a new secret or other scopes; its tokens are worthless.",
            "subject",
            causes=("secret replaced", "scopes changed"),
        ),
        "client_removed": _row(
            "A registered client is gone; its tokens are worthless.", "subject", causes=("by operator",)
        ),
        "client_refused": _row(
            "The credentials of a client were refused. Clients see one answer for both causes.",
            "subject address",
            causes=("unknown client", "wrong secret"),
        ),
        "token_revoked": _row(
            "One access token of a registered client was revoked.", "subject session address", causes=("by its bearer",)
        ),
        "credential_added": _row(
            "An account has one more credential beside its password; its access tokens are outdated.",
            "subject address",
            causes=("by user", "by verified address", "by application", "at login"),
            detail=_CREDENTIAL,
        ),
        "credential_removed": _row(
            "An account has one credential less; its access tokens are outdated.",
            "subject address",
            causes=("by user", "by operator"),
            detail=_CREDENTIAL,
        ),
        "passkey_counter_back": _row(
            "The signature counter of a passkey did not rise: somebody may have a copy of it. The login went on.",
            "subject",
            detail={"credential": "its id", "counter": "what it said", "known": "what it had said before"},
            severity="warning",
        ),
        "recovery_code_used": _row(
            "A recovery code stood in for a second factor: its owner should know.",
            "subject",
            detail={"left": "how many codes are left"},
            severity="warning",
        ),
        "email_changed": _row(
            "The email address of an account changed; its access tokens are outdated. Undone, its sessions ended.",
            "subject address",
            causes=("by operator", "by link", "by code", "undone by link"),
        ),
        "email_verified": _row(
            "Somebody proved to read the mail of an account, or an operator vouched for it.",
            "subject address",
            causes=("by link", "by code", "by reset", "by operator"),
        ),
        "mail_requested": _row(
            "Somebody asked for a mail. It goes out if there is such an account; they cannot tell.",
            "subject address",
            causes=(
                "verification",
                "change of the address",
                "forgotten password",
                "forgotten password of nobody",
                "login",
                "login of nobody",
            ),
        ),
        "mail_link_refused": _row(
            "A link or a code of a mail was refused. Clients see one answer for all causes.",
            "subject address",
            causes=("link was used or overtaken", "wrong code"),
        ),
        "mail_failed": _row(
            "A mail was given up.",
            "subject",
            causes=("refused for good", "could not be sent in time"),
            detail={"mail": "its kind", "tries": "how often it was tried"},
            severity="warning",
        ),
        "login": _row(
            "Somebody proved to be the owner of an account.",
            "subject address",
            detail={"methods": "the login methods that were proved, in order, with spaces between them"},
        ),
        "session_started": _row(
            "A session began.",
            "subject session address",
            detail={"device": "browser and system, as in `Firefox on Linux`"},
        ),
        "reauthenticated": _row(
            "The user of a session proved again who they are, or by one more factor: `auth_time` and `acr` are new.",
            "subject session address",
            detail={"acr": "how strongly, as in the claim `acr`"},
        ),
        "login_failed": _row(
            "A login was refused. Clients see one answer for all causes.",
            "subject address",
            causes=(
                "unknown name",
                "wrong password",
                "impossible password",
                "account is disabled",
                "account has no password",
                "password changed meanwhile",
                "wrong code",
                "email address changed meanwhile",
                "wrong current password",
                "unknown account",
                "proof of another account",
                "unknown method",
                "method out of order",
                "method may not be used now",
                "proof is too old",
                "no second factor",
                "first proof shows too little",
                "passkey response is unreadable",
                "passkey challenge is not good",
                "passkey challenge was used",
                "passkey is of another site",
                "passkey is unknown",
                "passkey is of another account",
                "passkey of another kind",
                "passkey user was not present",
                "passkey user was not verified",
                "passkey signature is wrong",
                "wrong code",
                "code was used",
                "enrollment is not good",
                "seed cannot be decrypted",
                "account changed during the login",
                "pending login is too old",
                "pending login is of another browser",
                "pending login was used",
                "account changed since the login began",
                "email address is not verified",
                "identity provider answered before",
                "session at the identity provider has ended",
                "answer of another identity provider",
                "answer of the identity provider failed a check",
                "identity belongs to no account",
                "identity must be linked first",
            ),
            detail={"method": "the login method, where a login by one failed"},
        ),
        "throttled": _row(
            "A rate limit was reached, or an account's limits were emptied.",
            "subject address",
            causes=(
                "account bucket is full",
                "address bucket is full",
                "address login bucket is full",
                "address begin bucket is full",
                "lifted by operator",
                "lifted by password change",
                "lifted by mail",
            ),
        ),
        "device_bound": _row(
            "A browser registered the key of its device: the session is refreshed with a proof of it only.",
            "subject session address",
            causes=("after the login", "again after a step-up"),
            detail={"alg": "the algorithm of the key"},
        ),
        "device_refused": _row(
            "A bound session was to be refreshed without proof of its key: somebody may hold a copy of its cookies, or"
            " the browser has lost the key. Nothing happened to the session.",
            "subject session address",
            causes=("no proof", "wrong proof"),
            severity="warning",
        ),
        "session_ended": _row(
            "A session ended; [sessions](../explanation/sessions.md#how-a-session-ends) explains the causes.",
            "subject session address",
            causes=(
                "logout",
                "ended_by_user",
                "ended_by_operator",
                "replaced",
                "over_cap",
                "ended_by_provider",
                "absolute",
                "idle",
            ),
        ),
        "subject_revoked": _row(
            "All sessions of a subject ended, except the one that `session` names.",
            "subject session address",
            causes=("subject_revoked", "ended_by_user", "ended_by_operator"),
        ),
        "claims_refreshed": _row(
            "The access tokens of a subject are outdated: the next refresh asks for scopes and claims again.", "subject"
        ),
        "refresh_reused": _row(
            "A dead refresh token came back: somebody may hold a copy. The session ended.",
            "subject session address",
            causes=("a dead refresh token with a good MAC was used",),
            severity="warning",
        ),
        "key_published": _row(
            "The set of signing keys changed.",
            causes=(
                "first key",
                "standby",
                "standby brought forward",
                "rotation asked for",
                "retired keys dropped",
                "ends of keys moved",
            ),
            detail={"kid": "of the new key", "alg": "its algorithm", "signs_from": "Unix seconds"},
        ),
        "key_revoked": _row(
            "A signing key was revoked, with every token that it signed.",
            detail={"kid": "of the key"},
            severity="warning",
        ),
        "keys_reencrypted": _row(
            "Signing keys were encrypted again under the first root secret.", detail={"kids": "of the keys"}
        ),
        "store_restored": _row(
            "`sealring restored`: all sessions ended, all signing keys were replaced.", severity="warning"
        ),
    }
)
"""One row per kind."""


def faults_of(event: Event) -> list[str]:
    """What an event has that its row does not name.

    >>> faults_of(Event(kind="key_revoked", at_ms=0, subject="42", detail={"kid": "a"}))
    ['subject']
    """
    row = EVENTS.get(event.kind)
    if row is None:
        return [f"kind {event.kind}"]
    faults = [name for name in ("subject", "session", "address") if getattr(event, name) and name not in row.fields]
    if event.cause and event.cause not in row.causes:
        faults.append(f"cause {event.cause}")
    return faults + [f"detail {name}" for name in event.detail if name not in row.detail]
