"""The URLs of the project for tests: the auth routes, and one guarded view of every kind."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_protect
from ninja import NinjaAPI
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sealring import ConfigurationError, Throttled
from sealring.frameworks.django import require
from sealring.frameworks.django.ninja import SealringAuth
from sealring.frameworks.django.rest_framework import HasScope, SealringAuthentication


def who(request: Any) -> HttpResponse:
    return JsonResponse({"subject": request.principal.subject if request.principal else "nobody"})


@require("orders:read")
def function(request: HttpRequest) -> HttpResponse:
    return who(request)


@require("orders:read")
async def coroutine(request: HttpRequest) -> HttpResponse:
    return who(request)


@require("orders:read")
class Whole(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    post = get


@require("orders:read")
class WholeAsync(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    post = get


@method_decorator(require("orders:read"), name="dispatch")
class Dispatch(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    post = get


class Methods(View):
    @require("orders:read")
    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    @method_decorator(require("orders:read"))
    def post(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    def put(self, request: HttpRequest) -> HttpResponse:
        return who(request)


class MethodsAsync(View):
    @require("orders:read")
    async def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    post = get


@require("orders:read", optional=True)
def optional(request: HttpRequest) -> HttpResponse:
    return who(request)


@require("orders:read")
@csrf_protect
def twice_protected(request: HttpRequest) -> HttpResponse:
    return who(request)


def in_a_hurry(view: Any) -> Any:
    """A decorator that answers itself, as a cache does."""

    @wraps(view)
    def answers(_: HttpRequest) -> HttpResponse:
        return HttpResponse("acted")

    return answers


@in_a_hurry
@require("orders:read")
def hurried(request: HttpRequest) -> HttpResponse:
    return who(request)


def raises(request: HttpRequest) -> HttpResponse:
    raise {"throttled": Throttled(5), "unfit": ConfigurationError("unfit"), "other": KeyError("x")}[request.GET["what"]]


def everybody(request: HttpRequest) -> HttpResponse:
    return who(request)


@login_required
def row(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


async def row_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await request.auser()).get_username())


# Django REST framework


class Orders(APIView):
    permission_classes: Any = (HasScope("orders:read"),)

    def get(self, request: Any) -> Response:
        return Response({"subject": request.auth.subject})

    post = get


@api_view(["GET", "POST"])
@authentication_classes([SealringAuthentication])
@permission_classes([IsAuthenticated])
def plain_permission(request: Request) -> Response:
    return Response({"subject": request.user.get_username()})


class Either(Orders):
    permission_classes = (HasScope("admin") | IsAdminUser,)


class Transfer(Orders):
    permission_classes = (HasScope(max_age="5m", acr="mfa"),)


# Ninja

api = NinjaAPI(auth=SealringAuth("orders:read"), docs_url=None)


@api.api_operation(["GET", "POST"], "/orders")
def ninja_orders(request: Any) -> dict[str, str]:
    return {"subject": request.auth.subject}


@api.api_operation(["GET", "POST"], "/orders-async")
async def ninja_orders_async(request: Any) -> dict[str, str]:
    return {"subject": request.auth.subject}


@api.get("/transfer", auth=SealringAuth(max_age="5m", acr="mfa"))
def ninja_transfer(request: Any) -> dict[str, str]:
    return {"subject": request.auth.subject}


urlpatterns = [
    path("drf-transfer", Transfer.as_view()),
    path("", include("sealring.frameworks.django.health_urls")),
    path(".well-known/", include("sealring.frameworks.django.well_known_urls")),
    path("auth/", include("sealring.frameworks.django.urls")),
    path("function", function),
    path("coroutine", coroutine),
    path("class", Whole.as_view()),
    path("class-async", WholeAsync.as_view()),
    path("dispatch", Dispatch.as_view()),
    path("methods", Methods.as_view()),
    path("methods-async", MethodsAsync.as_view()),
    path("optional", optional),
    path("twice-protected", twice_protected),
    path("hurried", hurried),
    path("raises", raises),
    path("open", everybody),
    path("row", row),
    path("row-async", row_async),
    path("drf", Orders.as_view()),
    path("drf-function", plain_permission),
    path("drf-either", Either.as_view()),
    path("ninja/", api.urls),
]
