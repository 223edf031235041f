"""The URLs of the guarded routes in Django: the auth routes, and the six of `tests.conformance.guarded`."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse
from django.urls import include, path

from sealring.frameworks.django import require


def everybody(request: Any) -> HttpResponse:
    return HttpResponse(request.principal.subject if request.principal else "nobody", content_type="text/plain")


urlpatterns = [
    path("auth/", include("sealring.frameworks.django.urls")),
    path("open", everybody),
    path("home", require(optional=True)(everybody)),
    path("mine", require()(everybody)),
    path("orders", require("orders:read")(everybody)),
    path("transfer", require(max_age="5m", acr="mfa")(everybody)),
    path("payouts", require(bound=True)(everybody)),
]


class GuardedWSGI(WSGIHandler):
    """The project of the tests with these URLs in place of its own."""

    class request_class(WSGIRequest):  # noqa: N801 - Django's name
        urlconf = __name__


class GuardedASGI(ASGIHandler):
    """As `GuardedWSGI`."""

    class request_class(ASGIRequest):  # noqa: N801 - Django's name
        urlconf = __name__
