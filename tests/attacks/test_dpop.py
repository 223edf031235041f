"""A stolen token, access or refresh, of a session that is bound to a key (RFC 9449 §2, §11)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Security
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from sealring import ForeignPrincipal, InvalidProof, TokenBound, jwt
from sealring.errors import RefreshReused
from sealring.frameworks.fastapi import guard
from sealring.testing import InMemorySealring, as_user, verifier_of
from tests.proofs import KEY, ORIGIN, OTHER, PASSWORD, ProvingClient, flask_client


@pytest.fixture
def native() -> ProvingClient:
    return flask_client()


def code_of(answer: Any) -> str:
    code: str = answer.json()["code"]
    return code


def test_tokens_are_bound_to_the_key_of_the_proof(native: ProvingClient) -> None:
    tokens = native.log_in()
    assert tokens["token_type"] == "DPoP"
    assert jwt.peek(tokens["access_token"]).claims["cnf"] == {"jkt": KEY.thumbprint}
    answer = native.ask("GET", "/orders", tokens["access_token"])
    assert (answer.status_code, answer.text) == (200, jwt.peek(tokens["access_token"]).claims["sub"])
    assert native.ask("GET", "/auth/me", tokens["access_token"]).status_code == 200


def test_a_bound_token_as_a_plain_bearer_token_is_refused(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    for path in ("/orders", "/auth/me", "/auth/live"):
        answer = native.http.get(path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, code_of(answer)) == (401, "invalid_token")
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('DPoP realm="sealring", error="invalid_token"')
        assert 'algs="' in challenge
        assert "ES256" in challenge
    with pytest.raises(TokenBound):
        native.auth.verify(token)
    native.http.cookies.set("sealring_access", token, domain="127.0.0.1")
    assert native.http.get("/orders").status_code == 401


def test_a_bound_token_with_a_proof_and_the_scheme_bearer_is_refused(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "DPoP": native.proof("GET", "/orders", token)}
    assert native.http.get("/orders", headers=headers).status_code == 401


def test_a_thief_with_another_key_is_refused(native: ProvingClient) -> None:
    tokens = native.log_in()
    thief = ProvingClient(native.auth, native.http, key=OTHER)
    answer = thief.ask("GET", "/orders", tokens["access_token"])
    assert (answer.status_code, code_of(answer)) == (401, "invalid_dpop_proof")
    assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="sealring", error="invalid_dpop_proof"')
    for path in ("/auth/refresh", "/auth/token"):
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        sent: Any = {"data": form} if path == "/auth/token" else {"json": {"refresh_token": tokens["refresh_token"]}}
        assert thief.ask("POST", path, **sent).status_code == (400 if path == "/auth/token" else 401)
        assert native.http.post(path, **sent).status_code == (400 if path == "/auth/token" else 401)  # and without
    # the session goes on, and the refresh token was not used up: its owner has noticed nothing
    assert native.ask("POST", "/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 200


def test_an_old_refresh_token_without_its_key_ends_nothing_and_with_it_ends_the_session(native: ProvingClient) -> None:
    first = native.log_in()
    newest = first
    for _ in range(3):
        newest = native.ask("POST", "/auth/refresh", json={"refresh_token": newest["refresh_token"]}).json()
        native.auth.clock.advance("1m")
    thief = ProvingClient(native.auth, native.http, key=OTHER)
    answer = thief.ask("POST", "/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert code_of(answer) == "invalid_dpop_proof"
    assert native.ask("GET", "/orders", newest["access_token"]).status_code == 200
    answer = native.ask("POST", "/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert code_of(answer) == RefreshReused.code
    assert native.ask("GET", "/orders", newest["access_token"]).status_code == 401


def test_a_session_without_a_key_never_gets_one(native: ProvingClient) -> None:
    answer = native.http.post("/auth/register", json={"username": "plain", "password": "analytical engine 1843"})
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer"
    refused = native.ask("POST", "/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert (refused.status_code, code_of(refused)) == (401, "invalid_dpop_proof")
    assert native.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 200


def test_a_token_without_a_key_is_none_of_the_scheme(native: ProvingClient) -> None:
    issued = native.auth.sync().start_session("42")
    answer = native.ask("GET", "/orders", issued.access_token.text)
    assert (answer.status_code, code_of(answer)) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"].startswith("DPoP ")
    assert native.http.get("/orders", headers={"Authorization": f"Bearer {issued.access_token.text}"}).text == "42"


def test_a_replayed_request_is_refused(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": native.proof("GET", "/orders", token)}
    assert native.http.get("/orders", headers=headers).status_code == 200
    again = native.http.get("/orders", headers=headers)
    assert (again.status_code, code_of(again)) == (401, "invalid_dpop_proof")


def test_a_proof_is_for_one_method_and_one_path(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    for method, path in (("POST", "/orders"), ("GET", "/auth/me"), ("GET", "/orders/")):
        headers = {"Authorization": f"DPoP {token}", "DPoP": native.proof(method, path, token)}
        assert native.http.get("/orders", headers=headers).status_code == 401


def test_a_proof_that_was_signed_in_advance_needs_a_nonce_that_nobody_knows_yet(native: ProvingClient) -> None:
    # §11.2: somebody who had the key for a moment signed proofs for the hours to come
    native.log_in()
    later = native.auth.clock.now_ms() // 1000 + 3600
    stolen = native.proof("POST", "/auth/refresh", iat=later)
    native.auth.clock.advance("1h")
    answer = native.http.post("/auth/refresh", json={"refresh_token": "any"}, headers={"DPoP": stolen})
    assert (answer.status_code, code_of(answer)) == (401, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"]
    assert 'error="use_dpop_nonce"' in answer.headers["WWW-Authenticate"]


def test_a_client_whose_clock_is_wrong_gets_in_by_a_nonce(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    native.nonce = None
    headers = {"Authorization": f"DPoP {token}", "DPoP": native.proof("GET", "/orders", token, iat=86_400)}
    asked = native.http.get("/orders", headers=headers)
    assert (asked.status_code, code_of(asked)) == (401, "use_dpop_nonce")
    native.nonce = asked.headers["DPoP-Nonce"]
    headers["DPoP"] = native.proof("GET", "/orders", token, iat=86_400)
    assert native.http.get("/orders", headers=headers).status_code == 200


def test_a_revoked_token_stays_revoked_with_its_proof(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    assert native.ask("POST", "/auth/logout", token).status_code == 204
    answer = native.ask("GET", "/orders", token)
    assert (answer.status_code, code_of(answer)) == (401, "invalid_token")


def test_logout_by_a_bound_token_needs_its_proof_and_by_the_refresh_token_none(native: ProvingClient) -> None:
    tokens = native.log_in()
    bare = native.http.post("/auth/logout", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert bare.status_code == 401
    assert native.ask("GET", "/orders", tokens["access_token"]).status_code == 200
    # whoever found a refresh token may end the session that it is of
    assert native.http.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert native.ask("GET", "/orders", tokens["access_token"]).status_code == 401


def test_where_it_is_off_a_proof_binds_nothing_and_a_bound_token_is_refused(native: ProvingClient) -> None:
    bound = native.log_in()["access_token"]
    off = flask_client(dpop="off")
    answer = off.http.post(
        "/auth/register",
        json={"username": "ada", "password": "analytical engine 1843"},
        headers={"DPoP": native.proof("POST", "/auth/register")},
    )
    assert answer.json()["token_type"] == "Bearer"
    assert off.ask("GET", "/orders", bound).status_code == 401


def test_where_it_is_required_nothing_in_a_body_is_without_a_key() -> None:
    strict = flask_client(dpop="required", password_grant="on")
    new = {"username": "ada", "password": "analytical engine 1843"}
    assert code_of(strict.http.post("/auth/register", json=new)) == "invalid_dpop_proof"
    assert strict.ask("POST", "/auth/register", json=new).status_code == 201
    assert code_of(strict.http.post("/auth/login", json=new)) == "invalid_dpop_proof"
    form = {"grant_type": "password", **new}
    assert strict.http.post("/auth/token", data=form).json()["error"] == "invalid_dpop_proof"
    assert strict.ask("POST", "/auth/token", data=form).json()["token_type"] == "DPoP"
    by_cookie = strict.http.post("/auth/login", json={**new, "delivery": "cookie"})
    assert by_cookie.status_code == 200  # cookies are another matter: browsers cannot sign


def test_a_cookie_session_is_not_bound_whatever_is_sent_along(native: ProvingClient) -> None:
    new = {"username": "bob", "password": "analytical engine 1843", "delivery": "cookie"}
    answer = native.ask("POST", "/auth/register", json=new)
    assert answer.status_code == 201
    assert "token_type" not in answer.json()
    assert native.http.get("/orders").status_code == 200


def test_a_service_that_only_verifies_asks_for_the_proof_by_its_own_url() -> None:
    auth = InMemorySealring(dpop="optional")

    async def orders(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.user.subject)

    shop = Starlette(routes=[Mount("/shop", routes=[Route("/orders", orders)])])
    api = "https://api.example.com"
    verifier = verifier_of(auth, resource=f"{api}/shop")
    nameless = verifier_of(auth)
    with auth.sync(), verifier.sync() as checks, nameless.sync():
        native = ProvingClient(auth, httpx2.Client(transport=httpx2.WSGITransport(auth.wsgi()), base_url=ORIGIN))
        native.origin = ORIGIN
        answer = native.ask("POST", "/register", json={"username": "ada", "password": "analytical engine 1843"})
        token = answer.json()["access_token"]
        with pytest.raises(TokenBound):
            checks.verify(token)
        for service, status in ((verifier, 200), (nameless, 401)):
            client = TestClient(service.middleware(shop, protect=["/shop"]), base_url=api)
            user = ProvingClient(auth, client, origin=api)
            assert user.ask("GET", "/shop/orders", token).status_code == status
            assert client.get("/shop/orders", headers={"Authorization": f"Bearer {token}"}).status_code == 401
            wrong = ProvingClient(auth, client, origin="https://evil.example")
            assert wrong.ask("GET", "/shop/orders", token).status_code == 401


def test_several_guards_of_one_request_ask_for_one_proof() -> None:
    auth = InMemorySealring(dpop="optional")
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())

    @app.get("/orders", dependencies=[Depends(guard(auth)), Security(guard(auth))])
    async def orders() -> str:
        return "orders"

    with TestClient(app, base_url=ORIGIN) as client:
        tokens = ProvingClient(auth, client).log_in()
        assert ProvingClient(auth, client).ask("GET", "/orders", tokens["access_token"]).status_code == 200


def test_the_routes_of_an_application_bind_by_the_request() -> None:
    auth = InMemorySealring(dpop="optional")

    async def enter(request: Request) -> PlainTextResponse:
        issued = await auth.start_session("42", request=request)
        return PlainTextResponse(issued.session.proof_key)

    app = Starlette(
        routes=[Route("/enter", enter, methods=["POST"])],
        middleware=[Middleware(auth.middleware)],
        lifespan=auth.lifespan,
        exception_handlers={InvalidProof: auth.problem_response},
    )
    with TestClient(app, base_url=ORIGIN) as client:
        assert ProvingClient(auth, client).ask("POST", "/enter").text == KEY.thumbprint
        assert client.post("/enter").text == ""


def test_introspection_shows_the_key_and_revocation_needs_none(native: ProvingClient) -> None:
    made = native.auth.sync().clients.register("gateway", introspects=True)
    tokens = native.log_in()

    def introspected() -> Any:
        credentials = httpx2.BasicAuth(made.client.id, made.secret)
        return native.http.post("/auth/introspect", data={"token": tokens["access_token"]}, auth=credentials).json()

    found = introspected()
    assert (found["active"], found["token_type"], found["cnf"]) == (True, "DPoP", {"jkt": KEY.thumbprint})
    assert native.http.post("/auth/revoke", data={"token": tokens["access_token"]}).status_code == 200
    assert introspected() == {"active": False}


def test_a_registered_client_can_bind_its_tokens(native: ProvingClient) -> None:
    made = native.auth.sync().clients.register("report", scopes=["orders:read"])
    form = {"grant_type": "client_credentials", "client_id": made.client.id, "client_secret": made.secret}
    bound = native.ask("POST", "/auth/token", data=form).json()
    assert bound["token_type"] == "DPoP"
    assert native.ask("GET", "/auth/live", bound["access_token"]).status_code == 204
    bearer = {"Authorization": f"Bearer {bound['access_token']}"}
    assert native.http.get("/auth/live", headers=bearer).status_code == 401
    assert native.http.post("/auth/token", data=form).json()["token_type"] == "Bearer"


def test_a_foreign_token_that_its_issuer_has_bound_is_refused() -> None:
    key = jwt.Key.generate("ES256")
    auth = InMemorySealring(foreign_tokens=jwt.Verifier(key.public(), project=ForeignPrincipal()))
    app = Starlette(middleware=[Middleware(auth.middleware, protect=["/"])], lifespan=auth.lifespan)
    with TestClient(app) as client:
        for claims, status in (({"sub": "42"}, 404), ({"sub": "42", "cnf": {"jkt": "x"}}, 401)):
            token = jwt.sign(claims, key, expires_in="1h")
            assert client.get("/x", headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_a_bound_token_opens_no_websocket_by_a_subprotocol(native: ProvingClient) -> None:
    token = native.log_in()["access_token"]
    auth = native.auth

    async def live(socket: WebSocket) -> None:
        await socket.accept(subprotocol="sealring.bearer")
        await socket.send_text(str(socket.user.identity))
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/live", live)])
    client = TestClient(auth.middleware(app, protect=["/live"]), base_url=ORIGIN)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", subprotocols=["sealring.bearer", token]):
        pass
    headers = {"Authorization": f"DPoP {token}", "DPoP": native.proof("GET", "/live", token)}
    with client.websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_text()


def test_users_without_a_key_are_let_in_as_ever(native: ProvingClient) -> None:
    assert as_user(native.http, native.auth).get("/orders").status_code == 200


def test_a_session_that_was_proved_again_stays_bound(native: ProvingClient) -> None:
    tokens = native.log_in()
    response = {"password": PASSWORD}
    answer = native.ask("POST", "/auth/reauthenticate/password", tokens["access_token"], json={"response": response})
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP"), answer.text
    token = answer.json()["access_token"]
    assert native.ask("GET", "/orders", token).status_code == 200
    assert native.http.get("/orders", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_changed_password_keeps_the_key(native: ProvingClient) -> None:
    tokens = native.log_in()
    change = {"current": PASSWORD, "new": "another engine of 1843"}
    answer = native.ask("POST", "/auth/password", tokens["access_token"], json=change)
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP"), answer.text
    stolen = {"refresh_token": answer.json()["refresh_token"]}
    assert native.http.post("/auth/refresh", json=stolen).status_code == 401
    assert native.ask("POST", "/auth/refresh", json=stolen).status_code == 200
