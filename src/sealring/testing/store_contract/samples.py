"""Values for tests of stores: accounts, sessions, events, with what does not matter filled in."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, NamedTuple

from sealring.accounts.account import Account
from sealring.accounts.changes import CredentialAdded
from sealring.accounts.credential import Credential
from sealring.accounts.oauth_client import OAuthClient, digest_of_secret
from sealring.audit.event import Event, EventKind
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import INVITATION, OneTime, digest_of
from sealring.revocation.entry import Entry
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims
from sealring.sessions.session import Session
from sealring.signing_keys.key import SigningKey
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard

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


def a_client(name: str = "report", **fields: Any) -> OAuthClient:
    values: dict[str, Any] = {
        "id": f"client_{secrets.token_urlsafe(12)}",
        "name": name,
        "secret_digest": digest_of_secret("a secret"),
        "scopes": ("orders:read",),
        "created_at": NOW,
    }
    return OAuthClient(**(values | fields))


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


def a_mail(id: str = "m-1", **fields: Any) -> QueuedMail:
    values: dict[str, Any] = {
        "id": id,
        "kind": "reset",
        "account_id": "42",
        "email": "ada@example.com",
        "language": "en",
        "created_at": NOW,
        "due_at": NOW,
        "expires_at": NOW + 3600,
    }
    return QueuedMail(**(values | fields))


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


ACTIVE = LoginGuard(epoch=0)


async def start(
    store: Store, session: Session, *, guard: LoginGuard | None = None, cap: int = 100, replaces: str | None = None
) -> Started | None:
    return started_of(await store.start_session(session, an_event(), guard=guard, cap=cap, replaces=replaces))


async def revoke(store: Store, revocation: EndSession | EndSubject | RefreshClaims) -> tuple[Entry, ...]:
    return (await store.revoke(revocation, an_event("session_ended"), now=NOW)).entries


async def end_of(store: Store, session: Session) -> str | None:
    record = await store.read_session(session.id)
    assert record is not None
    return record.session.ended_by


def moved(session: Session, **fields: object) -> Session:
    step: dict[str, object] = {
        "generation": session.generation + 1,
        "minted_ms": session.minted_ms + 60_000,
        "parent_minted_ms": session.minted_ms,
        "confirmed_ms": session.confirmed_ms + 61_000,
        "child_minted_ms": session.minted_ms + 61_000,
        "last_seen_at": session.last_seen_at + 61,
    }
    return replace(session, **(step | fields))  # type: ignore[arg-type]


def an_invitation(digest: str = "d1", expires_at: int = NOW + 60) -> OneTime:
    return OneTime(digest=digest, purpose=INVITATION, subject="", expires_at=expires_at)


def a_credential(account_id: str, id: str = "key-1", **fields: Any) -> Credential:
    values: dict[str, Any] = {
        "method": "passkey",
        "public": b"\x00public\xff",
        "encrypted": b"\x00sealed\xff",
        "label": "my phone ✓",
        "created_at": NOW,
    }
    return Credential(id=id, account_id=account_id, **(values | fields))


def a_link(name: str = "link", **fields: Any) -> OneTime:
    values: dict[str, Any] = {
        "digest": digest_of("reset", name),
        "purpose": "reset",
        "subject": "42",
        "data": '{"x": "ü"}',
        "expires_at": NOW + 60,
    }
    return OneTime(**(values | fields))


async def with_account(store: Store, name: str = "ada") -> str:
    account = an_account(name)
    await store.create_account(account, an_event("account_created"))
    return account.id


async def add_credential(store: Store, credential: Credential) -> bool:
    account = await store.find_account(id=credential.account_id)
    change = CredentialAdded(credential=credential, epoch=0 if account is None else account.epoch)
    return (await store.change_account(credential.account_id, change, an_event(), now=NOW)).result


async def epoch_of(store: Store, account_id: str) -> int:
    account = await store.find_account(id=account_id)
    assert account is not None
    return account.epoch


async def restored(store: Store, now: int = NOW + 10) -> list[str]:
    entries = (await store.reset_after_restore(an_event("store_restored"), now=now)).entries
    assert all(entry.kind == "key" and entry.expires_at == now + RETAIN for entry in entries)
    return [entry.target for entry in entries]
