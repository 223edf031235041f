"""Values for tests of stores: accounts, sessions, events, with what does not matter filled in."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from sealring.accounts.account import Account
from sealring.audit.event import Event, EventKind
from sealring.revocation.entry import Entry
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.session import Session
from sealring.signing_keys.key import SigningKey
from sealring.store.protocol import Store
from sealring.store.records import Committed

NOW = 4_100_000_000
"""Later than any clock that tests run under: a revocation is kept by the later of the store's clock and this."""
TTL = 1800
RETAIN = TTL + LEEWAY_SECONDS


async def declare_ttl(store: Store, seconds: int = TTL) -> None:
    """As an issuer with that setting does before it signs."""
    await store.declare_access_ttl(seconds, now=NOW, signs_until=NOW + 3600)


def an_account(canonical_name: str = "ada", **fields: Any) -> Account:
    values: dict[str, Any] = {
        "id": secrets.token_urlsafe(16),
        "name": canonical_name,
        "canonical_name": canonical_name,
        "password_hash": "$argon2id$one",
        "created_at": NOW,
    }
    return Account(**(values | fields))


def a_session(subject: str = "42", **fields: Any) -> Session:
    created_at: int = fields.get("created_at", NOW)
    values: dict[str, Any] = {
        "id": secrets.token_urlsafe(16),
        "subject": subject,
        "client_id": "http",
        "scopes": ("orders:read", "orders:write"),
        "created_at": created_at,
        "auth_time": created_at,
        "last_seen_at": created_at,
        "idle_seconds": 14 * 86_400,
        "expires_at": created_at + 90 * 86_400,
        "minted_ms": created_at * 1000,
        "confirmed_ms": created_at * 1000,
    }
    return Session(**(values | fields))


def an_event(kind: EventKind = "login", **fields: Any) -> Event:
    values: dict[str, Any] = {"kind": kind, "at_ms": NOW * 1000}
    return Event(**(values | fields))


def a_key(kid: str = "k1", **fields: Any) -> SigningKey:
    values: dict[str, Any] = {
        "kid": kid,
        "alg": "ES256",
        "public_jwk": '{"kty":"EC"}',
        "encrypted": b"\x00\xff encrypted",
        "published_at": NOW,
        "signs_from": NOW,
    }
    return SigningKey(**(values | fields))


def entries_of(done: Committed[bool] | Committed[int | None]) -> tuple[Entry, ...] | None:
    """What was revoked; none when nothing was done."""
    was_done = done.result is not None and done.result is not False
    assert bool(done.events) == was_done, "what was done stands in the audit log, and nothing else does"
    return done.entries if was_done else None


class Started(NamedTuple):
    """A session that has started: the subject's epoch then, and what was ended for it."""

    epoch: int
    entries: tuple[Entry, ...]


def started_of(done: Committed[int | None]) -> Started | None:
    return None if done.result is None else Started(done.result, done.entries)
