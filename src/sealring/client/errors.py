"""What only a client raises. What the server says of a login keeps its error of `sealring.errors`.

SealringError
├── LoggedOut         logged_out          the session has ended, or none was begun: log in (again); `reason`
└── UnexpectedAnswer  unexpected_answer   neither yes nor a known no; the tokens are kept; `status`, `answer_code`
"""

from __future__ import annotations

from typing import Literal

from sealring.errors import SealringError

Ended = Literal["refresh_reused", "session_ended", "invalid_token"]
"""The codes of a 401 to a refresh that end a session; no other answer does."""

_SENTENCES = {
    "no_session": "the token store holds no session",
    "refresh_reused": "an old refresh token was used again, and the session was ended",
    "session_ended": "the session has ended",
    "invalid_token": "the refresh token is not valid",
}


class LoggedOut(SealringError):
    """There is no session any more, or none yet: log in.

    Args:
        reason: the server's code ("refresh_reused", "session_ended" or "invalid_token"), or "no_session".

    >>> import httpx2
    >>> from sealring.client import Auth
    >>> try:
    ...     httpx2.get("https://app.example.com/orders", auth=Auth("https://app.example.com/auth"))
    ... except LoggedOut as error:
    ...     print(error.reason)
    no_session
    """

    code = "logged_out"

    def __init__(self, reason: Ended | Literal["no_session"]) -> None:
        super().__init__(f"{_SENTENCES[reason]}: log in")
        self.reason = reason


class UnexpectedAnswer(SealringError):
    """The auth service answered with what it never says: a wrong URL, or something else answers there.

    The tokens are kept.

    Args:
        path: where the request went, below the URL of the auth routes.
        status: of HTTP; None where a redirect was not followed.
        answer_code: the `code` of a problem body; else empty.

    >>> import httpx2
    >>> from sealring.client import Auth
    >>> with httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(404))) as client:
    ...     try:
    ...         Auth("https://app.example.com/wrong").login(client, "ada", "correct horse battery")
    ...     except UnexpectedAnswer as error:
    ...         print(error, error.status)
    answer to /login: status 404 404
    """

    code = "unexpected_answer"

    def __init__(self, path: str, status: int | None, answer_code: str = "") -> None:
        words = "a redirect, which is not followed" if status is None else f"status {status}"
        super().__init__(f"answer to {path}: {words}{f' ({answer_code})' if answer_code else ''}")
        self.status = status
        self.answer_code = answer_code
