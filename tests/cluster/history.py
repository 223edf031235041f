"""What was done to a cluster and what came of it, on one monotonic clock: the evidence that the checker judges.

An operation that was answered ended "ok", "refused" (401 or 403: the credential is no good), "superseded" (409),
"unavailable" (503 or 429: ask again) or "broken" (anything else). One whose answer was lost is "unknown": it may have
happened, then or later, or not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "start", "log_in", "check", "refresh", "replay", "end", "end_subject", "stale_subject", "change_password"
]
Outcome = Literal["ok", "refused", "superseded", "unavailable", "broken", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request. Times are seconds."""

    kind: Kind
    node: str
    start: float
    end: float
    outcome: Outcome
    subject: str = ""
    session: str = ""
    """The session that it began, used or ended; after a password change the one that goes on."""
    token: str = ""
    """Fingerprint of the access token that it used ("check") or was given."""
    used: str = ""
    """Fingerprint of the refresh token that it used."""
    successor: str = ""
    """Fingerprint of the refresh token that it was given."""
    password: str = ""
    """What it logged in with, or what it replaced."""
    code: str = ""
    """The cause of a refusal, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What stands in the store when all is over."""

    sessions: dict[str, bool]
    """Whether each has ended."""
    reused: frozenset[str] = frozenset()
    """Sessions of which the audit log says that they ended for reuse."""


def as_line(operation: Operation) -> dict[str, Any]:
    """For a file that a person may have to read."""
    return {name: value for name, value in asdict(operation).items() if value != ""}
