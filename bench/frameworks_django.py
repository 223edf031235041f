"""The Django applications of `bench/frameworks.py`: plain views, REST framework, Ninja. It is their URLconf too.

Their middleware is what `startproject` writes, and ours where Sealring guards. Users stand in a SQLite database in
memory, which Django keeps open: the least that a row costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.management import call_command
from django.core.signals import setting_changed

from bench.frameworks_peers import SCOPE, SECRET, USERS, bearer_of
from sealring import Sealring

STARTPROJECT = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
OURS = "sealring.frameworks.django.SealringMiddleware"

settings.configure(
    SECRET_KEY=SECRET,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    LOGGING_CONFIG=None,
    USE_TZ=True,
    TIME_ZONE="UTC",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "rest_framework",
        "sealring.frameworks.django",
    ],
    MIDDLEWARE=STARTPROJECT,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SEALRING={"SECRET": SECRET},
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - Django's models can only be imported from here on
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI  # noqa: E402
from ninja.security import HttpBearer  # noqa: E402
from rest_framework.authentication import BaseAuthentication  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken  # noqa: E402

from sealring.frameworks.django import require  # noqa: E402
from sealring.frameworks.django.ninja import SealringAuth  # noqa: E402
from sealring.frameworks.django.rest_framework import HasScope, SealringAuthentication  # noqa: E402

# plain views -------------------------------------------------------------------------------------


def open_orders(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"orders": []})


@require(SCOPE)
def guarded_orders(request: Any) -> HttpResponse:
    return JsonResponse({"orders": [] if request.principal.subject else None})


def login_required(view: Any) -> Any:
    @wraps(view)
    def guarded(request: Any) -> HttpResponse:
        claims = bearer_of(request.META.get("HTTP_AUTHORIZATION"))
        if claims is None:
            return JsonResponse({"detail": "not logged in"}, status=401)
        request.subject = claims["sub"]
        answer: HttpResponse = view(request)
        return answer

    return guarded


@login_required
def pyjwt_orders(request: Any) -> HttpResponse:
    return JsonResponse({"orders": [] if request.subject else None})


# REST framework ----------------------------------------------------------------------------------


class Somebody:
    """Whom the empty authentication class knows."""

    is_authenticated = True


class EmptyAuthentication(BaseAuthentication):
    """The floor: what the framework itself costs where somebody is known."""

    def authenticate(self, request: Any) -> tuple[Any, None]:  # noqa: ARG002 - the framework's signature
        return Somebody, None


class RestOrders(APIView):
    """One route; its subclasses say who may call it."""

    authentication_classes: Any = (EmptyAuthentication,)
    permission_classes: Any = (IsAuthenticated,)

    def get(self, request: Any) -> Response:
        return Response({"orders": [] if request.user is not None else None})


class SealringOrders(RestOrders):
    """Ours."""

    authentication_classes = (SealringAuthentication,)
    permission_classes = (HasScope(SCOPE),)


class SimpleJwtOrders(RestOrders):
    """Its usual class: one user row for each request."""

    authentication_classes = (JWTAuthentication,)


class StatelessOrders(RestOrders):
    """Its class that reads no database."""

    authentication_classes = (JWTStatelessUserAuthentication,)


# Ninja -------------------------------------------------------------------------------------------


class PyJWTBearer(HttpBearer):
    """As Ninja's documentation begins it."""

    def authenticate(self, request: Any, token: str) -> Any:  # noqa: ARG002 - the framework's signature
        return bearer_of(f"Bearer {token}")


def ninja_api(name: str, auth: Any) -> Any:
    api = NinjaAPI(urls_namespace=name, docs_url=None, openapi_url=None)

    @api.get("/orders", auth=auth)
    def orders(request: HttpRequest) -> dict[str, list[str]]:  # noqa: ARG001 - the framework reads the name
        return {"orders": []}

    return api.urls


urlpatterns: list[Any] = []
"""None: each request brings the one that its path needs. In one list, those that stand first would be found sooner."""
ROUTES = [
    path("plain/open", open_orders),
    path("plain/ours", guarded_orders),
    path("plain/pyjwt", pyjwt_orders),
    path("rest/open", RestOrders.as_view()),
    path("rest/ours", SealringOrders.as_view()),
    path("rest/simplejwt", SimpleJwtOrders.as_view()),
    path("rest/stateless", StatelessOrders.as_view()),
    path("ninja/open/", ninja_api("open", None)),
    path("ninja/ours/", ninja_api("ours", SealringAuth(SCOPE))),
    path("ninja/pyjwt/", ninja_api("pyjwt", PyJWTBearer())),
]


class OneRoute(WSGIRequest):
    """A request that Django routes by the one pattern of its path."""

    @property
    def urlconf(self) -> Any:  # type: ignore[override]  # no attribute that somebody sets
        """What Django reads in place of ROOT_URLCONF."""
        return URLCONFS[self.path_info]


class Handler(WSGIHandler):
    """Django, with a URLconf for each path."""

    request_class = OneRoute


def paths_of(pattern: Any) -> Iterator[str]:
    for below in getattr(pattern, "url_patterns", [None]):
        yield f"/{pattern.pattern}{'' if below is None else below.pattern}"


URLCONFS = {each: (pattern,) for pattern in ROUTES for each in paths_of(pattern)}

# what `bench/frameworks.py` asks for -------------------------------------------------------------


def django_open(_: Sealring) -> Any:
    settings.MIDDLEWARE = STARTPROJECT
    return Handler()


def django_ours(auth: Sealring) -> Any:
    settings.SEALRING = {"AUTH": auth}
    setting_changed.send(sender=None, setting="SEALRING", value=settings.SEALRING, enter=True)
    settings.MIDDLEWARE = [*STARTPROJECT, OURS]
    return Handler()


def simplejwt_token(name: str) -> str:
    users = get_user_model()
    if not _migrated:
        call_command("migrate", verbosity=0)
        users.objects.bulk_create(users(username=each) for each in USERS)
        _migrated.append(True)
    return str(AccessToken.for_user(users.objects.get(username=name)))


_migrated: list[bool] = []
