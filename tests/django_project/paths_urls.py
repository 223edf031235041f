"""A secret below protected prefixes, and a view that reads paths as liberally as it can."""

from __future__ import annotations

import re
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from tests.attacks.test_n_paths import PROTECTED, SECRET


def secret(_: HttpRequest) -> HttpResponse:
    return HttpResponse(SECRET)


def folding(request: HttpRequest) -> HttpResponse:
    parts: list[str] = []
    path = unquote(request.path_info).replace("\\", "/").casefold()
    for part in (segment.partition(";")[0] for segment in path.split("/")):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return HttpResponse(SECRET if parts[:1] == ["reports"] else b"public")


urlpatterns = [
    *(re_path(f"^{re.escape(prefix[1:])}(?:/.*)?$", secret) for prefix in PROTECTED),
    re_path(r"(?s)^.*$", folding),
]
