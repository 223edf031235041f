"""Django Ninja: who is asking, in plain and asynchronous operations, beside other ways, and in its OpenAPI."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler  # noqa: F401 - the project is set up by the next import
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path as url

from sealring import ConfigurationError, Sealring, StepUp
from sealring.frameworks.django.guard import require
from sealring.frameworks.django.responses import problem_response
from sealring.http.request_errors import InsufficientAuthentication
from tests.django_project.settings import MIDDLEWARE, use
from tests.serving import bearer, cheap_sealring


@pytest.fixture
def auth() -> Iterator[Sealring]:
    auth = cheap_sealring()
    use(auth)
    yield auth
    auth.sync().close()


def token(auth: Sealring, *scopes: str) -> dict[str, str]:
    return bearer(auth.sync().start_session("42", scopes=scopes).access_token.text)


@pytest.mark.parametrize("path", ["/ninja/orders", "/ninja/orders-async"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_operation_is_for_those_who_may_call_it(auth: Sealring, path: str, *, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        client = Client()
        assert client.get(path, headers=token(auth, "orders:read")).json() == {"subject": "42"}
        refused = client.get(path, headers=token(auth))
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
        assert refused.headers["www-authenticate"].endswith('scope="orders:read"')
        nobody = client.get(path)
        assert (nobody.status_code, nobody.json()["code"]) == (401, "missing_credential")
        assert nobody.headers["www-authenticate"] == 'Bearer realm="sealring"'


@pytest.mark.parametrize("path", ["/ninja/transfer", "/drf-transfer"])
def test_rfc9470_what_is_asked_of_a_proof_is_asked_here_too(auth: Sealring, path: str) -> None:
    strong = auth.sync().start_session("42", amr=["pwd", "otp", "mfa"], acr="mfa").access_token.text
    client = Client()
    assert client.get(path, headers=bearer(strong)).json() == {"subject": "42"}
    refused = client.get(path, headers=token(auth))
    assert refused.status_code == 401
    assert refused.content == problem_response(InsufficientAuthentication(StepUp(max_age="5m", acr="mfa"))).content
    assert refused.headers["www-authenticate"].endswith('max_age="300", acr_values="mfa phr"')


@pytest.mark.parametrize("path", ["/ninja/orders", "/ninja/orders-async"])
def test_without_the_middleware_it_guards_by_itself(auth: Sealring, path: str) -> None:
    with override_settings(MIDDLEWARE=MIDDLEWARE[:-1]):
        client = Client()
        assert client.get(path, headers=token(auth, "orders:read")).json() == {"subject": "42"}
        refused = client.get(path, headers=bearer("x.y.z"))
        assert (refused.status_code, refused.json()) == (401, {"detail": "the access token is not valid"})
        assert client.get(path).status_code == 401


def other_way(request: Any) -> Any:
    return SimpleNamespace(subject="by key") if request.GET.get("key") == "k" else None


def test_another_way_may_know_those_who_show_nothing_of_ours(auth: Sealring) -> None:
    from ninja import NinjaAPI  # noqa: PLC0415 - asks for settings
    from ninja.errors import HttpError  # noqa: PLC0415 - as above

    from sealring.frameworks.django.ninja import SealringAuth  # noqa: PLC0415 - as above

    api = NinjaAPI(auth=[SealringAuth(), other_way], urls_namespace="other", docs_url=None)

    @api.get("/who")
    def who(request: Any) -> str:
        return str(request.auth.subject)

    @api.exception_handler(HttpError)
    def own(request: Any, error: Any) -> HttpResponse:  # noqa: ARG001 - Ninja's signature
        return HttpResponse(f"own: {error}", status=error.status_code)

    urls = type("Urls", (), {"urlpatterns": [url("", api.urls)]})
    with override_settings(ROOT_URLCONF=urls):
        client = Client()
        assert client.get("/who?key=k").json() == "by key"
        assert client.get("/who?key=k", headers=token(auth)).json() == "42"
        assert client.get("/who?key=k", headers=bearer("x.y.z")).content == b"own: the access token is not valid"
        assert client.get("/who").content == b"own: Unauthorized", "a handler of the project's own answers"


@pytest.mark.usefixtures("auth")
def test_its_openapi_says_bearer() -> None:
    from tests.django_project.urls import api  # noqa: PLC0415 - asks for settings

    [scheme] = api.get_openapi_schema()["components"]["securitySchemes"].values()
    assert {key: scheme[key] for key in ("type", "scheme")} == {"type": "http", "scheme": "bearer"}
    operation: Any = api.get_openapi_schema()["paths"]["/ninja/orders"]["get"]
    assert operation["security"] == [{"SealringAuth": []}]


def test_require_above_the_decorator_of_an_operation_is_refused(auth: Sealring) -> None:
    from ninja import NinjaAPI  # noqa: PLC0415 - asks for settings

    api: Any = NinjaAPI(urls_namespace="order")
    with pytest.raises(ConfigurationError, match="does not guard orders: put it below the decorator of Ninja"):

        @require("orders:read")
        @api.get("/wrong")
        def orders(request: Any) -> dict[str, str]:
            return {"of": request.principal.subject}

    @api.get("/right")
    @require("orders:read")
    def right(request: Any) -> dict[str, str]:
        return {"of": request.principal.subject}

    urls = type("Urls", (), {"urlpatterns": [url("", api.urls)]})
    with override_settings(ROOT_URLCONF=urls):
        assert Client().get("/right").status_code == 401
        assert Client().get("/right", headers=token(auth, "orders:read")).json() == {"of": "42"}
