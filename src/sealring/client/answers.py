"""What the auth service's answers mean for a client. Pure: status, fields and body in, a value out.

| answer to a refresh | means |
|---|---|
| 200 with tokens | go on with these |
| 401 `refresh_reused`, `session_ended`, `invalid_token` | the session has ended: the only answers that say so |
| 409 `refresh_superseded` | somebody else has refreshed: this refresh token is never sent again |
| 408, 429, 5xx | ask again later |
| anything else | not our service, or not this route: the tokens are kept |
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast, get_args

import msgspec

from sealring.client.errors import Ended, UnexpectedAnswer
from sealring.client.tokens import TokenAnswer
from sealring.errors import SealringError, SecondFactorRequired, Throttled, Unavailable, WrongCredentials

PROBLEM = "application/problem+json"
_LATER = {408, 429}
_ENDED = frozenset(get_args(Ended))
_TOKEN_REFUSED = re.compile(r'\b(?:bearer|dpop)\b.*\berror="?invalid_token"?', re.IGNORECASE | re.DOTALL)
_NONCE_WANTED = re.compile(r'\bdpop\b.*\berror="?use_dpop_nonce"?', re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, header fields (names in any case) and the whole body."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer(status={self.status})"


@dataclass(frozen=True, slots=True)
class SessionOver:
    """The session has ended."""

    reason: Ended


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another holder of this session has refreshed first."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; `seconds` until the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not an answer of the auth service."""

    code: str


def read_refresh(answer: Answer, now: datetime) -> TokenAnswer | SessionOver | Superseded | Later | Unknown:
    """Return what an answer to a refresh means, by the table above."""
    code = _code(problem_of(answer))
    match answer.status:
        case 200:
            return _tokens(answer) or Unknown("")
        case 401 if code in _ENDED:
            return SessionOver(cast("Ended", code))
        case 409 if code == "refresh_superseded":
            return Superseded()
        case status if status in _LATER or status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
            return Later(retry_after(answer, now))
    return Unknown(code)


def read_login(path: str, answer: Answer, now: datetime) -> TokenAnswer:
    """Return the tokens of a login.

    Raises:
        WrongCredentials: username or password is wrong.
        SecondFactorRequired: one more factor is needed.
        Throttled, Unavailable: later, after `retry_after` seconds.
        UnexpectedAnswer: anything else, such as a registration that was refused.
    """
    tokens = _tokens(answer) if answer.status in {200, 201} else None
    if tokens is None:
        raise _login_refusal(path, answer, now)
    return tokens


def _login_refusal(path: str, answer: Answer, now: datetime) -> SealringError:
    problem = problem_of(answer)
    match answer.status, _code(problem):
        case 401, "invalid_credentials":
            return WrongCredentials()
        case 401, "second_factor_required":
            methods = problem.get("methods")
            return SecondFactorRequired(
                str(problem.get("pending", "")), tuple(map(str, methods)) if isinstance(methods, list) else ()
            )
        case 429, _:
            return Throttled(math.ceil(retry_after(answer, now)))
        case status, _ if status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
            return Unavailable("the auth service does not answer now", math.ceil(retry_after(answer, now)))
    return UnexpectedAnswer(path, answer.status, _code(problem))


def is_refused_token(answer: Answer) -> bool:
    """Whether a resource refuses the access token itself (RFC 6750 §3.1), by challenge or problem body.

    403 too: an application may answer so (`invalid_status=403`). A scope that is missing is no such refusal.
    """
    if answer.status not in {401, 403}:
        return False
    challenge = answer.fields.get("www-authenticate", "")
    return bool(_TOKEN_REFUSED.search(challenge)) or problem_of(answer).get("code") == "invalid_token"


def wants_nonce(answer: Answer) -> bool:
    """Whether a server refuses a proof for the lack of its nonce (RFC 9449 §8, §9)."""
    challenge = answer.fields.get("www-authenticate", "")
    return answer.status == 401 and bool(_NONCE_WANTED.search(challenge))  # noqa: PLR2004 - RFC 9110 §15.5.2


def problem_of(answer: Answer) -> dict[str, Any]:
    """Return the members of a problem body (RFC 9457); none for anything else."""
    if answer.fields.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM:
        return {}
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _code(problem: dict[str, Any]) -> str:
    code = problem.get("code")
    return code if isinstance(code, str) else ""


def retry_after(answer: Answer, now: datetime) -> float:
    """Return the seconds that an answer asks to wait: 1 where it names none, or names nonsense (RFC 9110 §10.2.3)."""
    text = answer.fields.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return max(1.0, float(text[:9]))
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 1.0
    return max(1.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def _tokens(answer: Answer) -> TokenAnswer | None:
    try:
        return msgspec.json.decode(answer.body, type=TokenAnswer)
    except msgspec.DecodeError:
        return None
