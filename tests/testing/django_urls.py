"""The URLs of a Django project for tests of `as_user`: the auth routes and one guarded view."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import include, path

from sealring.frameworks.django import require


@require("orders:read")
def orders(request: Any) -> JsonResponse:
    return JsonResponse({"orders of" if request.method == "GET" else "ordered by": request.principal.subject})


urlpatterns = [path("auth/", include("sealring.frameworks.django.urls")), path("orders", orders)]
