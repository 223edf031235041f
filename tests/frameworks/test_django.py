"""Django: the middleware, `require`, `request.user`, the routes, and how a project is put together."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.client import AsyncRequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sealring import ConfigurationError, NotGranted, Sealring, jwt
from sealring.frameworks.django import get_sealring, problem_response, require
from sealring.http.request_errors import MissingCredential
from tests.django_project import shop
from tests.django_project.settings import MIDDLEWARE, use
from tests.django_project.tables import make_tables
from tests.serving import PASSWORD, SECRET, bearer, cheap_sealring, fresh_name


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
    user = users.create_user(fresh_name(), password=PASSWORD)
    yield user
    user.delete()


def token(auth: Sealring, subject: str = "42", *scopes: str) -> dict[str, str]:
    return bearer(auth.sync().start_session(subject, scopes=scopes).access_token.text)


def refusal(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["code"]


# who is asking


def test_every_request_has_a_principal(auth: Sealring) -> None:
    client = Client()
    assert client.get("/open", headers=token(auth)).json() == {"subject": "42"}
    assert client.get("/open").json() == client.get("/open", headers=bearer("x.y.z")).json() == {"subject": "nobody"}


def test_an_optional_view_refuses_bad_credentials_only(auth: Sealring) -> None:
    client = Client()
    assert client.get("/optional").json() == {"subject": "nobody"}
    assert client.get("/optional", headers=token(auth, "42", "orders:read")).json() == {"subject": "42"}
    assert refusal(client.get("/optional", headers=token(auth))) == (403, "insufficient_scope")
    assert refusal(client.get("/optional", headers=bearer("x.y.z"))) == (401, "invalid_token")


def test_the_user_is_loaded_where_it_is_touched(auth: Sealring, ada: Any) -> None:
    client, mine = Client(), token(auth, str(ada.pk), "orders:read")
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/function", headers=mine).status_code == 200
        assert client.get("/drf", headers=mine).status_code == 200
        assert client.get("/ninja/orders", headers=mine).status_code == 200
    assert len(queries) == 0
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/row", headers=mine).content.decode() == ada.username
    assert len(queries) == 1


def test_a_subject_names_the_row_that_has_exactly_this_text(auth: Sealring, ada: Any) -> None:
    client = Client()
    for subject in ("nobody", f"0{ada.pk}", f" {ada.pk}", f"+{ada.pk}", "9" * 40, str(ada.pk + 1000)):
        if subject.isprintable() and subject.strip() == subject:
            answer = client.get("/row", headers=token(auth, subject))
            assert (answer.status_code, answer.headers["location"][:16]) == (302, "/accounts/login/"), subject
    assert client.get("/row", headers=token(auth, str(ada.pk))).status_code == 200


def test_a_row_that_is_not_active_is_nobody(auth: Sealring, ada: Any) -> None:
    mine = token(auth, str(ada.pk))
    ada.is_active = False
    ada.save()
    assert Client().get("/row", headers=mine).status_code == 302


def test_the_user_is_found_by_the_field_that_the_setting_names(auth: Sealring, ada: Any) -> None:
    use(auth, USER_FIELD="username")
    assert Client().get("/row", headers=token(auth, ada.username)).content.decode() == ada.username
    assert Client().get("/row", headers=token(auth, str(ada.pk))).status_code == 302


def test_djangos_own_sessions_go_on_where_we_know_nobody(auth: Sealring, ada: Any) -> None:
    client = Client()
    client.force_login(ada)
    assert client.get("/row").content.decode() == ada.username
    assert client.get("/row", headers=bearer("x.y.z")).content.decode() == ada.username
    assert client.get("/row", headers=token(auth, "nobody")).status_code == 302, "ours counts where it is good"


@pytest.mark.anyio
async def test_a_coroutine_loads_the_user_by_auser(auth: Sealring) -> None:
    await sync_to_async(make_tables)()
    users: Any = get_user_model().objects
    user = await users.acreate(username=fresh_name())
    issued = await auth.start_session(str(user.pk))
    client = AsyncClient()
    answer = await client.get("/row-async", headers=bearer(issued.access_token.text))
    assert answer.content.decode() == user.username
    nobody = await auth.start_session("nobody")
    assert (await client.get("/row-async", headers=bearer(nobody.access_token.text))).content == b""
    await user.adelete()
    await sync_to_async(connections.close_all)()
    await auth.close()


# the routes


def test_a_day_at_the_auth_routes(auth: Sealring) -> None:
    client = Client(enforce_csrf_checks=True)
    body = {"username": fresh_name(), "password": PASSWORD}
    made = client.post(reverse("sealring:register"), body, content_type="application/json")
    assert made.status_code == 201
    mine = bearer(made.json()["access_token"])
    assert client.get("/open", headers=mine).json() == {"subject": client.get("/auth/me", headers=mine).json()["id"]}
    assert client.generic("POST", "/auth/logout", headers=mine).status_code == 204
    assert refusal(client.get("/function", headers=mine)) == (401, "invalid_token")
    auth.sync()


def test_djangos_client_keeps_our_cookies(auth: Sealring) -> None:
    client = Client(enforce_csrf_checks=True)
    body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
    made = client.post("/auth/register", body, content_type="application/json")
    csrf = {"X-CSRF-Token": made.json()["csrf_token"]}
    assert made.cookies["sealring_refresh"]["path"] == "/auth"
    assert client.get("/auth/me").json()["id"] == client.get("/open").json()["subject"]
    assert client.generic("POST", "/auth/refresh", headers=csrf).status_code == 200
    assert client.generic("POST", "/auth/logout", headers=csrf).status_code == 204
    assert client.get("/open").json() == {"subject": "nobody"}
    auth.sync()


@pytest.mark.parametrize("with_middleware", [True, False])
def test_the_routes_need_no_middleware_of_ours(auth: Sealring, *, with_middleware: bool) -> None:
    names = MIDDLEWARE if with_middleware else MIDDLEWARE[:-1]
    with override_settings(MIDDLEWARE=names):
        client = Client(enforce_csrf_checks=True)
        made = client.post(
            "/auth/register", {"username": fresh_name(), "password": PASSWORD}, content_type="application/json"
        )
        assert made.status_code == 201
        mine = bearer(made.json()["access_token"])
        [session] = client.get("/auth/sessions", headers=mine).json()["sessions"]
        assert client.delete(f"/auth/sessions/{session['id']}", headers=mine).status_code == 204
        assert refusal(client.get("/auth/me", headers=mine)) == (401, "invalid_token")
        assert refusal(client.get("/function", headers=mine)) == (401, "invalid_token")
    auth.sync()


@pytest.mark.parametrize(("name", "status"), [("reads_body", 201), ("reads_form", 201), ("keeps_nothing", 400)])
def test_a_middleware_may_read_the_body_first(auth: Sealring, name: str, status: int) -> None:
    body = {"username": fresh_name(), "password": PASSWORD}
    with override_settings(MIDDLEWARE=[f"tests.django_project.shop.{name}", *MIDDLEWARE]):
        answer = Client().post("/auth/register", body, content_type="application/json")
    assert answer.status_code == status
    assert status == 201 or refusal(answer) == (400, "malformed_body")
    auth.sync()


def test_the_refresh_cookie_goes_to_where_the_browser_sees_the_routes(auth: Sealring) -> None:
    body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
    with override_settings(FORCE_SCRIPT_NAME="/shop"):
        answer = Client().post("/auth/register", body, content_type="application/json")
    assert answer.json()["refresh_path"] == "/shop/auth"
    body["username"] = fresh_name()
    answer = Client().post("/auth/register", body, content_type="application/json", SCRIPT_NAME="/store")
    assert answer.json()["refresh_path"] == "/store/auth"
    body["username"] = fresh_name()
    answer = Client().post("/auth/register", body, content_type="application/json", SCRIPT_NAME="/caf\xc3\xa9")
    assert answer.json()["refresh_path"] == "/caf%C3%A9/auth"
    request: Any = WSGIRequest(RequestFactory().get("/enter").environ | {"SCRIPT_NAME": "/caf\xc3\xa9"})
    response = HttpResponse()
    auth.deliver(response, auth.sync().start_session("42", request=request, delivery="cookie"), request=request)
    assert response.cookies["sealring_refresh"]["path"] == "/caf%C3%A9/auth"
    auth.sync()


@override_settings(ATOMIC_REQUESTS=True)
def test_the_routes_take_no_transaction_of_the_applications(auth: Sealring) -> None:
    make_tables()
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        with CaptureQueriesContext(connection) as queries, override_settings(MIDDLEWARE=MIDDLEWARE[:-1]):
            assert Client().get("/auth/me").status_code == 401
        assert len(queries) == 0
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    auth.sync()


def test_a_project_where_all_must_log_in_leaves_guarded_views_and_the_routes_to_us(auth: Sealring) -> None:
    make_tables()
    every = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    body = {"username": fresh_name(), "password": PASSWORD}
    for names in ([*MIDDLEWARE, every], [*MIDDLEWARE[:-1], every, MIDDLEWARE[-1]]):
        with override_settings(MIDDLEWARE=names):
            client = Client()
            assert client.get("/open").status_code == 302
            assert client.get("/optional").status_code == 302
            assert refusal(client.get("/function")) == (401, "missing_credential")
            assert refusal(client.generic("POST", "/auth/refresh")) == (401, "missing_credential")
            assert client.post("/auth/login", body, content_type="application/json").status_code == 401
    auth.sync()


def test_health_is_served_to_balancers(auth: Sealring) -> None:
    client = Client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200, "asking opens the store"
    assert client.get("/metrics").status_code == 404
    auth.sync()


# refusals of an application's own views


def test_what_a_view_raises_is_answered_as_our_routes_do(auth: Sealring) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get("/raises?what=throttled")
    assert refusal(answer) == (429, "throttled")
    assert answer.headers["retry-after"] == "5"
    for what in ("unfit", "other"):
        assert client.get(f"/raises?what={what}").status_code == 500
    auth.sync()


def test_protected_paths_are_guarded_without_a_decorator(auth: Sealring) -> None:
    use(auth, PROTECT={"/open": ["orders:read"]}, INVALID_STATUS=403)
    client = Client()
    assert refusal(client.get("/open")) == (401, "missing_credential")
    assert refusal(client.get("/OPEN/", headers=bearer("x.y.z"))) == (403, "invalid_token")
    assert refusal(client.get("/x/../open", headers=token(auth))) == (403, "insufficient_scope")
    assert client.get("/open", headers=token(auth, "42", "orders:read")).json() == {"subject": "42"}
    assert client.get("/optional").status_code == 200


# views that are called without a server


def test_a_view_guards_itself_where_no_middleware_stands(auth: Sealring) -> None:
    @require("orders:read")
    def view(request: Any) -> HttpResponse:
        """The orders."""
        return HttpResponse(request.principal.subject)

    assert (view.__name__, view.__doc__) == ("view", "The orders.")
    refused = view(RequestFactory().get("/"))
    assert refused.content == problem_response(MissingCredential("")).content
    mine = token(auth, "42", "orders:read")
    assert view(RequestFactory().get("/", headers=mine)).content == b"42"
    assert view(request=RequestFactory().get("/", headers=mine)).content == b"42"
    assert view(AsyncRequestFactory().get("/", headers=mine)).content == b"42"
    with pytest.raises(TypeError, match="must be one that a WSGI or ASGI server sent"):
        view(HttpRequest())
    with pytest.raises(TypeError, match="called with a request"):
        cast("Any", view)()


def test_a_decorator_that_cannot_work_is_refused_where_it_stands() -> None:
    with pytest.raises(TypeError, match=r"require\(\) or"):
        require(lambda: "view")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scope token"):
        require("orders read")
    with pytest.raises(TypeError, match="require decorates views, and int is none"):
        require()(int)


@pytest.mark.anyio
async def test_under_asgi_the_store_opens_in_the_thread_of_the_process() -> None:
    auth = cheap_sealring()
    use(auth)
    body = {"username": fresh_name(), "password": PASSWORD}
    client = AsyncClient()
    made = await client.post("/auth/register", body, content_type="application/json")
    assert made.status_code == 201
    assert "sealring" in {thread.name for thread in threading.enumerate()}
    mine = bearer(made.json()["access_token"])
    assert (await client.get("/auth/me", headers=mine)).status_code == 200
    auth.sync().close()
    answer = await client.get("/open", headers=mine)
    assert answer.json() == {"subject": made.json()["user"]["id"]}, "a request with a token opens it again"
    auth.sync().close()


# the setting


def test_the_setting_is_read_once_and_anew_when_a_test_changes_it() -> None:
    with override_settings(SEALRING={"SECRET": SECRET, "ISSUER": "http://127.0.0.1:9000"}):
        one = get_sealring()
        assert one is get_sealring()
        assert one.settings.issuer == "http://127.0.0.1:9000"
    with override_settings(SEALRING={"SECRET": SECRET}):
        assert get_sealring().settings.issuer == "http://127.0.0.1:8000"


def test_a_sealring_that_the_setting_made_is_closed_when_a_test_changes_it(tmp_path: Any) -> None:
    before = set(threading.enumerate())  # other tests of this process may have left some

    def started() -> set[str]:
        return {thread.name for thread in set(threading.enumerate()) - before}

    with override_settings(SEALRING={"SECRET": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path}/sealring.db"}):
        get_sealring().sync().start_session("42")
        assert "sealring" in started()
    assert "sealring" not in started()


UNFIT: list[tuple[Any, str]] = [
    ("x", "SEALRING must be a dict"),
    ({"ISUER": "https://shop.example"}, "unknown key 'ISUER' in SEALRING"),
    ({"SECRET": "short"}, "SEALRING_SECRET is too short"),
    ({"SECRET": SECRET, "PROTECT": "admin"}, "PROTECT in SEALRING: "),
    ({"SECRET": SECRET, "INVALID_STATUS": 404}, "INVALID_STATUS in SEALRING must be one of 401, 403"),
    ({"SECRET": SECRET, "ACCOUNTS": "no"}, "ACCOUNTS in SEALRING must be one of True, False"),
    ({"SECRET": SECRET, "OAUTH": "no"}, "OAUTH in SEALRING must be one of None, True, False"),
    ({"SECRET": SECRET, "GRANT_FOR": "shop.nowhere"}, "GRANT_FOR in SEALRING: cannot import 'shop.nowhere'"),
    ({"SECRET": SECRET, "GRANT_FOR": 7}, "GRANT_FOR in SEALRING must be a function"),
    ({"AUTH": "os.environ"}, "AUTH in SEALRING must be a Sealring"),
    ({"AUTH": "os.environ", "ISSUER": "x"}, "SEALRING has AUTH and ISSUER: two places for one thing"),
    ({"AUTH": "os.environ", "GRANT_FOR": "x"}, "SEALRING has AUTH and GRANT_FOR: two places for one thing"),
]


@pytest.mark.parametrize(("given", "words"), UNFIT)
def test_an_unfit_setting_is_said_when_the_server_starts(given: Any, words: str) -> None:
    with override_settings(SEALRING=given), pytest.raises(ConfigurationError, match=words.replace("(", r"\(")):
        WSGIHandler()


def test_a_project_without_the_application_is_told_to_add_it() -> None:
    with (
        override_settings(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"]),
        pytest.raises(ConfigurationError, match=r'add "sealring\.frameworks\.django" to INSTALLED_APPS'),
    ):
        get_sealring()


def test_a_function_that_grants_may_be_plain_and_use_the_orm(ada: Any, tmp_path: Path) -> None:
    for given, scopes in (
        (shop.plain_grant, (ada.username,)),
        ("tests.django_project.shop.plain_grant", (ada.username,)),
        (shop.coroutine_grant, ("from:a:coroutine",)),
    ):
        url = f"sqlite:///{tmp_path}/sealring.db"
        with override_settings(SEALRING={"SECRET": SECRET, "DATABASE_URL": url, "GRANT_FOR": given}):
            s = get_sealring().sync()
            assert s.start_session(str(ada.pk)).scopes == scopes
            if given is not shop.coroutine_grant:
                with pytest.raises(NotGranted):
                    s.start_session("999999")


def test_host_and_scheme_of_a_request_decide_nothing(auth: Sealring) -> None:
    """C12: an attacker writes these fields."""
    body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
    forged = {"Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    with override_settings(
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"), USE_X_FORWARDED_HOST=True, ALLOWED_HOSTS=["*"]
    ):
        answer = Client().post("/auth/register", body, content_type="application/json", headers=forged)
        assert answer.status_code == 201
        evil = Client().post(
            "/auth/login", body, content_type="application/json", headers=forged | {"Origin": "https://evil.example"}
        )
        assert refusal(evil) == (403, "csrf")
    text = answer.cookies["sealring_access"].value
    assert jwt.peek(text).claims["iss"] == "http://127.0.0.1:8000"
    assert not answer.cookies["sealring_access"]["secure"]
    assert "evil" not in answer.content.decode()
    auth.sync()


# responses


def test_cookies_are_sent_as_they_were_written_and_survive_a_cache(auth: Sealring) -> None:
    response = HttpResponse()
    issued = auth.sync().start_session(
        "42", request=RequestFactory().post("/enter", headers={"Sec-Fetch-Site": "same-origin"}), delivery="cookie"
    )
    auth.deliver(response, issued)
    lines = {cookie.OutputString() for cookie in response.cookies.values()}
    assert all("; Max-Age=" in line and line.endswith("; HttpOnly; SameSite=Lax") for line in lines)
    assert {cookie.output(header="") for cookie in response.cookies.values()} == lines
    assert {cookie.output() for cookie in response.cookies.values()} == {f"Set-Cookie: {line}" for line in lines}
    kept = pickle.loads(pickle.dumps(response.cookies))  # noqa: S301 - our own bytes
    assert {cookie.OutputString() for cookie in kept.values()} == lines
    assert isinstance(response.cookies, SimpleCookie)
    auth.clear(response)
    assert response.cookies["sealring_access"]["max-age"] == "0"


# processes


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip


PROJECT = """
import sys, threading
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF="sealring.frameworks.django.urls", ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["sealring.frameworks.django"],
    MIDDLEWARE=["sealring.frameworks.django.SealringMiddleware"],
    SEALRING={"SECRET": "q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use", "DATABASE_URL": "sqlite:///" + sys.argv[1]},
)
import django
django.setup()
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
"""


def test_nothing_starts_before_the_first_request() -> None:
    done = python(PROJECT + "WSGIHandler(); print(threading.active_count())", "unused.db")
    assert done.stdout.strip() == "1", done.stderr


def test_gevent_is_refused_at_the_start() -> None:
    done = python("import gevent.monkey; gevent.monkey.patch_all()" + PROJECT + "WSGIHandler()", "unused.db")
    assert done.returncode == 1
    assert "gevent has replaced the threads of this process, and sealring needs a real one" in done.stderr


def test_a_project_needs_no_users_of_djangos_and_no_other_framework(tmp_path: Path) -> None:
    done = python(
        "import sys; sys.modules.update(dict.fromkeys(['flask', 'rest_framework', 'ninja', 'starlette', 'fastapi']))"
        + PROJECT
        + "from django.test import Client\n"
        "print(Client().get('/me').status_code, Client().get('/.well-known/jwks.json').status_code)",
        str(tmp_path / "sealring.db"),
    )
    assert done.stdout.strip() == "401 200", done.stderr


@pytest.mark.parametrize(
    ("parts", "served"),
    [
        ({"ACCOUNTS": True}, "401 422 401 401 415"),
        ({"ACCOUNTS": True, "OAUTH": False}, "401 422 401 401 404"),
        ({"ACCOUNTS": False}, "401 422 404 404 404"),
        ({"ACCOUNTS": False, "OAUTH": True}, "401 422 404 404 415"),
    ],
)
def test_the_parts_that_the_setting_leaves_out_are_not_there(
    parts: dict[str, bool], served: str, tmp_path: Path
) -> None:
    """N2: neither in their own spelling nor in another."""
    done = python(
        PROJECT.replace("SEALRING={", f"SEALRING={{**{parts!r}, ") + "from django.test import Client\n"
        "client, json = Client(), {'content_type': 'application/json'}\n"
        "def ask(path): return client.post(path, {'username': 'ada', 'password': 'x' * 20}, **json).status_code\n"
        "print(client.get('/me').status_code, *map(ask, ['/refresh', '/login', '/password', '/token']))\n"
        "print({ask(path) for path in ['/login/', '//register', '/LOGIN', '/register/']})\n"
        "client.get('/.well-known/jwks.json').json()['keys'][0]\n",
        str(tmp_path / "sealring.db"),
    )
    assert done.stdout.splitlines() == [served, "{404}"], done.stderr


@pytest.mark.parametrize(
    ("module", "missing", "package"),
    [
        ("sealring.frameworks.django", "django", "django"),
        ("sealring.frameworks.django.rest_framework", "rest_framework", "djangorestframework"),
        ("sealring.frameworks.django.ninja", "ninja", "django-ninja"),
    ],
)
def test_without_its_package_it_says_what_to_install(module: str, missing: str, package: str) -> None:
    done = python(f"import sys; sys.modules['{missing}'] = None\nimport {module}")
    last = done.stderr.splitlines()[-1]
    assert last == f"ModuleNotFoundError: {module} needs the package {missing}: pip install {package}"
