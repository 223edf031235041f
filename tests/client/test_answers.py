"""What each answer means for a client: one table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sealring.client import SecondFactorRequired, Throttled, Unavailable, UnexpectedAnswer, WrongCredentials
from sealring.client.answers import (
    Answer,
    Later,
    SessionOver,
    Superseded,
    Unknown,
    is_refused_token,
    read_login,
    read_refresh,
)
from sealring.client.tokens import TokenAnswer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROBLEM = "application/problem+json"
GOOD: dict[str, Any] = {"access_token": "a.b-c_d~e+f/g=", "refresh_token": "sealring_rt1_x", "expires_in": 1800}


def answer(status: int, body: Any = None, kind: str = "application/json", **fields: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"content-type": kind} | {k.replace("_", "-"): v for k, v in fields.items()}, content)


def problem(status: int, code: Any, **fields: str) -> Answer:
    return answer(status, {"code": code}, PROBLEM, **fields)


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (answer(200, GOOD), TokenAnswer(**GOOD)),
        (answer(200, GOOD | {"new": 1}), TokenAnswer(**GOOD)),
        (problem(401, "refresh_reused"), SessionOver("refresh_reused")),
        (problem(401, "session_ended"), SessionOver("session_ended")),
        (problem(401, "invalid_token"), SessionOver("invalid_token")),
        (answer(401, {"code": "session_ended"}, f"{PROBLEM}; charset=utf-8"), SessionOver("session_ended")),
        (problem(409, "refresh_superseded"), Superseded()),
        (problem(429, "throttled", retry_after="7"), Later(7)),
        (problem(503, "stale", retry_after="2"), Later(2)),
        (answer(502, b"<html>"), Later(1)),
        (answer(408), Later(1)),
        # none of these says that the session has ended
        (problem(401, "refresh_unbound"), Unknown("refresh_unbound")),
        (problem(401, "missing_credential"), Unknown("missing_credential")),
        (problem(401, ["session_ended"]), Unknown("")),
        (answer(401, {"code": "session_ended"}), Unknown("")),
        (answer(401, b"session_ended", PROBLEM), Unknown("")),
        (answer(401, b"<html>proxy login"), Unknown("")),
        (problem(403, "session_ended"), Unknown("session_ended")),
        (problem(409, "name_taken"), Unknown("name_taken")),
        (problem(404, "not_found"), Unknown("not_found")),
        (answer(302), Unknown("")),
        (answer(200, b"<html>"), Unknown("")),
        (answer(200, GOOD | {"access_token": "a\r\nX: y"}), Unknown("")),
        (answer(200, GOOD | {"access_token": ""}), Unknown("")),
        (answer(200, GOOD | {"refresh_token": None}), Unknown("")),
        (answer(200, GOOD | {"expires_in": 0}), Unknown("")),
        (answer(200, {"expires_in": 1800, "csrf_token": "x"}), Unknown("")),
        (answer(201, GOOD), Unknown("")),
    ],
    ids=repr,
)
def test_an_answer_to_a_refresh(given: Answer, meaning: object) -> None:
    assert read_refresh(given, NOW) == meaning


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 1),
        ("5", 5),
        ("  5 ", 5),
        ("99999999999999", 999_999_999),
        ("-5", 1),
        ("\N{ARABIC-INDIC DIGIT FIVE}", 1),
        ("soon", 1),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30),
        ("Wed, 31 Dec 2025 23:59:30 GMT", 1),
        ("Thu, 99 Jan 2026 00:00:30 GMT", 1),
    ],
)
def test_how_long_to_wait(text: str, seconds: float) -> None:
    assert read_refresh(answer(503, retry_after=text), NOW) == Later(seconds)


@pytest.mark.parametrize(
    ("given", "error", "field"),
    [
        (problem(401, "invalid_credentials"), WrongCredentials, {}),
        (problem(429, "throttled", retry_after="9"), Throttled, {"retry_after": 9}),
        (problem(503, "overloaded", retry_after="2"), Unavailable, {"retry_after": 2}),
        (problem(422, "invalid_field"), UnexpectedAnswer, {"status": 422, "answer_code": "invalid_field"}),
        (answer(404, b"<html>"), UnexpectedAnswer, {"status": 404, "answer_code": ""}),
        (answer(200, {"expires_in": 1800}), UnexpectedAnswer, {"status": 200}),
        (
            answer(401, {"code": "second_factor_required", "pending": "p", "methods": ["totp"]}, PROBLEM),
            SecondFactorRequired,
            {"pending": "p", "methods": ("totp",)},
        ),
    ],
    ids=repr,
)
def test_a_login_that_is_refused_says_why(given: Answer, error: type[Exception], field: dict[str, object]) -> None:
    with pytest.raises(error) as caught:
        read_login("/login", given, NOW)
    assert type(caught.value) is error
    assert {name: getattr(caught.value, name) for name in field} == field


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (answer(401, www_authenticate='Bearer realm="x", error="invalid_token", error_description="y"'), True),
        (answer(403, www_authenticate='Bearer error="invalid_token"'), True),
        (answer(401, www_authenticate="bearer error=invalid_token"), True),
        (answer(401, www_authenticate='Basic realm="x", Bearer error="invalid_token"'), True),
        (problem(401, "invalid_token"), True),
        (answer(401, www_authenticate='Bearer realm="x"'), False),
        (answer(401, www_authenticate='Basic realm="x"'), False),
        (answer(403, www_authenticate='Bearer error="insufficient_scope"'), False),
        (answer(401, {"code": "invalid_token"}), False),
        (answer(200, www_authenticate='Bearer error="invalid_token"'), False),
        (answer(500, www_authenticate='Bearer error="invalid_token"'), False),
    ],
    ids=repr,
)
def test_which_refusals_are_of_the_token_itself(given: Answer, refused: bool) -> None:  # noqa: FBT001
    assert is_refused_token(given) is refused


def test_i15_no_repr_shows_a_token() -> None:
    printed = repr(answer(200, GOOD, www_authenticate="secret-token")) + repr(TokenAnswer(**GOOD))
    for secret in (*GOOD.values(), "secret-token"):
        assert str(secret) not in printed
