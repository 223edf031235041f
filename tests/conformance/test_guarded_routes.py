"""One table of requests, asked of a guarded route in every framework: same status, same fields, same body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI, Security
from flask import Flask

from sealring import Principal, Sealring, SealringError
from sealring.frameworks.fastapi import guard
from sealring.frameworks.flask import current_principal, require
from tests.conformance.guarded import Checks
from tests.conformance.hosts import WSGI, transport_of
from tests.django_project.settings import use
from tests.serving import bearer, cheap_sealring, cookie_line

pytestmark = pytest.mark.anyio

Route = tuple[Any, str]


def fastapi(auth: Checks) -> Route:
    app = FastAPI()
    app.add_exception_handler(SealringError, auth.problem_response)

    @app.api_route("/orders", methods=["GET", "POST"])
    async def orders(
        user: Principal = Security(guard(auth), scopes=["orders:read"]),  # noqa: B008 - `auth` is local
    ) -> dict[str, str]:
        return {"subject": user.subject}

    return app, "/orders"


def flask(auth: Checks) -> Route:
    app = Flask(__name__)
    auth.init_app(app)

    @app.route("/orders", methods=["GET", "POST"])
    @require("orders:read")
    def orders() -> dict[str, str]:
        return {"subject": current_principal.subject}

    return WSGI(app), "/orders"


def django(path: str, handler: Callable[[], Any]) -> Callable[[Checks], Route]:
    def make(auth: Checks) -> Route:
        use(auth)
        app = handler()
        return (app if isinstance(app, ASGIHandler) else WSGI(app)), path

    return make


KINDS = {
    "function": "/function",
    "async function": "/coroutine",
    "class": "/class",
    "class of async methods": "/class-async",
    "decorated dispatch": "/dispatch",
    "decorated methods": "/methods",
    "decorated async methods": "/methods-async",
    "REST framework": "/drf",
    "Ninja": "/ninja/orders",
    "Ninja async": "/ninja/orders-async",
}
"""Each kind of guarded view in the Django project."""

ROUTES: dict[str, Callable[[Checks], Route]] = {
    "FastAPI": fastapi,
    "Flask": flask,
    **{f"Django WSGI, {kind}": django(path, WSGIHandler) for kind, path in KINDS.items()},
    **{f"Django ASGI, {kind}": django(path, ASGIHandler) for kind, path in KINDS.items()},
}

SAME = {"Sec-Fetch-Site": "same-origin"}
CROSS = {"Sec-Fetch-Site": "cross-site"}

CASES: list[tuple[int, str, str, str | None, dict[str, str]]] = [
    # status, code or who, method, how the token is sent (b: bearer, c: cookie, x: without the scope), more fields
    (200, "42", "GET", "b", {}),
    (200, "42", "POST", "b", {}),
    (200, "42", "POST", "b", CROSS),
    (200, "42", "GET", "c", {}),
    (200, "42", "GET", "c", CROSS),
    (200, "42", "POST", "c", SAME),
    (200, "42", "POST", "c", {"Origin": "http://127.0.0.1:8000"}),
    (200, "42", "POST", "c", {"Origin": "http://127.0.0.1:8000", "Host": "evil.example"}),
    (403, "csrf", "POST", "c", CROSS),
    (403, "csrf", "POST", "c", {}),
    (403, "csrf", "POST", "c", {"Origin": "https://evil.example"}),
    (403, "csrf", "POST", "c", {"Origin": "https://evil.example", "Host": "evil.example"}),
    (403, "csrf", "POST", "c", {"Origin": "null"}),
    (403, "csrf", "POST", "c", {"X-CSRF-Token": "x", **SAME}),
    (403, "insufficient_scope", "GET", "x", {}),
    (401, "missing_credential", "GET", None, {}),
    (401, "missing_credential", "POST", None, CROSS),
    (401, "missing_credential", "POST", None, SAME),
    (401, "missing_credential", "GET", None, {"Authorization": "Basic YTpi"}),
    (401, "invalid_token", "GET", None, bearer("x.y.z")),
    (401, "invalid_token", "POST", None, bearer("x.y.z")),
    (401, "invalid_token", "GET", None, cookie_line({"sealring_access": "x.y.z"})),
    (400, "invalid_request", "GET", None, {"Authorization": "Bearer"}),
    (400, "invalid_request", "POST", "bc", {}),
]

ANSWERS: dict[int, Any] = {}
"""What the first route that was asked has answered, by case."""


@pytest.fixture(params=ROUTES)
async def asked(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Sealring, httpx2.AsyncClient, str]]:
    auth = cheap_sealring()
    app, path = ROUTES[request.param](auth)
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=transport_of(app), base_url="http://127.0.0.1:8000") as client,
    ):
        yield auth, client, path


async def test_every_request_of_the_table_has_the_same_answer(
    asked: tuple[Sealring, httpx2.AsyncClient, str],
) -> None:
    auth, client, path = asked
    good = (await auth.start_session("42", scopes=["orders:read", "more"])).access_token.text
    other = (await auth.start_session("43", scopes=["more"])).access_token.text
    for number, (status, said, method, sent, more) in enumerate(CASES):
        headers = dict(more)
        for way in sent or "":
            headers |= cookie_line({"sealring_access": good}) if way == "c" else bearer(other if way == "x" else good)
        answer = await client.request(method, path, headers=headers)
        case = (number, status, said, method, sent, more)
        assert answer.status_code == status, (case, answer.text)
        if status == 200:
            assert answer.json() == {"subject": said}, case
            continue
        assert answer.json()["code"] == said, case
        given = (dict(answer.headers), answer.content)
        assert ANSWERS.setdefault(number, given) == given, case


async def test_a_stale_node_answers_503_and_a_revoked_session_401(
    asked: tuple[Sealring, httpx2.AsyncClient, str],
) -> None:
    auth, client, path = asked
    issued = await auth.start_session("42", scopes=["orders:read"])
    headers = bearer(issued.access_token.text)
    assert (await client.get(path, headers=headers)).status_code == 200
    await auth.revoke_session(issued.session.id)
    answer = await client.get(path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    auth.clock.pass_seconds(6)  # type: ignore[attr-defined] # a frozen clock
    answer = await client.get(path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "stale")
    assert answer.headers["retry-after"] == "1"
    assert "www-authenticate" not in answer.headers
