"""Flask: `init_app`, `require`, `current_principal`, refusals, and how applications are put together."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, request
from flask.views import MethodView
from prometheus_client import CollectorRegistry
from werkzeug.exceptions import HTTPException

from sealring import ConfigurationError, KeyRefused, Sealring, SealringError
from sealring.errors import StoreUnavailable
from sealring.frameworks.flask import current_principal, problem_response, require
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.serving import PASSWORD, bearer, cheap_sealring, fresh_name


@pytest.fixture
def auth() -> Iterator[Sealring]:
    auth = cheap_sealring()
    yield auth
    auth.sync().close()


@pytest.mark.parametrize("root", ["", "/shop"])
def test_a_login_of_ones_own_gives_a_browser_the_cookies_of_ours(auth: Sealring, root: str) -> None:
    app = Flask(__name__)
    auth.init_app(app, accounts=False)

    @app.post("/enter/<subject>")
    def enter(subject: str) -> Response:
        issued = auth.sync().start_session(subject, request=request, delivery="cookie")
        response = app.make_response({})
        response.data = json.dumps(auth.deliver(response, issued, request=request))
        return response

    client = app.test_client()
    base = {"base_url": f"http://127.0.0.1:8000{root}"}
    entered = client.post("/enter/42", **base)
    assert len(entered.headers.getlist("Set-Cookie")) == 3
    assert entered.headers["Cache-Control"] == "no-store"
    body = json.loads(entered.data)
    assert body["refresh_path"] == f"{root}/auth"
    assert json.loads(client.get("/auth/me", **base).data)["id"] == "42"
    csrf = {"X-CSRF-Token": body["csrf_token"]}
    assert client.post("/auth/refresh", headers=csrf, **base).status_code == 200
    assert client.post("/enter/43", headers=csrf, **base).status_code == 200
    assert auth.sync().list_sessions("42") == [], "the session that this browser held has ended (C1)"
    assert client.post("/enter/44", headers={"Sec-Fetch-Site": "cross-site"}, **base).status_code == 403
    assert client.post("/auth/register", json={}, **base).status_code == 404


def make_app(auth: Sealring | None, **options: Any) -> Flask:
    app = Flask(__name__)
    if auth is not None:
        auth.init_app(app, **options)

    @app.get("/orders")
    @require("orders:read")
    def orders() -> str:
        return current_principal.subject

    @app.route("/mine", methods=["GET", "POST"])
    @require()
    def mine() -> str:
        return current_principal.subject

    @app.get("/home")
    @require("orders:read", optional=True)
    def home() -> str:
        return current_principal.subject if current_principal.is_authenticated else "nobody"

    @app.get("/open")
    def everybody() -> str:
        return current_principal.subject if current_principal.is_authenticated else "nobody"

    @app.get("/later")
    @require("orders:read")
    async def later() -> str:
        return current_principal.subject

    return app


def token(auth: Sealring, *scopes: str) -> dict[str, str]:
    return bearer(auth.sync().start_session("42", scopes=scopes).access_token.text)


def refusal(answer: Any) -> tuple[int, str]:
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.get_json()["code"]


@pytest.mark.parametrize("path", ["/orders", "/later"])
def test_a_view_that_requires_scopes_is_for_those_who_have_them(auth: Sealring, path: str) -> None:
    client = make_app(auth).test_client()
    assert client.get(path, headers=token(auth, "orders:read", "x")).text == "42"
    assert refusal(client.get(path, headers=token(auth, "orders:write"))) == (403, "insufficient_scope")
    assert refusal(client.get(path)) == (401, "missing_credential")
    assert refusal(client.get(path, headers=bearer("x.y.z"))) == (401, "invalid_token")
    assert refusal(client.get(path, headers={"Authorization": "Bearer"})) == (400, "invalid_request")


def test_a_refusal_carries_the_challenge_of_rfc_6750(auth: Sealring) -> None:
    client = make_app(auth).test_client()
    assert client.get("/orders").headers.get_all("WWW-Authenticate") == ['Bearer realm="sealring"']
    [challenge] = client.get("/orders", headers=token(auth)).headers.get_all("WWW-Authenticate")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="orders:read"' in challenge


def test_an_optional_view_refuses_bad_credentials_only(auth: Sealring) -> None:
    client = make_app(auth).test_client()
    assert client.get("/home").text == "nobody"
    assert client.get("/home", headers=token(auth, "orders:read")).text == "42"
    assert refusal(client.get("/home", headers=token(auth))) == (403, "insufficient_scope")
    assert refusal(client.get("/home", headers=bearer("x.y.z"))) == (401, "invalid_token")


def test_a_view_that_requires_nobody_knows_who_is_there(auth: Sealring) -> None:
    client = make_app(auth).test_client()
    assert client.get("/open", headers=token(auth)).text == "42"
    assert client.get("/open").text == client.get("/open", headers=bearer("x.y.z")).text == "nobody"


def test_i13_a_cookie_acts_for_our_own_pages_alone(auth: Sealring) -> None:
    client = make_app(auth).test_client()
    client.set_cookie("sealring_access", token(auth)["Authorization"].removeprefix("Bearer "))
    assert client.get("/mine").text == "42"
    assert refusal(client.post("/mine")) == (403, "csrf")
    assert refusal(client.post("/mine", headers={"Sec-Fetch-Site": "cross-site"})) == (403, "csrf")
    assert client.post("/mine", headers={"Sec-Fetch-Site": "same-origin"}).text == "42"


def test_a_day_at_the_auth_routes(auth: Sealring) -> None:
    client = make_app(auth).test_client()
    body = {"username": fresh_name(), "password": PASSWORD}
    made = client.post("/auth/register", json=body)
    assert made.status_code == 201
    mine = bearer(made.get_json()["access_token"])
    assert client.get("/mine", headers=mine).text == client.get("/auth/me", headers=mine).get_json()["id"]
    assert client.post("/auth/logout", headers=mine).status_code == 204
    assert refusal(client.get("/mine", headers=mine)) == (401, "invalid_token")


def test_the_applications_own_routes_may_stand_beside_ours(auth: Sealring) -> None:
    app = make_app(auth)
    app.add_url_rule("/auth/profile", view_func=lambda: "profile", endpoint="profile")
    client = app.test_client()
    assert client.get("/auth/profile").text == "profile"
    assert client.get("/auth/nothing").status_code == 404
    assert client.get("/authors").status_code == 404
    assert client.get("/auth/me").status_code == 401


def test_the_auth_routes_are_where_the_setting_says() -> None:
    auth = cheap_sealring(auth_path="/api/v1/session")
    client = make_app(auth).test_client()
    assert client.get("/api/v1/session/me").status_code == 401
    assert client.get("/auth/me").status_code == 404
    auth = cheap_sealring(auth_path="/")
    assert make_app(auth).test_client().get("/me").status_code == 401


def test_a_login_of_ones_own_is_delivered_in_cookies(auth: Sealring) -> None:
    app = make_app(auth, accounts=False)

    @app.post("/enter")
    def enter() -> Response:
        response = Response(mimetype="application/json")
        issued = auth.sync().start_session("42", request=request, delivery="cookie")
        response.set_data(app.json.dumps(auth.deliver(response, issued, request=request)))
        return response

    client = app.test_client()
    assert client.post("/auth/login", json={}).status_code == 404
    assert refusal(client.post("/enter", headers={"Sec-Fetch-Site": "cross-site"})) == (403, "csrf")
    csrf = {"X-CSRF-Token": client.post("/enter").get_json()["csrf_token"]}
    assert client.get("/mine").text == "42"
    assert client.post("/auth/refresh", headers=csrf).status_code == 200
    assert client.post("/auth/logout", headers=csrf).status_code == 204
    assert refusal(client.get("/mine")) == (401, "missing_credential")


def test_no_hook_of_the_application_reads_our_bodies(auth: Sealring) -> None:
    app = make_app(auth)

    @app.before_request
    def reads() -> tuple[str, int] | None:
        request.get_data()
        return None if request.method == "GET" else ("refused by a hook", 400)

    body = {"username": fresh_name(), "password": PASSWORD}
    assert app.test_client().post("/auth/register", json=body).status_code == 201


def test_protected_paths_are_guarded_without_a_decorator(auth: Sealring) -> None:
    app = make_app(auth, protect={"/open": ["orders:read"]}, invalid_status=403)
    client = app.test_client()
    assert refusal(client.get("/open")) == (401, "missing_credential")
    assert refusal(client.get("/OPEN/", headers=bearer("x.y.z"))) == (403, "invalid_token")
    assert refusal(client.get("/x/../open", headers=token(auth))) == (403, "insufficient_scope")
    assert client.get("/open", headers=token(auth, "orders:read")).text == "42"


# refusals of an application's own views


def test_what_a_view_raises_is_answered_as_our_routes_do() -> None:
    registry = CollectorRegistry()
    clock = FrozenClock()
    auth = Sealring(
        secret="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use", store=MemoryStore(clock.now_ms), clock=clock,
        metrics=registry,
    )  # fmt: skip
    app = make_app(auth)

    @app.post("/enter")
    def enter() -> str:
        return auth.sync().log_in("nobody", PASSWORD, request=request).issued.access_token.text

    client = app.test_client()
    assert refusal(client.post("/enter")) == (401, "invalid_credentials")
    assert refusal(client.get("/mine")) == (401, "missing_credential")
    for code in ("invalid_credentials", "missing_credential"):
        assert registry.get_sample_value("sealring_refusals_total", {"code": code, "cause": ""}) == 1
    auth.sync().close()


@pytest.mark.parametrize("error", [ConfigurationError("unfit"), KeyRefused("unfit")])
def test_an_unfit_setting_is_no_refusal(auth: Sealring, error: Exception) -> None:
    app = make_app(auth)

    @app.get("/unfit")
    def unfit() -> str:
        raise error

    assert app.test_client().get("/unfit").status_code == 500


def test_an_application_handles_refusals_as_it_handles_flasks_own(auth: Sealring) -> None:
    app = make_app(auth)
    app.register_error_handler(401, lambda error: (f"please log in: {error.description}", 401))
    client = app.test_client()
    answer = client.get("/mine")
    assert (answer.status_code, answer.text) == (401, "please log in: no token was sent")
    assert refusal(client.get("/orders", headers=token(auth))) == (403, "insufficient_scope")
    app = make_app(auth)
    app.register_error_handler(HTTPException, lambda error: (type(error).__name__, error.code))
    assert app.test_client().get("/orders", headers=token(auth)).text == "Forbidden"


@pytest.mark.parametrize("first", [True, False])
def test_an_applications_own_handler_of_our_errors_stays(auth: Sealring, *, first: bool) -> None:
    app = Flask(__name__)

    def own(error: SealringError) -> Response:
        response = problem_response(error)
        response.headers["X-Own"] = "yes"
        return response

    steps: list[Callable[[], Any]] = [
        lambda: app.register_error_handler(SealringError, own),
        lambda: auth.init_app(app),
    ]
    for step in steps if first else reversed(steps):
        step()

    @app.get("/away")
    def away() -> str:
        raise StoreUnavailable("away")

    answer = app.test_client().get("/away")
    assert refusal(answer) == (503, "unavailable")
    assert answer.headers["X-Own"] == "yes"


# how applications are put together


def test_a_factory_makes_any_number_of_applications_of_one_sealring(auth: Sealring) -> None:
    mine = token(auth)
    threads = threading.active_count()
    for _ in range(3):
        assert make_app(auth).test_client().get("/mine", headers=mine).text == "42"
    assert threading.active_count() == threads


def test_two_applications_with_a_sealring_each_know_their_own_users(auth: Sealring) -> None:
    other = cheap_sealring(issuer="http://127.0.0.1:9000")
    one, two = make_app(auth).test_client(), make_app(other).test_client()
    mine, theirs = token(auth), token(other)
    for _ in range(2):
        assert one.get("/mine", headers=mine).status_code == two.get("/mine", headers=theirs).status_code == 200
        assert one.get("/mine", headers=theirs).status_code == two.get("/mine", headers=mine).status_code == 401
    other.sync().close()


def test_init_app_twice_says_so(auth: Sealring) -> None:
    app = make_app(auth)
    for again in (auth, cheap_sealring()):
        with pytest.raises(ConfigurationError, match="has a Sealring already: call"):
            again.init_app(app)


@pytest.mark.parametrize("path", ["/mine", "/home", "/open"])
def test_without_init_app_it_says_what_is_missing(path: str) -> None:
    app = make_app(None)
    app.testing = True
    with pytest.raises(ConfigurationError, match="this Flask application has no Sealring: call"):
        app.test_client().get(path)


def test_outside_of_a_request_there_is_nobody_to_ask_for(auth: Sealring) -> None:
    app = make_app(auth)
    with pytest.raises(RuntimeError, match="application context"):
        _ = current_principal.subject
    with app.test_request_context("/orders", headers=token(auth)):
        assert bool(current_principal)
        assert current_principal.subject == "42"
    with app.test_request_context("/orders"):
        assert not bool(current_principal)
        assert not current_principal.is_authenticated
        with pytest.raises(AttributeError):
            _ = current_principal.subject


def test_blueprints_class_views_and_hooks_may_require(auth: Sealring) -> None:
    app = make_app(auth)
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")

    @blueprint.before_request
    @require("admin")
    def admins_only() -> None:
        """Nothing more to ask."""

    @blueprint.get("/")
    def index() -> str:
        return "index"

    class Orders(MethodView):
        decorators = [require("orders:read")]  # noqa: RUF012 - as Flask has it

        async def get(self) -> str:
            return current_principal.subject

    app.register_blueprint(blueprint)
    app.add_url_rule("/class", view_func=Orders.as_view("class"))
    client = app.test_client()
    assert client.get("/admin/", headers=token(auth, "admin")).text == "index"
    assert refusal(client.get("/admin/", headers=token(auth))) == (403, "insufficient_scope")
    assert client.get("/class", headers=token(auth, "orders:read")).text == "42"
    assert refusal(client.get("/class")) == (401, "missing_credential")


def test_a_decorator_that_cannot_work_is_refused_where_it_stands() -> None:
    with pytest.raises(TypeError, match=r"require\(\) or"):
        require(lambda: "view")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scope token"):
        require("orders read")


def test_a_view_keeps_its_name() -> None:
    def orders(number: int) -> str:
        """The orders."""
        return str(number)

    guarded = require()(orders)
    assert (guarded.__name__, guarded.__doc__) == ("orders", "The orders.")


def test_a_request_is_authenticated_once(auth: Sealring) -> None:
    app = make_app(auth, protect=["/mine"])
    mine = token(auth)
    asked: list[str] = []
    verify = auth.authenticator.verify

    def counted(text: str) -> Any:
        asked.append(text)
        return verify(text)

    auth.authenticator.verify = counted
    assert app.test_client().get("/mine", headers=mine).text == "42"
    assert len(asked) == 1


# the page


def test_the_quick_start_has_ten_lines() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "how-to", "flask.md").read_text(encoding="utf-8")
    first = page.split("```python\n")[1].split("```")[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 10


# processes


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_nothing_starts_before_the_first_request() -> None:
    done = python(
        "import threading\n"
        "from flask import Flask\n"
        "from sealring import Sealring\n"
        "from sealring.frameworks.flask import require\n"
        "app = Flask('app')\n"
        "Sealring(secret='q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use').init_app(app)\n"
        "print(threading.active_count())\n"
    )
    assert done.stdout.strip() == "1", done.stderr


def test_gevent_is_refused_at_the_start() -> None:
    done = python(
        "import gevent.monkey; gevent.monkey.patch_all()\n"
        "from flask import Flask\n"
        "from sealring import Sealring\n"
        "Sealring(secret='q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use').init_app(Flask('app'))\n"
    )
    assert done.returncode == 1
    assert "gevent has replaced the threads of this process, and sealring needs a real one" in done.stderr


def test_without_flask_it_says_what_to_install() -> None:
    done = python("import sys; sys.modules['flask'] = None\nimport sealring.frameworks.flask")
    last = done.stderr.splitlines()[-1]
    assert last == "ModuleNotFoundError: sealring.frameworks.flask needs the package flask: pip install flask"


def test_flask_needs_no_other_framework() -> None:
    done = python(
        "import sys; sys.modules.update(dict.fromkeys(['fastapi', 'starlette', 'pydantic', 'django']))\n"
        "from flask import Flask\n"
        "from sealring import Sealring\n"
        "app = Flask('app')\n"
        "Sealring(secret='q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use', database_url='sqlite:///:memory:').init_app(app)\n"
    )
    assert "fastapi" not in done.stderr
    assert "starlette" not in done.stderr
