"""What can be revoked: a session, all sessions of a subject, or its access tokens. Pure."""

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


Revocation = EndSession | EndSubject | RefreshClaims
