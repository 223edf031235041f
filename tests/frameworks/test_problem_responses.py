"""`problem_response` has one shape in every framework: the error, then the request, which HTTP/1 may have to end."""

from __future__ import annotations

from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest

from sealring.frameworks import flask, litestar, quart, starlette
from sealring.frameworks.django import responses as django
from sealring.http.request_errors import BodyTooLarge, MissingCredential


@pytest.mark.parametrize("module", [litestar, quart, starlette], ids=lambda module: module.__name__)
def test_a_final_refusal_ends_a_connection_of_http_1(module: Any) -> None:
    one, two = ({"http_version": version} for version in ("1.1", "2"))

    def connection_of(error: Exception, *scopes: dict[str, str]) -> object:
        requests = [SimpleNamespace(scope=scope) for scope in scopes]
        return module.problem_response(error, *requests).headers.get("connection")

    assert connection_of(BodyTooLarge("x"), one) == "close"
    assert connection_of(BodyTooLarge("x"), two) is connection_of(BodyTooLarge("x")) is None
    assert connection_of(MissingCredential("x"), one) is None


@pytest.mark.parametrize("module", [django, flask, litestar, quart, starlette], ids=lambda module: module.__name__)
def test_every_framework_takes_the_error_and_the_request(module: Any) -> None:
    assert list(signature(module.problem_response).parameters) == ["error", "request"]
