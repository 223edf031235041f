"""What settings of the project for tests name by a dotted path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse

from sealring import Grant

View = Callable[[HttpRequest], HttpResponse]


def reads_body(get_response: View) -> View:
    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.body
        return get_response(request)

    return middleware


def reads_form(get_response: View) -> View:
    def middleware(request: HttpRequest) -> HttpResponse:
        assert not request.POST
        return get_response(request)

    return middleware


def keeps_nothing(get_response: View) -> View:
    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.read()
        return get_response(request)

    return middleware


def plain_grant(session: Any) -> Grant | None:
    users: Any = get_user_model().objects
    user = users.filter(pk=session.subject).first()
    return None if user is None else Grant([user.username])


async def coroutine_grant(_: Any) -> Grant:
    return Grant(["from:a:coroutine"])
