"""What the auth routes read and write, as JSON: strictly typed, unknown fields refused (U16, D7).

Of what is written, a field with a default is left out where it has that value; one without is always there, and null
where there is nothing to say: so `email` of whoever gave none.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from sealring.accounts.account import Account
from sealring.sessions.session import Session

Delivery = Literal["body", "cookie"]


class Read(BaseModel):
    """A body that a client sends."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class Registration(Read):
    """`POST /register`."""

    username: str
    password: str = Field(repr=False)
    email: str | None = None
    delivery: Delivery = "body"


class LogIn(Read):
    """`POST /login`; `device` is what an earlier answer said, for clients without cookies."""

    username: str
    password: str = Field(repr=False)
    delivery: Delivery = "body"
    device: str | None = Field(default=None, repr=False)


class Refresh(Read):
    """`POST /refresh` without cookies, and `POST /logout` with nothing else in hand."""

    refresh_token: str = Field(repr=False)


RefreshOrNothing = Refresh | SkipJsonSchema[None]
"""A body that can be left out; the JSON text `null` is none."""


class PasswordChange(Read):
    """`POST /password`."""

    current: str = Field(repr=False)
    new: str = Field(repr=False)


class User(BaseModel):
    """The account, as its owner sees it."""

    id: str
    username: str | None
    email: str | None
    scopes: list[str]

    @classmethod
    def of(cls, account: Account) -> User:
        """From the account's record."""
        return cls(id=account.id, username=account.name, email=account.email, scopes=list(account.scopes))


class Tokens(BaseModel):
    """Tokens, or, when cookies carry them, what a page needs beside the cookies. Lives in seconds.

    `refresh_path` is the Path of the refresh cookie: a page that finds the auth routes elsewhere cannot refresh (N10).
    """

    expires_in: int
    scope: str
    access_token: str | None = Field(default=None, repr=False)
    token_type: Literal["Bearer"] | None = None
    refresh_token: str | None = Field(default=None, repr=False)
    refresh_expires_in: int
    csrf_token: str | None = Field(default=None, repr=False)
    refresh_path: str | None = None
    device: str | None = Field(default=None, repr=False)
    user: User | None = None


class OneSession(BaseModel):
    """A session, as its owner sees it. Times are Unix seconds."""

    id: str
    device: str
    address: str
    created_at: int
    last_seen_at: int
    expires_at: int
    current: bool

    @classmethod
    def of(cls, session: Session, *, current: str) -> OneSession:
        """From the session's row; `current` is the sid that asks."""
        return cls(
            id=session.id,
            device=session.device,
            address=session.address,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            current=session.id == current,
        )


class ManySessions(BaseModel):
    """The live sessions of a user, newest first."""

    sessions: list[OneSession]


class Me(BaseModel):
    """Who is asking, by which session, with which claims."""

    id: str
    username: str | None
    email: str | None
    scopes: list[str]
    session: OneSession
    claims: dict[str, Any]
    expires_in: int
    csrf_token: str | None = Field(default=None, repr=False)
