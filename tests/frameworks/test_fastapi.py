# no postponed annotations: FastAPI cannot look up the local `auth` in a string

import asyncio
import json
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, Security, WebSocket
from starlette.authentication import requires
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import PlainTextResponse

from sealring.errors import Expired, SealringError, Stale
from sealring.frameworks.fastapi import GuardRefusal, guard, optional_guard
from sealring.frameworks.starlette import answer_refusal
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.middleware import SessionMiddleware
from sealring.http.origins import Origins
from sealring.verifier.principal import Principal

PRINCIPAL = Principal(
    subject="42",
    session_id="sid",
    client_id="http",
    scopes=frozenset({"orders:read"}),
    epoch=0,
    kid="k",
    token_id="t",
    issued_at=0,
    expires_at=9,
    auth_time=0,
    claims={"plan": {"seats": [1, 2]}},
)
Fields = list[tuple[bytes, bytes]]
GOOD, OLD, STALE, BASIC = (
    [(b"authorization", word)] for word in (b"Bearer good", b"Bearer old", b"Bearer stale", b"Basic eDp5")
)
BY_COOKIE = [(b"cookie", b"sealring_access=good")]


class Service:
    """Another service's verifier: no authenticator, so the Authorization field alone counts."""

    asked = 0

    def verify(self, token: str) -> Principal:
        self.asked += 1
        if token == "good":
            return PRINCIPAL
        raise Stale(2) if token == "stale" else Expired("expired")


class Site(Service):
    """The issuer's own application: a authenticator that reads cookies too."""

    def __init__(self) -> None:
        self.refused: list[SealringError] = []
        self.authenticator = RequestAuthenticator(
            self.verify,
            access_cookie=b"sealring_access",
            origins=Origins.of(["https://example.com"]),
            refused=self.refused.append,
        )


def application(auth: Service, *, problem_details: bool = True) -> FastAPI:
    app = FastAPI()
    if problem_details:
        app.add_exception_handler(SealringError, answer_refusal)

    @app.get("/orders")
    @app.post("/orders")
    async def orders(user: Annotated[Principal, Security(guard(auth), scopes=["orders:read"])]) -> dict[str, str]:
        return {"subject": user.subject}

    @app.get("/me")
    async def me(user: Annotated[Principal, Depends(guard(auth))]) -> dict[str, str]:
        return {"subject": user.subject}

    @app.get("/write")
    async def write(_: Annotated[Principal, Security(guard(auth), scopes=["orders:read", "orders:write"])]) -> None:
        return None

    @app.get("/maybe")
    async def maybe(user: Annotated[Principal | None, Security(optional_guard(auth))]) -> dict[str, str | None]:
        return {"subject": user.subject if user else None}

    @app.get("/open")
    async def open_(request: Request) -> dict[str, Any]:
        return {"known": request.user.is_authenticated, "scopes": sorted(request.auth.scopes)}

    @app.get("/starlette")
    @requires(["authenticated", "orders:read"])
    async def starlettes(request: Request) -> dict[str, str]:
        return {"subject": request.user.identity}

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, user: Annotated[Principal, Security(guard(auth))]) -> None:
        await websocket.accept(headers=[(b"subject", user.subject.encode())])

    return app


def call(
    app: Any,
    path: str,
    fields: Fields | None = None,
    *,
    method: str = "GET",
    kind: str = "http",
    extensions: dict[str, Any] | None = None,
) -> list[Any]:
    scope = {
        "type": kind, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": fields or [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "extensions": extensions or {}, "subprotocols": [],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request" if kind == "http" else "websocket.connect", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def reply(
    app: Any, path: str, fields: Fields | None = None, method: str = "GET"
) -> tuple[int, dict[bytes, bytes], Any]:
    start, *rest = call(app, path, fields, method=method)
    assert len({name for name, _ in start["headers"]}) == len(start["headers"])
    return start["status"], dict(start["headers"]), json.loads(b"".join(message["body"] for message in rest))


def with_middleware(auth: Site) -> Any:
    return SessionMiddleware(application(auth), authenticator=auth.authenticator)


@pytest.fixture(params=["alone", "behind the middleware"])
def app(request: pytest.FixtureRequest) -> Any:
    auth = Site()
    return application(auth) if request.param == "alone" else with_middleware(auth)


def test_a_route_can_return_the_principal_and_the_claims() -> None:
    app, auth = FastAPI(), Service()

    @app.get("/whole")
    async def whole(user: Annotated[Principal, Depends(guard(auth))]) -> Any:
        return user

    @app.get("/typed")
    async def typed(user: Annotated[Principal, Depends(guard(auth))]) -> Principal:
        return user

    @app.get("/claims")
    async def claims(user: Annotated[Principal, Depends(guard(auth))]) -> Any:
        return user.claims

    for path in ("/whole", "/typed"):
        status, _, body = reply(app, path, GOOD)
        assert (status, body["subject"], body["scopes"]) == (200, "42", ["orders:read"])
        assert body["claims"] == {"plan": {"seats": [1, 2]}}
    assert reply(app, "/claims", GOOD)[::2] == (200, {"plan": {"seats": [1, 2]}})


@pytest.mark.parametrize("fields", [GOOD, BY_COOKIE, [*BASIC, *BY_COOKIE]])
def test_a_good_token_reaches_the_endpoint(app: Any, fields: Fields) -> None:
    assert reply(app, "/orders", fields)[::2] == (200, {"subject": "42"})
    assert reply(app, "/me", fields)[::2] == (200, {"subject": "42"})


CHALLENGES = {
    "missing_credential": b'Bearer realm="sealring"',
    "invalid_token": b'Bearer realm="sealring", error="invalid_token", '
    b'error_description="the access token is not valid"',
    "invalid_request": b'Bearer realm="sealring", error="invalid_request", '
    b'error_description="a credential or a parameter is malformed or repeated"',
    "insufficient_scope": b'Bearer realm="sealring", error="insufficient_scope", '
    b'error_description="the access token lacks a scope", scope="orders:read orders:write"',
    "stale": None,
}


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [
        ("/me", [], 401, "missing_credential"),
        ("/me", BASIC, 401, "missing_credential"),
        ("/me", OLD, 401, "invalid_token"),
        ("/me", [*GOOD, *BY_COOKIE], 400, "invalid_request"),
        ("/write", GOOD, 403, "insufficient_scope"),
        ("/me", STALE, 503, "stale"),
    ],
)
def test_q27_a_refusal_is_rfc_6750s_in_problem_details(
    app: Any, path: str, fields: Fields, status: int, code: str
) -> None:
    answered, head, problem = reply(app, path, fields)
    assert (answered, problem["code"], problem["status"]) == (status, code, status)
    assert head[b"content-type"] == b"application/problem+json"
    assert head[b"cache-control"] == b"no-store"
    assert head.get(b"www-authenticate") == CHALLENGES[code]
    assert (head.get(b"retry-after") == b"2") is (status == 503)


def test_i13_a_cookie_writes_only_for_our_own_page(app: Any) -> None:
    assert reply(app, "/orders", BY_COOKIE, "POST")[2]["code"] == "csrf"
    assert reply(app, "/orders", [*BY_COOKIE, (b"origin", b"https://evil")], "POST")[0] == 403
    assert reply(app, "/orders", [*BY_COOKIE, (b"origin", b"https://example.com")], "POST")[0] == 200
    assert reply(app, "/orders", [*GOOD, (b"origin", b"https://evil")], "POST")[0] == 200


def test_an_optional_user_may_be_absent_but_not_bad(app: Any) -> None:
    assert reply(app, "/maybe")[2] == {"subject": None}
    assert reply(app, "/maybe", GOOD)[2] == {"subject": "42"}
    assert reply(app, "/maybe", OLD)[0] == 401
    assert reply(app, "/maybe", STALE)[0] == 503


def test_a_service_without_a_gate_reads_no_cookie() -> None:
    app = application(Service())
    assert reply(app, "/me", BY_COOKIE)[0] == 401
    assert reply(app, "/me", GOOD)[0] == 200


def test_what_the_middleware_found_is_not_sought_again() -> None:
    auth = Site()
    reply(with_middleware(auth), "/me", GOOD)
    assert auth.asked == 1


def test_a_finding_of_another_verifier_is_not_believed() -> None:
    theirs, ours = Site(), Site()
    app = SessionMiddleware(application(ours), authenticator=theirs.authenticator)
    reply(app, "/me", GOOD)
    assert (theirs.asked, ours.asked) == (1, 1)


def test_each_refusal_is_counted_once_with_its_true_cause() -> None:
    for wrap in (application, with_middleware):
        auth = Site()
        app = wrap(auth)
        for path, fields in (("/me", OLD), ("/me", []), ("/write", GOOD)):
            reply(app, path, fields)
        assert [error.code for error in auth.refused] == ["expired", "missing_credential", "insufficient_scope"]


def test_starlettes_words_work_on_the_request() -> None:
    app = with_middleware(Site())
    assert reply(app, "/open", GOOD)[2] == {"known": True, "scopes": ["authenticated", "orders:read"]}
    assert reply(app, "/open", OLD)[2] == {"known": False, "scopes": []}
    assert reply(app, "/starlette", GOOD)[2] == {"subject": "42"}
    assert reply(app, "/starlette", OLD)[0] == 403


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [("/me", [], 401, "missing_credential"), ("/me", OLD, 401, "invalid_token"), ("/me", STALE, 503, "stale")],
)
def test_nothing_is_installed_in_the_application_and_its_own_answer_has_the_same_fields(
    path: str, fields: Fields, status: int, code: str
) -> None:
    app = application(Site(), problem_details=False)
    before = dict(app.exception_handlers)
    seen: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        seen.append(scope.get("starlette.exception_handlers"))

    answered, head, body = reply(outside, path, fields)
    assert (answered, body.keys()) == (status, {"detail"})
    assert head[b"cache-control"] == b"no-store"
    assert head.get(b"www-authenticate") == CHALLENGES[code]
    assert (head.get(b"retry-after") == b"2") is (status == 503)
    assert app.exception_handlers == before
    assert not any(kind.__module__.startswith("sealring") for kind in (seen[0] or ({},))[0])


@pytest.mark.parametrize("kind", [GuardRefusal, HTTPException, StarletteHTTPException, 401])
def test_an_application_may_answer_a_refusal_in_its_own_way(kind: Any) -> None:
    app = application(Site(), problem_details=False)

    @app.exception_handler(kind)
    async def mine(_: Request, refusal: GuardRefusal) -> PlainTextResponse:
        return PlainTextResponse(refusal.error.code, 418, refusal.headers)

    start, body = call(app, "/me")
    assert (start["status"], body["body"]) == (418, b"missing_credential")
    assert dict(start["headers"])[b"www-authenticate"] == CHALLENGES["missing_credential"]


def test_the_same_guard_is_one_object_and_can_be_overridden() -> None:
    auth = Site()
    assert guard(auth) is guard(auth)
    assert len({guard(auth), optional_guard(auth), guard(Site())}) == 3
    app = application(auth)
    app.dependency_overrides[guard(auth)] = lambda: PRINCIPAL
    assert reply(app, "/me")[0] == 200


def test_a_websocket_is_guarded_too() -> None:
    app = application(Site())
    assert call(app, "/ws", GOOD, kind="websocket")[0]["type"] == "websocket.accept"
    assert call(app, "/ws", kind="websocket")[0]["type"] == "websocket.close"
    assert call(app, "/ws", BY_COOKIE, kind="websocket")[0]["type"] == "websocket.close"
    refused = call(app, "/ws", OLD, kind="websocket", extensions={"websocket.http.response": {}})
    assert (refused[0]["type"], refused[0]["status"]) == ("websocket.http.response.start", 401)


def test_the_docs_show_the_padlock_and_the_scopes() -> None:
    schema = application(Site()).openapi()
    assert schema["components"]["securitySchemes"] == {
        "sealring": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert schema["paths"]["/orders"]["get"]["security"] == [{"sealring": ["orders:read"]}]
    assert "security" not in schema["paths"]["/open"]["get"]


def test_with_a_token_url_the_docs_can_log_in() -> None:
    app = FastAPI()

    @app.get("/me", dependencies=[Security(guard(Site(), token_url="auth/token"))])
    async def me() -> None:
        return None

    scheme = app.openapi()["components"]["securitySchemes"]["sealring"]
    assert scheme["flows"]["password"]["tokenUrl"] == "auth/token"
