"""The values that stores take and give, beside `Session` and `Entry`.

They are plain facts: no method decides anything. Times are Unix seconds unless named `_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sealring.jwt.frozen import freeze
from sealring.revocation.entry import Entry
from sealring.sessions.session import EndCause, Session

AccountStatus = Literal["active", "disabled"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user account. `id` is the `sub` of its tokens: 16 random bytes, base64url, never used again."""

    id: str
    name: str
    """As the user wrote it (NFC)."""
    canonical_name: str
    """NFKC + casefold: what is unique."""
    email: str | None = None
    canonical_email: str | None = None
    password_hash: str | None = field(repr=False)
    """A PHC string; none for an account without a password."""
    scopes: tuple[str, ...] = ()
    status: AccountStatus = "active"
    created_at: int
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChange:
    """Replace the hash if it still is `old_hash` (compare-and-swap); `ends_sessions` is false only for a rehash."""

    old_hash: str | None = field(repr=False)
    new_hash: str = field(repr=False)
    ends_sessions: bool = True
    keep_session: str | None = None
    """This session of the account goes on, renewed: its access tokens become stale, its refresh tokens are dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """Disable (ends every session) or enable."""

    status: AccountStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopesChange:
    """Other scopes: access tokens become stale, sessions go on."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Remove the account; every session ends."""


AccountChange = PasswordChange | StatusChange | ScopesChange | Deletion


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginGuard:
    """A session of an account starts only while it is active and its hash is the one that was verified (U13)."""

    password_hash: str | None = field(repr=False)


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
class StaleSubject:
    """Raise the subject's epoch and keep its sessions: the next refresh brings new claims."""

    subject: str


Revocation = EndSession | EndSubject | StaleSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One counter of attempts, and how many it lets pass in how long."""

    key: str
    limit: int
    window_seconds: int
    owner: str = ""
    """Whose success, or whose operator, empties it together with all others of theirs; nobody's when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One signing key at rest. Its state follows from its times: published → signing → retired → gone (D9)."""

    kid: str
    alg: str
    public_jwk: str | None
    """JSON of the public JWK; none for an HMAC key."""
    sealed: bytes = field(repr=False)
    """The private JWK, encrypted under the root secret with the kid as associated data."""
    published_at: int
    signs_from: int
    verifies_until: int | None = None
    """Set when a successor is published; after it the key is gone."""
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All signing keys that are not gone, at one version."""

    version: int
    keys: tuple[SigningKey, ...]
    longest_access_ttl: int = 0
    """As in `FeedPage`, from the same snapshot: a retired key verifies for that long after its last signature."""


@dataclass(frozen=True, slots=True)
class DeclaredTtl:
    """A life of access tokens that some issuer of this store has declared before it signed one (design D19)."""

    seconds: int
    since: int
    """When it was first declared, by the clock of the issuer that did."""
    until: int
    """When the last token of this life has expired, unless the declaration is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """A piece of the revocation feed, read in one consistent snapshot."""

    incarnation: str
    """Random id of this life of the store; it changes when the store was restored."""
    head: int
    """The highest number given so far."""
    complete: bool
    """False when not every number after the cursor up to `head` is among `entries` (forgotten, or the cursor is ahead
    of this store): the follower then loads all."""
    entries: tuple[Entry, ...]
    """All entries after the cursor, in number order (all live ones when the cursor was none)."""
    digest: int
    """XOR of `entry_digest` over every entry ever numbered up to `head`, kept beside the counter and moved by the
    same statement. A follower that XORs what it was given must come to the same number: one that skipped an entry,
    or whose store went back in time and used a number twice, does not (I8, F7, F14)."""
    keys_version: int
    time_ms: int
    """The store's own clock."""
    longest_access_ttl: int
    """Seconds: no issuer of this store signs an access token that lives longer, and every revocation is kept for at
    least as long (design D19). 0 before the first issuer has declared a life."""
    acknowledged_ms: int | None = None
    """When, on that clock, the newest write was made that this snapshot proves to have been acknowledged: see
    `Store.beat`. None where whatever can be read has been acknowledged."""
