"""Tokens of another issuer beside ours: verified by their own keys, from the Authorization field, with no session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from sealring import ForeignPrincipal, Principal, Sealring, SealringError, TokenError, jwt
from sealring.errors import BadSignature
from sealring.frameworks.fastapi import guard
from sealring.http.routes import ENDPOINTS
from sealring.testing import InMemorySealring, principal
from tests.jwt.forge import forge
from tests.serving import SECRET

OLD_KEY = jwt.Key.from_secret(b"an old secret of at least 32 bytes", "HS256")
ACCESS = ForeignPrincipal(
    subject="id", expect={"type": "access"}, scopes=lambda claims: ["orders:read"] if claims.get("buyer") else []
)


def old(*, key: jwt.Key = OLD_KEY, expires_in: float = 3600, now: float | None = None, **claims: Any) -> str:
    given = {"id": 42, "type": "access", "buyer": True} | claims
    given = {name: value for name, value in given.items() if value is not None}
    return jwt.sign(given, key, expires_in=expires_in, now=now)


AUTH = InMemorySealring(foreign_tokens=jwt.Verifier(OLD_KEY, project=ACCESS))


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI(lifespan=AUTH.lifespan)
    app.include_router(AUTH.router())
    app.add_middleware(AUTH.middleware, protect=["/fenced"])

    @app.get("/orders")
    @app.post("/orders")
    async def orders(user: Annotated[Principal, Security(guard(AUTH), scopes=["orders:read"])]) -> dict[str, str]:
        return {"orders of": user.subject}

    @app.get("/fenced")
    async def fenced() -> str:
        return "in"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, user: Annotated[Principal, Security(guard(AUTH))]) -> None:
        await websocket.accept()
        await websocket.send_text(user.subject)
        await websocket.close()

    with TestClient(app, base_url="http://127.0.0.1:8000") as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_an_old_token_and_one_of_ours_are_both_accepted(client: TestClient) -> None:
    body = {"username": "ada", "password": "seven blue otters sing"}
    made = client.post("/auth/register", json=body).json()
    assert client.get("/orders", headers=bearer(old())).json() == {"orders of": "42"}
    assert client.post("/orders", headers=bearer(old())).json() == {"orders of": "42"}
    assert client.get("/fenced", headers=bearer(old())).status_code == 200
    assert client.get("/fenced", headers=bearer(made["access_token"])).status_code == 200
    assert client.get("/orders").status_code == client.get("/fenced").status_code == 401


@pytest.mark.parametrize(
    "token",
    [
        old(type="refresh"),
        old(type=None),
        old(type=1),
        old(id=None),
        old(id=""),
        old(id=True),
        old(id=4.5),
        old(id=["42"]),
        old(id="x" * 256),
        old(now=time.time() - 7200),
        old(key=jwt.Key.generate("HS256")),
        old(key=jwt.Key.generate("ES256")),
        jwt.sign({"id": 42, "type": "access"}, OLD_KEY),
        old()[:-2],
        old() + "x",
    ],
)
def test_what_is_no_valid_access_token_of_the_other_issuer_is_refused(client: TestClient, token: str) -> None:
    for path in ("/orders", "/fenced"):
        answer = client.get(path, headers=bearer(token))
        assert (answer.status_code, answer.json().get("code", "invalid_token")) == (401, "invalid_token"), path
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_of_many_groups_is_as_long_as_its_verifier_allows() -> None:
    """Entra with 200 groups writes 10.8 KB, which is more than any token of ours has."""
    long = forge(OLD_KEY, {"id": 42, "exp": int(time.time()) + 60, "groups": ["g" * 36] * 200})
    for max_chars, status in ((16_384, 200), (8_192, 401)):
        verifier = jwt.Verifier(OLD_KEY, max_chars=max_chars, project=ForeignPrincipal(subject="id"))
        auth = InMemorySealring(foreign_tokens=verifier)
        app = FastAPI(lifespan=auth.lifespan, dependencies=[Security(guard(auth))])
        app.add_api_route("/", lambda: "in")
        app.add_middleware(auth.middleware)
        with TestClient(app) as client:
            assert client.get("/", headers=bearer(long)).status_code == status


def test_a_number_as_sub_becomes_text() -> None:
    token = forge(OLD_KEY, {"sub": 42, "exp": int(time.time()) + 60})
    numbers = jwt.Verifier(OLD_KEY, numeric_subject=True, project=ForeignPrincipal())
    assert numbers.verify(token).subject == "42"
    with pytest.raises(TokenError):
        jwt.Verifier(OLD_KEY, project=ForeignPrincipal()).verify(token)


def test_rfc9470_it_says_when_and_how_its_user_proved_or_meets_no_step_up() -> None:
    verifier = jwt.Verifier(OLD_KEY, project=ACCESS)
    known = verifier.verify(old(auth_time=1_700_000_000, acr="mfa"))
    assert (known.auth_time, known.acr) == (1_700_000_000, "mfa")
    for acr in (None, 5, ["mfa"]):
        assert verifier.verify(old(acr=acr)).acr == ""
    assert verifier.verify(old(auth_time="now", now=1_700_000_000, expires_in=10**9)).auth_time == 1_700_000_000


def test_its_scopes_are_asked_as_those_of_ours(client: TestClient) -> None:
    assert client.get("/orders", headers=bearer(old(buyer=False))).status_code == 403


def test_i9_a_function_of_scopes_that_claims_make_fail_is_a_refusal_and_no_server_error() -> None:
    failing: list[Any] = [
        lambda claims: claims["role"],
        lambda claims: claims["buyer"].split(),
        lambda _: ["a b"],
        lambda _: "orders:read",
        lambda _: 7,
        lambda _: {"orders:read": False},
        lambda _: 1 // 0,
    ]
    for scopes in failing:
        verifier = jwt.Verifier(OLD_KEY, project=ForeignPrincipal(subject="id", scopes=scopes))
        with pytest.raises(TokenError) as refused:
            verifier.verify(old())
        assert refused.value.code == "bad_claim"


def test_c3_in_a_cookie_it_is_refused_since_no_csrf_token_is_of_its_session(client: TestClient) -> None:
    client.cookies.set("sealring_access", old())
    for path in ("/orders", "/fenced"):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if row.caller], ids=lambda row: f"{row.method} {row.path}")
def test_the_auth_routes_do_nothing_for_it(client: TestClient, row: Any) -> None:
    path = "/auth" + row.path.replace("{session_id}", "x").replace("{method}", "password").replace("{id}", "x")
    body: dict[str, Any] = {} if row.reads is None else {"json": {"current": "a", "new": "b"}}
    answer = client.request(row.method, path, headers=bearer(old()), **body)
    assert answer.status_code == 401
    assert client.post("/auth/logout", headers=bearer(old())).status_code == 401


def test_a_token_of_ours_that_is_refused_is_never_tried_as_a_foreign_one(client: TestClient) -> None:
    """Else a session that was ended would go on where the other issuer shares our key."""
    body = {"username": "bob", "password": "seven blue otters sing"}
    token = client.post("/auth/register", json=body).json()["access_token"]
    assert client.get("/fenced", headers=bearer(token)).status_code == 200
    assert client.post("/auth/logout", headers=bearer(token)).status_code == 204
    answer = client.get("/fenced", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_a_foreign_verifier_is_not_asked_about_a_token_of_ours() -> None:
    class Everybody:
        def verify(self, token: str, /) -> Principal:
            raise AssertionError(token)

    auth = InMemorySealring(foreign_tokens=Everybody())
    with auth.sync() as s:
        issued = s.start_session("42")
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [
            (b"authorization", b"Bearer " + issued.access_token.text.encode())
        ]}  # fmt: skip
        assert auth.authenticator.authenticate(scope).principal is not None
        s.revoke_session(issued.session.id)
        refusal = auth.authenticator.authenticate(scope).refusal
        assert isinstance(refusal, SealringError)
        assert refusal.code == "revoked"


def test_a_websocket_may_be_opened_with_it(client: TestClient) -> None:
    with client.websocket_connect("/socket", headers=bearer(old())) as socket:
        assert socket.receive_text() == "42"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/socket", headers=bearer(old(type="refresh"))),
    ):
        pass


class Verifies:
    """An object of an application's own, wrong in some way."""

    def __init__(self, found: object) -> None:
        self.found = found

    def verify(self, _token: str, /) -> Any:
        return self.found


class VerifiesAsync:
    async def verify(self, token: str, /) -> Any:
        """Would refuse, if anybody waited for it."""
        raise BadSignature(token)


@pytest.mark.parametrize(
    "found",
    [None, True, {"sub": "42"}, "42", principal(session_id="a-session")],
    ids=lambda found: type(found).__name__,
)
def test_what_is_no_principal_without_a_session_lets_nobody_in(found: object) -> None:
    auth = InMemorySealring(foreign_tokens=Verifies(found))
    app = FastAPI(lifespan=auth.lifespan)
    app.add_middleware(auth.middleware, protect=["/fenced"])

    @app.get("/guarded", dependencies=[Security(guard(auth))])
    async def guarded() -> str:
        return "in"

    with TestClient(app) as client:
        for path in ("/guarded", "/fenced"):
            assert client.get(path, headers=bearer(old())).status_code == 401, path


@pytest.mark.parametrize(
    ("verifier", "reason"),
    [
        (VerifiesAsync(), "plain function"),
        (jwt.Verifier(OLD_KEY), "needs project="),
        (jwt.Verifier(OLD_KEY, project=ForeignPrincipal), "needs project="),  # type: ignore[arg-type]
        (object(), "method verify"),
    ],
)
def test_a_verifier_that_makes_no_principal_is_refused_at_once(verifier: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        InMemorySealring(foreign_tokens=verifier)


async def no_scopes(_claims: object) -> list[str]:
    return []


@pytest.mark.anyio
async def test_its_connections_are_ended_by_no_revocation_of_ours_as_its_requests_are() -> None:
    auth = InMemorySealring(foreign_tokens=jwt.Verifier(OLD_KEY, project=ACCESS))
    await auth.open()
    bearer_of_old = [(b"authorization", b"Bearer " + old().encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": bearer_of_old}
    user = auth.authenticator.authenticate(scope).require()
    async with auth.while_live(user):
        await auth.start_session("42")
        assert await auth.revoke_subject("42") == 1
        await asyncio.sleep(0)  # a cancellation would come here
    async with auth.while_live(user):
        pass
    with pytest.raises(ValueError, match="no session"):
        auth.csrf_token(user)
    await auth.close()


def test_without_foreign_tokens_nothing_of_it_is_accepted() -> None:
    auth = InMemorySealring()
    app = FastAPI(lifespan=auth.lifespan)
    app.add_middleware(auth.middleware, protect=["/"])
    with TestClient(app) as client:
        assert client.get("/", headers=bearer(old())).status_code == 401


def test_wrong_arguments_are_named() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"subject": 1}, "subject"),
        ({"expect": "access"}, "expect"),
        ({"scopes": "orders:read"}, "scopes"),
        ({"scopes": no_scopes}, "plain function"),
    ]
    for given, name in wrong:
        with pytest.raises(TypeError, match=name):
            ForeignPrincipal(**given)
    with pytest.raises(ValueError, match="scope token"):
        ForeignPrincipal(scopes=["a b"])
    with pytest.raises(TypeError, match="foreign_tokens"):
        Sealring(secret=SECRET, foreign_tokens="HS256")  # type: ignore[arg-type]


def test_the_principal_says_what_the_token_says() -> None:
    token = jwt.sign({"sub": "a-b", "role": "x"}, OLD_KEY, expires_in=60, token_id="t", now=1000)
    principal = jwt.Verifier(OLD_KEY, project=ForeignPrincipal(scopes=["a"])).verify(token, 1001)
    assert (principal.subject, principal.session_id, principal.token_id) == ("a-b", "", "t")
    assert principal.scopes == {"a"}
    assert (principal.issued_at, principal.expires_at, principal.claims["role"]) == (1000, 1060, "x")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (old(type=None), "missing_claim"),
        (old(id=None), "missing_claim"),
        (old(type="refresh"), "bad_claim"),
        (old(id=True), "bad_claim"),
        (jwt.sign({"id": 42, "type": "access"}, OLD_KEY), "missing_claim"),
    ],
)
def test_a_refusal_says_why_and_a_token_without_an_end_is_one_whatever_the_verifier_requires(
    token: str, code: str
) -> None:
    with pytest.raises(TokenError) as refused:
        jwt.Verifier(OLD_KEY, require=(), project=ACCESS).verify(token)
    assert refused.value.code == code
