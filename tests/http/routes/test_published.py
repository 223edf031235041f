"""What anybody may read: JWK Set, browser client, OpenAPI, health (K3, K4)."""

from __future__ import annotations

import json

import httpx2
import pytest
from fastapi import FastAPI

from sealring import jwt
from tests.serving import bearer, cheap_sealring, problem, register

PUBLIC_MEMBERS = {"EC": {"kty", "crv", "x", "y", "kid", "alg", "use"}}


def test_k3_the_key_set_holds_public_members_and_nothing_else(client: httpx2.Client) -> None:
    answer = client.get("/auth/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    body = answer.json()
    assert body.keys() == {"keys"}
    assert len(body["keys"]) == 2, "the one that signs and the one that stands by"
    for key in body["keys"]:
        assert key.keys() == PUBLIC_MEMBERS[key["kty"]]
        assert (key["alg"], key["use"]) == ("ES256", "sig")


def test_anybody_can_verify_a_token_with_the_key_set(client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    keys = jwt.KeySet.from_jwks(client.get("/auth/.well-known/jwks.json").json())
    issuer = str(client.base_url).rstrip("/")
    assert jwt.verify(token, keys, issuer=issuer, audience=issuer, typ="at+jwt").kid in {
        key["kid"] for key in client.get("/auth/.well-known/jwks.json").json()["keys"]
    }


@pytest.mark.parametrize("path", ["/auth/.well-known/jwks.json", "/auth/client.js"])
def test_k4_what_is_published_is_asked_for_once(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    etag = answer.headers["etag"]
    assert answer.headers["cache-control"] in {"public, max-age=300", "no-cache"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["vary"] == "Accept-Encoding", "one copy for everybody"
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        for again in (
            client.get(path, headers={"If-None-Match": known}),
            client.head(path, headers={"If-None-Match": known}),
        ):
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == answer.content


def test_the_client_is_an_es_module(client: httpx2.Client) -> None:
    answer = client.get("/auth/client.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "export" in answer.text


def test_alive_and_ready(client: httpx2.Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.json()["status"] == "ready"
    assert 0 <= ready.json()["lag_seconds"] < 5
    for path in ("/healthz", "/readyz"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/metrics", "/auth/me", "/auth/sessions", "/auth/.well-known/jwks.json", "/auth/client.js",
     "/api/userOrders", "/openapi.json", "/"],
)  # fmt: skip
def test_head_is_answered_as_get_without_the_content(client: httpx2.Client, path: str) -> None:
    for headers in (bearer(register(client)["access_token"]), {}):
        got, head = client.get(path, headers=headers), client.head(path, headers=headers)
        assert (head.status_code, head.content) == (got.status_code, b"")
        changing = {"date", "content-length"} if path == "/metrics" else {"date"}
        assert {**head.headers, **dict.fromkeys(changing)} == {**got.headers, **dict.fromkeys(changing)}


def test_the_description_names_every_route_and_resolves(client: httpx2.Client) -> None:
    description = client.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    operations = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert operations == {
        "POST /auth/register",
        "POST /auth/login",
        "POST /auth/login/{method}",
        "POST /auth/login/{method}/begin",
        "GET /auth/options",
        "POST /auth/account/delete",
        "GET /auth/oidc/{provider}",
        "GET /auth/oidc/{provider}/callback",
        "POST /auth/oidc/{provider}/callback",
        "POST /auth/oidc/{provider}/link",
        "POST /auth/oidc/{provider}/logout",
        "POST /auth/oidc/{provider}/backchannel-logout",
        "GET /auth/identities",
        "DELETE /auth/identities/{identity_id}",
        "POST /auth/token",
        "POST /auth/revoke",
        "POST /auth/introspect",
        "POST /auth/refresh",
        "POST /auth/logout",
        "GET /auth/me",
        "GET /auth/live",
        "GET /auth/sessions",
        "DELETE /auth/sessions/{session_id}",
        "DELETE /auth/sessions",
        "POST /auth/password",
        "GET /auth/.well-known/jwks.json",
        "GET /auth/feed",
        "GET /auth/feed/segments/{name}",
        "GET /auth/status-list",
        "POST /api/createNewUser",
        "GET /api/userOrders",
        "GET /healthz",
        "GET /readyz",
        "DELETE /auth/passkeys/{passkey_id}",
        "DELETE /auth/totp",
        "GET /auth/factors",
        "GET /auth/passkeys",
        "PATCH /auth/passkeys/{passkey_id}",
        "POST /auth/device",
        "POST /auth/device/refresh",
        "POST /auth/email/change",
        "POST /auth/email/undo",
        "POST /auth/email/verify/confirm",
        "POST /auth/email/verify/start",
        "POST /auth/passkeys/register/finish",
        "POST /auth/passkeys/register/start",
        "POST /auth/password/forgot",
        "POST /auth/password/reset",
        "POST /auth/reauthenticate/{method}",
        "POST /auth/reauthenticate/{method}/begin",
        "POST /auth/recovery-codes",
        "POST /auth/totp/confirm",
        "POST /auth/totp/start",
    }
    text = json.dumps(description)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        target = description
        for step in reference.split("/"):
            target = target[step]
    ids = [operation["operationId"] for methods in description["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


OAUTH = {"/auth/token", "/auth/revoke", "/auth/introspect", "/auth/oidc/{provider}/backchannel-logout"}


def test_the_description_names_refusals_as_they_are(client: httpx2.Client) -> None:
    description = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(description), "FastAPI's own form of a 422, which no route gives"
    for path, methods in description["paths"].items():
        for operation in methods.values():
            refusing = {status: said for status, said in operation["responses"].items() if status >= "400"}
            is_oauth = path in {"/auth/token", "/auth/revoke", "/auth/introspect"} or path.endswith(
                "/backchannel-logout"
            )
            media_type = "application/json" if is_oauth else "application/problem+json"
            model = "TokenRefusal" if is_oauth else "SealringProblem"
            assert {"400", "503"} <= refusing.keys()
            for status, said in refusing.items():
                assert said["content"] == {media_type: {"schema": {"$ref": f"#/components/schemas/{model}"}}}
                assert ("Retry-After" in said.get("headers", {})) == (status in {"429", "503"})
                assert status != "401" or said["headers"]["WWW-Authenticate"]["required"]


def test_what_has_no_content_is_described_and_sent_without(client: httpx2.Client) -> None:
    description = client.get("/openapi.json").json()
    empty = {
        operation["operationId"]
        for methods in description["paths"].values()
        for operation in methods.values()
        if "content" not in operation["responses"].get("204", {"content": None})
    }
    assert empty == {
        "logout",
        "live",
        "end_session",
        "end_sessions",
        "unlink_identity",
        "delete_account",
        "remove_passkey",
        "undo_email_change",
    }
    token = register(client)["access_token"]
    answer = client.post("/auth/logout", headers=bearer(token))
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    refused = client.post("/auth/logout", headers=bearer(token))
    assert problem(refused) == (401, "invalid_token")


def test_operations_have_short_names_of_their_own(client: httpx2.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert sorted(names) == sorted([
        "login_by_method", "begin_login_method", "options", "delete_account", "start_email_verification",
        "confirm_email", "change_email", "undo_email_change", "forgot_password", "reset_password", "begin_sign_in",
        "sign_in_callback", "posted_sign_in_callback", "link_identity", "log_out_at_provider", "backchannel_logout",
        "list_identities", "unlink_identity", "register", "login", "refresh", "logout", "token", "me", "live",
        "list_sessions", "end_session", "end_sessions", "change_password", "jwks", "feed", "feed_segment",
        "status_list", "revoke_token", "introspect_token", "createNewUser", "userOrders", "healthz", "readyz",
        "begin_passkey", "begin_reauthentication", "bind_device", "confirm_totp", "finish_passkey", "list_factors",
        "list_passkeys", "make_recovery_codes", "reauthenticate", "refresh_bound", "remove_passkey", "remove_totp",
        "rename_passkey", "start_totp",
    ])  # fmt: skip


def test_the_auth_routes_alone_are_a_whole_description() -> None:
    app = FastAPI()
    app.include_router(cheap_sealring().router())
    description = app.openapi()
    assert "SealringProblem" in description["components"]["schemas"]
    assert description["components"]["securitySchemes"] == {
        "sealring": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }


def test_authorize_in_the_docs_knows_where_to_log_in(client: httpx2.Client) -> None:
    description = client.get("/openapi.json").json()
    scheme = description["components"]["securitySchemes"]["sealring"]
    assert scheme["flows"]["password"]["tokenUrl"] == "auth/token"
    guarded = {
        path
        for path, methods in description["paths"].items()
        for operation in methods.values()
        if {"sealring": []} in operation.get("security", [])
    }
    assert guarded == {
        "/auth/account/delete",
        "/auth/identities",
        "/auth/identities/{identity_id}",
        "/auth/oidc/{provider}/link",
        "/auth/me",
        "/auth/live",
        "/auth/sessions",
        "/auth/sessions/{session_id}",
        "/auth/password",
        "/api/userOrders",
        "/auth/email/change",
        "/auth/email/verify/start",
        "/auth/factors",
        "/auth/passkeys",
        "/auth/passkeys/register/finish",
        "/auth/passkeys/register/start",
        "/auth/passkeys/{passkey_id}",
        "/auth/reauthenticate/{method}",
        "/auth/reauthenticate/{method}/begin",
        "/auth/recovery-codes",
        "/auth/totp",
        "/auth/totp/confirm",
        "/auth/totp/start",
    }
