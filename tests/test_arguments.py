"""A wrong argument is refused at once, by an error that names it and says what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from starlette.responses import Response

from sealring import Sealring
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
