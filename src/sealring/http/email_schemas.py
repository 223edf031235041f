"""What the routes of email addresses read and write."""

from __future__ import annotations

from sealring.http.schemas import NewEmail, NewPassword, Read, Written


class MailProofRequest(Read, frozen=True, kw_only=True):
    """`POST /email/verify/confirm`: `token` of the link, or `email` and `code`."""

    token: str | None = None
    email: str | None = None
    code: str | None = None

    __repr__ = Read.__repr__


class PasswordResetRequest(Read, frozen=True, kw_only=True):
    """`POST /password/reset`: `token` of the link, or `email` and `code`, and the `new` password."""

    new: NewPassword
    token: str | None = None
    email: str | None = None
    code: str | None = None

    __repr__ = Read.__repr__


class ForgottenPassword(Read, frozen=True, kw_only=True):
    """`POST /password/forgot`."""

    email: str

    __repr__ = Read.__repr__


class EmailChangeRequest(Read, frozen=True, kw_only=True):
    """`POST /email/change`."""

    email: NewEmail

    __repr__ = Read.__repr__


class EmailUndoRequest(Read, frozen=True, kw_only=True):
    """`POST /email/undo`."""

    token: str

    __repr__ = Read.__repr__


class VerifiedEmail(Written, frozen=True, kw_only=True):
    """The address of the account, which is verified now."""

    email: str

    __repr__ = Written.__repr__


class PasswordWasReset(Written, frozen=True, kw_only=True):
    """Whose password it is: who reads the account's mail may know its name."""

    username: str

    __repr__ = Written.__repr__
