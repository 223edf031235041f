"""A wrong argument is refused at once, by an error that names it and says what is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flask import Flask
from starlette.responses import Response

from sealring import Sealring, jwt
from sealring.audit.event import Event
from tests.serving import PASSWORD, SECRET, cheap_sealring

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("wrong", ["no", "False", 0, None])
@pytest.mark.parametrize("mount", ["router", "asgi", "wsgi", "django", "init_app"])
async def test_text_does_not_leave_registration_open(mount: str, wrong: Any) -> None:
    given = (Flask(__name__),) if mount == "init_app" else ()
    with pytest.raises(TypeError, match="accounts must be True or False"):
        getattr(cheap_sealring(), mount)(*given, accounts=wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="oauth must be True or False"):
            getattr(cheap_sealring(), mount)(*given, oauth=wrong)


async def test_follow_is_true_or_false() -> None:
    with pytest.raises(TypeError, match="follow must be True or False"):
        await cheap_sealring().open(follow=0)  # type: ignore[arg-type]


async def hear(_: Event) -> None: ...


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on_event": "x"}, "on_event must be a plain function"),
        ({"on_event": hear}, "on_event must be a plain function"),
        ({"store": "x"}, "store must be a Store, not str"),
        ({"ISSUER": "https://a.example"}, "did you mean issuer"),
        ({"SEALRING_ISSUER": "https://a.example"}, "did you mean issuer"),
    ],
)
async def test_what_cannot_be_is_refused_at_construction(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Sealring(secret=SECRET, **given)


async def test_a_wrong_argument_is_named() -> None:
    auth: Any = cheap_sealring()
    with pytest.raises(TypeError, match="app must be a Flask or Quart application, not NoneType"):
        auth.init_app(None)
    with pytest.raises(ValueError, match="invalid_status must be 401 or 403"):
        auth.init_app(Flask(__name__), invalid_status=500)
    for wrong in (500, "403", 403.0, True, [403], None):
        for mount in (auth.middleware, auth.wsgi_middleware):
            with pytest.raises(ValueError, match="invalid_status must be 401 or 403"):
                mount(None, invalid_status=wrong)
    with pytest.raises(TypeError, match="issued must be what start_session or log_in gave"):
        auth.deliver(Response(), None)
    for refused, words in (
        (auth.accounts.find(5), "username must be text, not int"),
        (auth.accounts.get(5), "account_id must be text"),
        (auth.accounts.create(1, PASSWORD), "username must be text"),
        (auth.accounts.create("ada", 1), "password must be text"),
        (auth.accounts.create("ada", PASSWORD, email=1), "email must be text"),
        (auth.accounts.list(after=1), "after must be text"),
        (auth.accounts.list(limit="1"), "limit must be an integer"),
        (auth.log_in(1, 2, address="192.0.2.7"), "username must be text"),
        (auth.register("ada", 2, address="192.0.2.7"), "password must be text"),
    ):
        with pytest.raises(TypeError, match=words):
            await refused
    for limit in (-1, 0):
        with pytest.raises(ValueError, match="limit must be 1 at least"):
            await auth.accounts.list(limit=limit)


NO_NAMES = ("", "a\0b", "a\nb", "\x1b[2J", "\u202e", "\ud800", "x" * 256)
NO_TEXTS = (None, 5, True, b"x", ["x"])
BY_ID: dict[str, Callable[[Any, Any], Awaitable[object]]] = {
    "account_id of get": lambda auth, wrong: auth.accounts.get(wrong),
    "account_id of disable": lambda auth, wrong: auth.accounts.disable(wrong),
    "account_id of enable": lambda auth, wrong: auth.accounts.enable(wrong),
    "account_id of delete": lambda auth, wrong: auth.accounts.delete(wrong),
    "account_id of set_scopes": lambda auth, wrong: auth.accounts.set_scopes(wrong, []),
    "account_id of set_email": lambda auth, wrong: auth.accounts.set_email(wrong, None),
    "account_id of set_password": lambda auth, wrong: auth.accounts.set_password(wrong, PASSWORD),
    "subject of start_session": lambda auth, wrong: auth.start_session(wrong),
    "subject of list_sessions": lambda auth, wrong: auth.list_sessions(wrong),
    "subject of revoke_subject": lambda auth, wrong: auth.revoke_subject(wrong),
    "subject of refresh_claims": lambda auth, wrong: auth.refresh_claims(wrong),
    "session_id of revoke_session": lambda auth, wrong: auth.revoke_session(wrong),
}
"""Every public use case that takes the name of something of ours: the argument, and the call."""
TEXTS: dict[str, Callable[[Any, Any], Awaitable[object]]] = {
    "username of find": lambda auth, wrong: auth.accounts.find(wrong),
    "after of list": lambda auth, wrong: auth.accounts.list(after=wrong),
    "username of create": lambda auth, wrong: auth.accounts.create(wrong, PASSWORD),
    "password of set_password": lambda auth, wrong: auth.accounts.set_password("x", wrong),
    "username of register": lambda auth, wrong: auth.register(wrong, PASSWORD, address="192.0.2.7"),
    "password of log_in": lambda auth, wrong: auth.log_in("ada", wrong, address="192.0.2.7"),
    "refresh_token of refresh_session": lambda auth, wrong: auth.refresh_session(wrong),
    "method of log_in_by": lambda auth, wrong: auth.log_in_by(wrong, {}, address="192.0.2.7"),
    "user_agent of start_session": lambda auth, wrong: auth.start_session("42", user_agent=wrong),
}
OPTIONAL: dict[str, Callable[[Any, Any], Awaitable[object]]] = {
    "email of create": lambda auth, wrong: auth.accounts.create("ada", PASSWORD, email=wrong),
    "email of set_email": lambda auth, wrong: auth.accounts.set_email("x", wrong),
    "email of register": lambda auth, wrong: auth.register("ada", PASSWORD, email=wrong, address="192.0.2.7"),
    "invitation of register": lambda auth, wrong: auth.register("ada", PASSWORD, invitation=wrong, address="192.0.2.7"),
    "address of log_in": lambda auth, wrong: auth.log_in("ada", PASSWORD, address=wrong),
    "address of start_session": lambda auth, wrong: auth.start_session("42", address=wrong),
    "address of refresh_session": lambda auth, wrong: auth.refresh_session("x", address=wrong),
    "device of log_in": lambda auth, wrong: auth.log_in("ada", PASSWORD, device=wrong, address="192.0.2.7"),
    "pending of begin_login": lambda auth, wrong: auth.begin_login("password", pending=wrong, address="192.0.2.7"),
}
NUMBERS: dict[str, Callable[[Any, Any], Awaitable[object]]] = {
    "limit of accounts.list": lambda auth, wrong: auth.accounts.list(limit=wrong),
    "limit of list_sessions": lambda auth, wrong: auth.list_sessions("42", limit=wrong),
}


@pytest.mark.parametrize("case", BY_ID | TEXTS)
async def test_what_is_no_text_is_refused_and_named(case: str) -> None:
    for wrong in NO_TEXTS:
        with pytest.raises(TypeError, match=f"{case.partition(' ')[0]} must be text"):
            await (BY_ID | TEXTS)[case](cheap_sealring(), wrong)


@pytest.mark.parametrize("case", OPTIONAL)
async def test_what_may_be_left_out_must_be_text_where_it_is_given(case: str) -> None:
    for wrong in NO_TEXTS[1:]:
        with pytest.raises(TypeError, match=f"{case.partition(' ')[0]} must be text"):
            await OPTIONAL[case](cheap_sealring(), wrong)


@pytest.mark.parametrize("case", BY_ID)
async def test_a_name_that_nothing_can_have_is_refused_and_named(case: str) -> None:
    for wrong in NO_NAMES:
        with pytest.raises(ValueError, match=f"{case.partition(' ')[0]} must be 1 to 255 printable characters"):
            await BY_ID[case](cheap_sealring(), wrong)


@pytest.mark.parametrize("case", NUMBERS)
async def test_a_number_of_rows_is_an_integer_from_1_on(case: str) -> None:
    for wrong in (True, False, "1", 1.0, None):
        with pytest.raises(TypeError, match="limit must be an integer"):
            await NUMBERS[case](cheap_sealring(), wrong)
    for number, words in ((0, "1 at least"), (-1, "1 at least"), (2**31, "at most"), (2**64, "at most")):
        with pytest.raises(ValueError, match=f"limit must be .*{words}"):
            await NUMBERS[case](cheap_sealring(), number)


@pytest.mark.parametrize("wrong", [True, False])
async def test_true_and_false_are_no_numbers(wrong: bool) -> None:  # noqa: FBT001
    for name in ("access_ttl", "session_cap", "password_min_length", "max_staleness", "retry_window"):
        given: dict[str, Any] = {name: wrong}
        with pytest.raises(ValueError, match=name.upper()):
            cheap_sealring(**given)
    with pytest.raises(TypeError, match="expires_in"):
        await cheap_sealring().accounts.invite(expires_in=wrong)
    key = jwt.Key.generate("ES256")
    token = jwt.sign({}, key, expires_in=60)
    for calls in (
        lambda: jwt.sign({}, key, expires_in=wrong),
        lambda: jwt.sign({}, key, now=wrong),
        lambda: jwt.verify(token, key, leeway=wrong),
        lambda: jwt.verify(token, key, max_age=wrong),
        lambda: jwt.verify(token, key, now=wrong),
        lambda: jwt.Verifier(key, cache_size=wrong),
        lambda: jwt.Verifier(key).verify(token, now=wrong),
    ):
        with pytest.raises((TypeError, ValueError)):
            calls()
