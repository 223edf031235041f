"""Audit events: what happened, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sealring.jwt.frozen import freeze

EventKind = Literal[
    "account_created",
    "account_disabled",
    "account_enabled",
    "account_deleted",
    "password_changed",
    "scopes_changed",
    "login",
    "session_started",
    "login_failed",
    "throttled",
    "session_ended",
    "subject_revoked",
    "claims_refreshed",
    "refresh_reused",
    "key_published",
    "key_revoked",
    "keys_resealed",
    "store_restored",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit log. Never holds a token, a password or a secret."""

    kind: EventKind
    at_ms: int
    subject: str = ""
    session: str = ""
    address: str = ""
    cause: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    """Given by the store, rising; 0 before it is written."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", freeze(self.detail))
