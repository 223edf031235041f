"""Records as rows: the same columns in the same order in every SQL dialect.

A table's columns are the fields of its dataclass, so a new column is one new field and one line of SQL in a migration.
Scopes, claims and details are JSON text: no array or JSON type is asked of an engine. Nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.accounts.oauth_client import OAuthClient
from sealring.audit.event import Event
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import OneTime
from sealring.revocation.entry import Entry
from sealring.sessions.revocation import EndSession, EndToken, Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import SigningKey
from sealring.store.records import SessionRecord

Row = tuple[Any, ...]
T = TypeVar("T")

_decode_scopes = msgspec.json.Decoder(tuple[str, ...]).decode


def storable(*texts: str | None) -> bool:
    """Whether columns can hold these texts.

    PostgreSQL refuses NUL and nobody encodes a lone surrogate, so nothing stored is named by such text: a look-up that
    meets it has its answer, and a hostile path is no server error (design D14).
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
    if isinstance(revocation, EndSession | EndToken):
        return storable(revocation.id, revocation.subject)
    return storable(revocation.subject)


def write_scopes(scopes: tuple[str, ...]) -> str:
    """Scopes as JSON text."""
    return msgspec.json.encode(scopes).decode()


def write_claims(claims: Mapping[str, Any]) -> str:
    """Claims as JSON text."""
    return msgspec.json.encode(dict(claims)).decode() if claims else "{}"


def write_text(text: str) -> str:
    """Text from outside. What no column can hold is written as an escape: neither lost nor a server error."""
    return text if storable(text) else text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()


def _as_it_is(value: Any) -> Any:
    return value


class ColumnForm(NamedTuple):
    """How a field that is no plain number or text stands in its column."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any] = _as_it_is


TEXT_FROM_OUTSIDE = ColumnForm(write_text)
SCOPES = ColumnForm(write_scopes, _decode_scopes)
CLAIMS = ColumnForm(write_claims, msgspec.json.Decoder(dict[str, Any]).decode)
DETAIL = ColumnForm(lambda detail: json.dumps(dict(detail)), json.loads)
"""In ASCII: a detail may hold what was typed, even a lone surrogate."""


class Table(Generic[T]):
    """Values of one dataclass as rows; a column for each field.

    Args:
        kind: the dataclass.
        forms: fields that are written in another form than they have.
        omit: fields that have no column here.
    """

    def __init__(
        self, kind: type[T], forms: Mapping[str, ColumnForm] | None = None, *, omit: Collection[str] = ()
    ) -> None:
        self._kind = kind
        self._forms = {} if forms is None else dict(forms)
        self.names = tuple(field.name for field in fields(kind) if field.name not in omit)  # type: ignore[arg-type]
        self.columns = ", ".join(self.names)
        self.write = self.writer(self.names)
        """A value's row."""
        self._reads = [(name, form.read) for name, form in self._forms.items() if form.read is not _as_it_is]

    def columns_of(self, alias: str) -> str:
        """The columns of a table that stands under another name in a statement."""
        return ", ".join(f"{alias}.{name}" for name in self.names)

    def writer(self, names: tuple[str, ...]) -> Callable[[T], Row]:
        """Writes these fields alone."""
        get = attrgetter(*names)
        writes = [(place, self._forms[name].write) for place, name in enumerate(names) if name in self._forms]

        def write_row(value: T) -> Row:
            row = list(get(value))
            for place, write in writes:
                row[place] = write(row[place])
            return tuple(row)

        return write_row

    def read(self, row: Row, **omitted: Any) -> T:
        """The value of a row that begins with these columns.

        Args:
            row: may go on.
            omitted: fields that have no column.
        """
        values = dict(zip(self.names, row, strict=False))
        for name, read in self._reads:
            values[name] = read(values[name])
        return self._kind(**values, **omitted)


_SESSIONS = Table(
    Session,
    {"scopes": SCOPES, "claims": CLAIMS, "device": TEXT_FROM_OUTSIDE, "address": TEXT_FROM_OUTSIDE, "amr": SCOPES},
)
_ACCOUNTS = Table(Account, {"scopes": SCOPES}, omit={"epoch"})
"""The epoch stands with the subject, which outlives its account."""
_CLIENTS = Table(OAuthClient, {"scopes": SCOPES, "introspects": ColumnForm(_as_it_is, bool)}, omit={"epoch"})
"""As accounts."""
_CREDENTIALS = Table(Credential, {"label": TEXT_FROM_OUTSIDE})
_ONE_TIME = Table(OneTime)
_KEYS = Table(SigningKey)
_EVENTS = Table(
    Event,
    dict.fromkeys(("subject", "session", "address", "cause"), TEXT_FROM_OUTSIDE) | {"detail": DETAIL},
    omit={"number", "mails"},
)
"""The number is the store's to give; mails have a table of their own."""
_MAILS = Table(QueuedMail)

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
PROOF_NAMES = ("auth_time", "amr", "acr")
"""What another proof of the user's changes."""
SESSION_NAMES = _SESSIONS.names
CREDENTIAL_NAMES = _CREDENTIALS.names
SESSION_COLUMNS = _SESSIONS.columns
SESSION_COLUMNS_OF_S = _SESSIONS.columns_of("s")
ACCOUNT_COLUMNS = _ACCOUNTS.columns
ACCOUNT_COLUMNS_OF_A = _ACCOUNTS.columns_of("a")
CLIENT_COLUMNS = _CLIENTS.columns
CLIENT_COLUMNS_OF_C = _CLIENTS.columns_of("c")
CREDENTIAL_COLUMNS = _CREDENTIALS.columns
CREDENTIAL_COLUMNS_OF_C = _CREDENTIALS.columns_of("c")
ONE_TIME_COLUMNS = _ONE_TIME.columns
ENTRY_COLUMNS = "number, id, kind, target, epoch, expires_at"
EVENT_COLUMNS = f"number, {_EVENTS.columns}"
KEY_COLUMNS = _KEYS.columns
MAIL_COLUMNS = _MAILS.columns

write_session, read_session = _SESSIONS.write, _SESSIONS.read
write_moving = _SESSIONS.writer(MOVING_NAMES)
"""What a refresh may change of a session, in the order of `MOVING_NAMES`."""


write_proof = _SESSIONS.writer(PROOF_NAMES)
"""What another proof changes of a session, in the order of `PROOF_NAMES`."""


def set_moving(placeholder: str) -> str:
    """The assignments that take what `write_moving` wrote."""
    return ", ".join(f"{name} = {placeholder}" for name in MOVING_NAMES)


def set_proof(placeholder: str) -> str:
    """The assignments that take what `write_proof` wrote."""
    return ", ".join(f"{name} = {placeholder}" for name in PROOF_NAMES)


write_account = _ACCOUNTS.write
write_client = _CLIENTS.write
write_credential, read_credential = _CREDENTIALS.write, _CREDENTIALS.read
write_one_time, read_one_time = _ONE_TIME.write, _ONE_TIME.read
write_key, read_key = _KEYS.write, _KEYS.read
write_mail, read_mail = _MAILS.write, _MAILS.read
write_event = _EVENTS.write
"""The row of an audit line without its number."""


def read_account(row: Row) -> Account:
    """The account of a row that ends with its subject's epoch."""
    return _ACCOUNTS.read(row, epoch=row[-1])


def read_credential_owner(row: Row) -> tuple[Account, Credential]:
    """The account and the credential of a row that holds a credential, then an account, then the epoch."""
    return read_account(row[len(CREDENTIAL_NAMES) :]), read_credential(row)


def read_client(row: Row) -> OAuthClient:
    """The client of a row that ends with its subject's epoch."""
    return _CLIENTS.read(row, epoch=row[-1])


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


def read_event(row: Row) -> Event:
    """The audit line of a row that begins with its number."""
    return _EVENTS.read(row[1:], number=row[0])
