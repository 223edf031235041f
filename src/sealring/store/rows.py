"""Records as rows: the same columns in the same order in every SQL dialect.

Scopes, claims and details are JSON text: no array or JSON type is asked of an engine. Nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.audit.event import Event
from sealring.authentication.one_time import OneTime
from sealring.revocation.entry import Entry
from sealring.sessions.revocation import EndSession, Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import SigningKey
from sealring.store.records import SessionRecord

Row = tuple[Any, ...]

SESSION_NAMES = (
    "id",
    "subject",
    "client_id",
    "scopes",
    "claims",
    "device",
    "address",
    "created_at",
    "auth_time",
    "last_seen_at",
    "idle_seconds",
    "expires_at",
    "generation",
    "minted_ms",
    "parent_minted_ms",
    "confirmed_ms",
    "child_minted_ms",
    "ended_at",
    "ended_by",
    "amr",
    "acr",
)
MOVING_NAMES = (
    "scopes",
    "claims",
    "device",
    "address",
    "last_seen_at",
    "generation",
    "minted_ms",
    "parent_minted_ms",
    "confirmed_ms",
    "child_minted_ms",
)
"""What a refresh may change. Who the session belongs to, its limits and its end are not among it."""
SESSION_COLUMNS = ", ".join(SESSION_NAMES)
SESSION_COLUMNS_OF_S = ", ".join(f"s.{name}" for name in SESSION_NAMES)
ACCOUNT_COLUMNS = "id, name, canonical_name, email, canonical_email, password_hash, scopes, status, created_at"
ACCOUNT_COLUMNS_OF_A = ", ".join(f"a.{name}" for name in ACCOUNT_COLUMNS.split(", "))
CREDENTIAL_COLUMNS = "id, account_id, method, public, sealed, label, counter, created_at, last_used_at"
ONE_TIME_COLUMNS = "digest, purpose, subject, data, expires_at"
ENTRY_COLUMNS = "number, id, kind, target, epoch, expires_at"
EVENT_COLUMNS = "number, kind, at_ms, subject, session, address, cause, detail"
KEY_COLUMNS = "kid, alg, public_jwk, sealed, published_at, signs_from, verifies_until, revoked_at"

_decode_scopes = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_claims = msgspec.json.Decoder(dict[str, Any]).decode


def storable(*texts: str | None) -> bool:
    """Whether columns can hold these texts.

    PostgreSQL refuses NUL and nobody encodes a lone surrogate, so nothing stored is named by such text: a look-up that
    meets it has its answer, and a hostile path is no server error (D14).
    """
    return all(text is None or ("\0" not in text and _encodes(text)) for text in texts)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def names_something(revocation: Revocation) -> bool:
    """Whether what is to be revoked can be in a store at all."""
    if isinstance(revocation, EndSession):
        return storable(revocation.id, revocation.subject)
    return storable(revocation.subject)


def write_scopes(scopes: tuple[str, ...]) -> str:
    """Scopes as JSON text."""
    return msgspec.json.encode(scopes).decode()


def write_claims(claims: Mapping[str, Any]) -> str:
    """Claims as JSON text."""
    return msgspec.json.encode(dict(claims)).decode() if claims else "{}"


def write_session(session: Session) -> Row:
    """The row of a session, in the order of `SESSION_COLUMNS`."""
    return (
        session.id,
        session.subject,
        session.client_id,
        write_scopes(session.scopes),
        write_claims(session.claims),
        write_text(session.device),
        write_text(session.address),
        session.created_at,
        session.auth_time,
        session.last_seen_at,
        session.idle_seconds,
        session.expires_at,
        session.generation,
        session.minted_ms,
        session.parent_minted_ms,
        session.confirmed_ms,
        session.child_minted_ms,
        session.ended_at,
        session.ended_by,
        write_scopes(session.amr),
        session.acr,
    )


def write_moving(session: Session) -> Row:
    """What a refresh may change of a session, in the order of `MOVING_NAMES`."""
    return (
        write_scopes(session.scopes),
        write_claims(session.claims),
        write_text(session.device),
        write_text(session.address),
        session.last_seen_at,
        session.generation,
        session.minted_ms,
        session.parent_minted_ms,
        session.confirmed_ms,
        session.child_minted_ms,
    )


def read_session(row: Row) -> Session:
    """The session of a row."""
    return Session(
        id=row[0],
        subject=row[1],
        client_id=row[2],
        scopes=_decode_scopes(row[3]),
        claims=_decode_claims(row[4]),
        device=row[5],
        address=row[6],
        created_at=row[7],
        auth_time=row[8],
        last_seen_at=row[9],
        idle_seconds=row[10],
        expires_at=row[11],
        generation=row[12],
        minted_ms=row[13],
        parent_minted_ms=row[14],
        confirmed_ms=row[15],
        child_minted_ms=row[16],
        ended_at=row[17],
        ended_by=row[18],
        amr=_decode_scopes(row[19]),
        acr=row[20],
    )


def write_account(account: Account) -> Row:
    """The row of an account, in the order of `ACCOUNT_COLUMNS`; its epoch lives with the subject."""
    return (
        account.id,
        account.name,
        account.canonical_name,
        account.email,
        account.canonical_email,
        account.password_hash,
        write_scopes(account.scopes),
        account.status,
        account.created_at,
    )


def read_account(row: Row) -> Account:
    """The account of a row that ends with its subject's epoch."""
    return Account(
        id=row[0],
        name=row[1],
        canonical_name=row[2],
        email=row[3],
        canonical_email=row[4],
        password_hash=row[5],
        scopes=_decode_scopes(row[6]),
        status=row[7],
        created_at=row[8],
        epoch=row[9],
    )


def write_credential(credential: Credential) -> Row:
    """The row of a credential, in the order of `CREDENTIAL_COLUMNS`."""
    return (
        credential.id,
        credential.account_id,
        credential.method,
        credential.public,
        credential.sealed,
        write_text(credential.label),
        credential.counter,
        credential.created_at,
        credential.last_used_at,
    )


def read_credential(row: Row) -> Credential:
    """The credential of a row."""
    return Credential(
        id=row[0],
        account_id=row[1],
        method=row[2],
        public=row[3],
        sealed=row[4],
        label=row[5],
        counter=row[6],
        created_at=row[7],
        last_used_at=row[8],
    )


def write_one_time(one_time: OneTime) -> Row:
    """The row of something that counts once, in the order of `ONE_TIME_COLUMNS`."""
    return one_time.digest, one_time.purpose, one_time.subject, one_time.data, one_time.expires_at


def read_one_time(row: Row) -> OneTime:
    """What counts once, of a row."""
    return OneTime(digest=row[0], purpose=row[1], subject=row[2], data=row[3], expires_at=row[4])


def read_session_record(row: Row) -> SessionRecord:
    """The record of a row that holds a session, then an account or nulls, then the epoch."""
    account = row[len(SESSION_NAMES) :]
    return SessionRecord(
        session=read_session(row),
        epoch=row[-1],
        account=None if account[0] is None else read_account(account),
    )


def read_entry(row: Row) -> Entry:
    """The revocation of a row."""
    return Entry(*row)


def write_event(event: Event) -> Row:
    """The row of an audit line without its number."""
    return (
        event.kind,
        event.at_ms,
        write_text(event.subject),
        write_text(event.session),
        write_text(event.address),
        write_text(event.cause),
        json.dumps(dict(event.detail)),
    )


def write_text(text: str) -> str:
    """Text from outside. What no column can hold is written as an escape: neither lost nor a server error."""
    return text if storable(text) else text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()


def read_event(row: Row) -> Event:
    """The audit line of a row."""
    return Event(
        number=row[0],
        kind=row[1],
        at_ms=row[2],
        subject=row[3],
        session=row[4],
        address=row[5],
        cause=row[6],
        detail=json.loads(row[7]),
    )


def write_key(key: SigningKey) -> Row:
    """The row of a signing key, in the order of `KEY_COLUMNS`."""
    return (
        key.kid,
        key.alg,
        key.public_jwk,
        key.sealed,
        key.published_at,
        key.signs_from,
        key.verifies_until,
        key.revoked_at,
    )


def read_key(row: Row) -> SigningKey:
    """The signing key of a row."""
    return SigningKey(
        kid=row[0],
        alg=row[1],
        public_jwk=row[2],
        sealed=row[3],
        published_at=row[4],
        signs_from=row[5],
        verifies_until=row[6],
        revoked_at=row[7],
    )
