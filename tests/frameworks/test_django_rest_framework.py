"""Django REST framework: who is asking, 401 and not 403, permissions, handlers of a project's own, its test client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.settings import api_settings
from rest_framework.test import APIClient, APIRequestFactory

from sealring import Sealring
from sealring.frameworks.django import problem_response, require
from sealring.frameworks.django.rest_framework import HasScope, SealringAuthentication
from sealring.http.request_errors import InsufficientScope
from tests.django_project.settings import MIDDLEWARE, use
from tests.django_project.tables import make_tables
from tests.serving import PASSWORD, bearer, cheap_sealring, cookie_line, fresh_name

BARE = 'Bearer realm="sealring"'


@pytest.fixture
def auth() -> Iterator[Sealring]:
    auth = cheap_sealring()
    use(auth)
    yield auth
    auth.sync().close()


@pytest.fixture
def ada() -> Iterator[Any]:
    make_tables()
    users: Any = get_user_model().objects
    user = users.create_user(fresh_name(), password=PASSWORD, is_staff=True)
    yield user
    user.delete()


def token(auth: Sealring, subject: str, *scopes: str) -> dict[str, str]:
    return bearer(auth.sync().start_session(subject, scopes=scopes).access_token.text)


@pytest.mark.usefixtures("auth")
def test_nobody_gets_401_and_the_challenge_and_not_403() -> None:
    answer = APIClient().get("/drf-function")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, BARE)
    assert answer.json()["code"] == "missing_credential"
    view: Any = type("View", (), {"authentication_classes": [SealringAuthentication]})
    assert SealringAuthentication().authenticate_header(view) == BARE


def test_the_user_is_the_row_and_the_principal_stands_beside_it(auth: Sealring, ada: Any) -> None:
    answer = APIClient().get("/drf-function", headers=token(auth, str(ada.pk)))
    assert answer.json() == {"subject": ada.username}
    answer = APIClient().get("/drf-function", headers=token(auth, "nobody"))
    assert answer.status_code == 403, "IsAuthenticated asks the row, and there is none"


@pytest.mark.parametrize("order", [0, 1])
def test_a_bad_credential_is_401_wherever_the_class_stands(
    auth: Sealring, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rest_framework.authentication import SessionAuthentication  # noqa: PLC0415 - asks for settings

    from tests.django_project.urls import Orders  # noqa: PLC0415 - as above

    make_tables()
    classes = [SealringAuthentication, SessionAuthentication]
    monkeypatch.setattr(Orders, "authentication_classes", classes if order else classes[::-1])
    answer = APIClient().get("/drf", headers=bearer("x.y.z"))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert APIClient().get("/drf", headers=token(auth, "42", "orders:read")).json() == {"subject": "42"}


def test_a_scope_that_is_missing_is_named_in_the_challenge(auth: Sealring) -> None:
    answer = APIClient().get("/drf", headers=token(auth, "42"))
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"].endswith('scope="orders:read"')
    assert answer.content == problem_response(InsufficientScope(("orders:read",))).content


def test_permissions_may_be_combined(auth: Sealring, ada: Any) -> None:
    client = APIClient()
    assert client.get("/drf-either", headers=token(auth, "nobody", "admin")).json() == {"subject": "nobody"}
    assert client.get("/drf-either", headers=token(auth, str(ada.pk))).status_code == 200, "staff"
    assert client.get("/drf-either", headers=token(auth, "nobody")).status_code == 403


def test_without_the_middleware_the_class_guards_by_itself(auth: Sealring) -> None:
    with override_settings(MIDDLEWARE=MIDDLEWARE[:-1]):
        client = APIClient()
        assert client.get("/drf", headers=token(auth, "42", "orders:read")).json() == {"subject": "42"}
        refused = client.get("/drf", headers=bearer("x.y.z"))
        assert (refused.status_code, refused.json()) == (401, {"detail": "the access token is not valid"})
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        stolen = cookie_line({"sealring_access": token(auth, "42", "orders:read")["Authorization"][7:]})
        assert client.post("/drf", headers=stolen).status_code == 403
        assert client.get("/drf").status_code == 401


def own_handler(error: Exception, context: Any) -> Any:  # noqa: ARG001 - the framework's signature
    from rest_framework.response import Response  # noqa: PLC0415 - asks for settings

    return Response({"error": str(error)}, status=getattr(error, "status_code", 500))


def test_a_projects_own_handler_answers_in_its_form(auth: Sealring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_settings, "EXCEPTION_HANDLER", own_handler)
    client = APIClient()
    answer = client.get("/drf", headers=bearer("x.y.z"))
    assert (answer.status_code, answer.json()) == (401, {"error": "the access token is not valid"})
    answer = client.get("/drf", headers=token(auth, "42"))
    assert (answer.status_code, answer.json()) == (403, {"error": "the access token lacks a scope"})


@pytest.mark.usefixtures("auth")
def test_the_frameworks_test_client_may_say_who_is_asking(ada: Any) -> None:
    principal = cheap_sealring_principal("42", "orders:read")
    client = APIClient()
    client.force_authenticate(user=ada, token=principal)
    assert client.get("/drf").json() == {"subject": "42"}
    client.force_authenticate(user=ada, token=cheap_sealring_principal("42"))
    assert client.get("/drf").status_code == 403
    client.force_authenticate(user=ada)
    assert client.get("/drf").status_code == 403


def cheap_sealring_principal(subject: str, *scopes: str) -> Any:
    with cheap_sealring().sync() as s:
        return s.verify(s.start_session(subject, scopes=scopes).access_token.text)


def test_a_request_of_its_factory_is_authenticated(auth: Sealring) -> None:
    from tests.django_project.urls import Orders  # noqa: PLC0415 - asks for settings

    answer = Orders.as_view()(APIRequestFactory().get("/drf", headers=token(auth, "42", "orders:read")))
    assert answer.data == {"subject": "42"}


def test_what_is_no_scope_is_refused_where_it_stands() -> None:
    with pytest.raises(ValueError, match="scope token"):
        HasScope("orders read")
    with pytest.raises(TypeError, match="as text"):
        HasScope(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["csrf_exempt", "require_POST", "api_view"])
def test_the_order_of_require_and_other_decorators_makes_no_difference(auth: Sealring, name: str) -> None:
    from rest_framework.decorators import api_view  # noqa: PLC0415 - asks for settings

    around: Any = {"csrf_exempt": csrf_exempt, "require_POST": require_POST, "api_view": api_view(["POST"])}[name]

    def view(request: Any) -> HttpResponse:
        return HttpResponse(request.principal.subject)

    made = {"outside": around(require("a")(view)), "inside": require("a")(around(view))}
    urls = type("Urls", (), {"urlpatterns": [path(order, each) for order, each in made.items()]})
    known = bearer(auth.sync().start_session("42", scopes=["a"]).access_token.text)
    client = Client(enforce_csrf_checks=True)
    with override_settings(ROOT_URLCONF=urls):
        for order in made:
            assert client.post(f"/{order}").status_code == 401, order
            assert client.post(f"/{order}", headers=known).content == b"42", order
