"""What can be revoked: a session, all sessions of a subject, its access tokens, or one token of a client. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sealring.sessions.session import EndCause, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """End one session. With `subject`: only if it is theirs. With `unmoved`: only if the row still is exactly this."""

    id: str
    cause: EndCause
    subject: str | None = None
    unmoved: Session | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSubject:
    """Raise the subject's epoch and end its sessions, all or all but `keep`."""

    subject: str
    cause: EndCause
    keep: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """Raise the subject's epoch and keep its sessions: the next refresh brings new claims."""

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToken:
    """Revoke the one access token of this `sid`: a registered client's, which has no session and so no row."""

    id: str
    subject: str


Revocation = EndSession | EndSubject | RefreshClaims | EndToken
