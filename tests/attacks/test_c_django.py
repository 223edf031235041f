"""C2, C3, I13 in Django, whose own CSRF check stands beside ours: exactly one of the two decides, on every view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from sealring import NoSuchAccount, Sealring
from tests.conformance.test_guarded_routes import KINDS
from tests.django_project.settings import MIDDLEWARE, use
from tests.django_project.tables import make_tables
from tests.serving import PASSWORD, bearer, cheap_sealring, cookie_line, fresh_name

CSRF = "django.middleware.csrf.CsrfViewMiddleware"
OURS = MIDDLEWARE[-1]
WITHOUT = [name for name in MIDDLEWARE if name not in {CSRF, OURS}]
ORDERS = {
    "Django's first": [*WITHOUT, CSRF, OURS],
    "ours first": [*WITHOUT, OURS, CSRF],
    "as startproject writes": MIDDLEWARE,
}
SAME = {"Sec-Fetch-Site": "same-origin"}
CROSS = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
FORM = {"amount": "1"}


@pytest.fixture(params=ORDERS)
def auth(request: pytest.FixtureRequest) -> Iterator[Sealring]:
    auth = cheap_sealring()
    use(auth)
    with override_settings(MIDDLEWARE=ORDERS[request.param]):
        yield auth
    auth.sync().close()


def tokens(auth: Sealring) -> tuple[dict[str, str], dict[str, str]]:
    """One session's token as a bearer's, and as a browser's."""
    text = auth.sync().start_session("42", scopes=["orders:read"]).access_token.text
    return bearer(text), cookie_line({"sealring_access": text})


def by(answer: Any) -> str:
    """Who refused: we, with a problem document, or Django, with a page."""
    assert answer.status_code == 403
    return "ours" if answer.headers["content-type"] == "application/problem+json" else "Django's"


@pytest.mark.parametrize("path", [*KINDS.values(), "/optional", "/twice-protected"])
def test_i13_another_sites_form_is_refused_by_us_and_our_own_page_by_nobody(auth: Sealring, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    program, browser = tokens(auth)
    assert by(client.post(path, FORM, headers=browser | CROSS)) == "ours"
    assert by(client.post(path, FORM, headers=browser | CROSS | {"Host": "evil.example"})) == "ours"
    assert by(client.post(path, FORM, headers=browser)) == "ours"
    assert client.post(path, FORM, headers=browser | SAME).status_code == 200
    assert client.post(path, FORM, headers=program).status_code == 200
    assert client.post(path, FORM, headers=program | CROSS).status_code == 200


def test_i13_a_view_that_we_do_not_guard_is_djangos_to_check(auth: Sealring) -> None:
    client = Client(enforce_csrf_checks=True)
    program, browser = tokens(auth)
    for headers in ({}, program, browser, browser | SAME, browser | CROSS):
        assert by(client.post("/open", FORM, headers=headers)) == "Django's", headers
    client.cookies["csrftoken"] = "a" * 32
    assert client.post("/open", FORM, headers={"X-CSRFToken": "a" * 32}).status_code == 200


def test_i13_a_method_that_we_do_not_guard_is_djangos_to_check(auth: Sealring) -> None:
    program, browser = tokens(auth)
    client = Client(enforce_csrf_checks=True)
    for headers in ({}, program, browser | SAME):
        assert by(client.put("/methods", FORM, headers=headers)) == "Django's"


@pytest.mark.usefixtures("auth")
def test_i13_who_is_known_by_djangos_session_alone_is_djangos_to_check() -> None:
    make_tables()
    users: Any = get_user_model().objects
    client = Client(enforce_csrf_checks=True)
    client.force_login(users.create_user(fresh_name(), password=PASSWORD))
    for headers in ({}, SAME, CROSS):
        assert by(client.post("/optional", FORM, headers=headers)) == "Django's"
        refused = client.post("/drf", FORM, headers=headers)  # the REST framework's SessionAuthentication asks
        assert refused.status_code == 403
        assert "CSRF" in refused.json()["detail"]
    assert client.post("/function", FORM, headers=SAME).status_code == 401, "only our credentials count there"


def test_i13_a_decorator_that_answers_before_the_guard_acts_for_nobody(auth: Sealring) -> None:
    """`functools.wraps` hands the attributes of a view on: an exemption that lies in them outlives the guard."""
    client = Client(enforce_csrf_checks=True)
    _, browser = tokens(auth)
    assert by(client.post("/hurried", FORM, headers=browser | CROSS)) == "ours"
    assert client.post("/hurried", FORM).status_code == 401
    assert client.post("/hurried", FORM, headers=browser | SAME).content == b"acted"


def test_i13_without_our_middleware_djangos_check_stays(auth: Sealring) -> None:
    client = Client(enforce_csrf_checks=True)
    program, browser = tokens(auth)
    with override_settings(MIDDLEWARE=[*WITHOUT, CSRF]):
        assert by(client.post("/function", FORM, headers=browser | SAME)) == "Django's"
        assert by(client.post("/hurried", FORM, headers=program)) == "Django's"
        assert client.get("/function", headers=program).status_code == 200
        assert client.get("/function", headers=bearer("x.y.z")).status_code == 401


def test_c2_another_sites_page_logs_nobody_in(auth: Sealring) -> None:
    client = Client(enforce_csrf_checks=True)
    body = {"username": fresh_name(), "password": PASSWORD}
    for route in ("register", "login", "refresh"):
        answer = client.post(f"/auth/{route}", body, content_type="application/json", headers=CROSS)
        assert by(answer) == "ours"
        assert answer.json()["code"] == "csrf"
    with pytest.raises(NoSuchAccount):
        auth.sync().accounts.find(body["username"])
