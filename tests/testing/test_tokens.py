"""Each state of an access token is refused for its own reason, and nothing else is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from sealring import Sealring, TokenError
from sealring.testing import InMemorySealring, access_token
from sealring.testing.tokens import TokenState

CODES: dict[TokenState, str | None] = {
    "valid": None,
    "expired": "expired",
    "revoked": "revoked",
    "outdated": "revoked",
    "forged": "bad_signature",
    "wrong_audience": "wrong_audience",
}
SECRET = "q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use"


@pytest.fixture(params=["memory", "sqlite"])
def auth(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sealring]:
    if request.param == "memory":
        opened: Sealring = InMemorySealring()
    else:
        opened = Sealring(secret=SECRET, database_url=f"sqlite:///{tmp_path}/sealring.db")
    with opened.sync():
        yield opened


def refusal(auth: Sealring, token: str) -> str | None:
    try:
        auth.verify(token)
    except TokenError as error:
        return error.code
    return None


def test_every_state_has_its_reason() -> None:
    assert set(CODES) == set(get_args(TokenState))


@pytest.mark.parametrize("state", CODES)
def test_a_token_is_refused_for_the_reason_that_was_asked_for(auth: Sealring, state: TokenState) -> None:
    others = access_token(auth, "another")
    token = access_token(auth, "42", scopes=["orders:read"], claims={"tenant": "t1"}, state=state)
    assert refusal(auth, token) == CODES[state]
    assert refusal(auth, others) is None
    if state == "valid":
        principal = auth.verify(token)
        assert (principal.subject, principal.claims["tenant"]) == ("42", "t1")
        assert principal.scopes == {"orders:read"}


def test_a_new_token_is_good_after_one_of_each(auth: Sealring) -> None:
    for state in CODES:
        access_token(auth, "42", state=state)
    assert refusal(auth, access_token(auth, "42")) is None


def test_another_state_is_an_error_that_names_them_all(auth: Sealring) -> None:
    with pytest.raises(ValueError, match="state must be one of valid, expired, revoked"):
        access_token(auth, "42", state="stale")  # type: ignore[arg-type]


@pytest.mark.parametrize("state", CODES)
def test_in_the_event_loop_in_which_it_is_open(state: TokenState) -> None:
    async def ask() -> None:
        auth = InMemorySealring()
        async with auth.lifespan():
            assert refusal(auth, access_token(auth, "42", state=state)) == CODES[state]

    asyncio.run(ask())


def test_with_a_database_the_event_loop_that_serves_must_await(tmp_path: Path) -> None:
    async def ask() -> None:
        auth = Sealring(secret=SECRET, database_url=f"sqlite:///{tmp_path}/sealring.db")
        async with auth.lifespan():
            with pytest.raises(RuntimeError, match=r"await auth\.start_session"):
                access_token(auth, "42")

    asyncio.run(ask())
