"""RFC 8414: what an OAuth client reads of the issuer, where it looks for it, and that nobody else can write it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring
from sealring.http.health_routes import HEALTH, METRICS
from sealring.http.routes import ENDPOINTS
from tests.serving import cheap_sealring

pytestmark = pytest.mark.anyio

RIGHT = "/.well-known/oauth-authorization-server"


def served(auth: Sealring, prefix: str = "", /, **parts: bool) -> FastAPI:
    app = FastAPI()
    app.include_router(auth.router(**parts), prefix=prefix)
    return app


async def read(app: Any, path: str, **request: Any) -> httpx2.Response:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://auth.example.com") as client:
        return await client.get(path, **request)


async def test_the_document_says_what_is_served_and_only_that() -> None:
    auth = cheap_sealring(issuer="https://auth.example.com")
    answer = await read(served(auth), RIGHT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    document = answer.json()
    base = "https://auth.example.com/auth"
    urls = {name: value for name, value in document.items() if name.endswith(("_endpoint", "_uri", "_feed"))}
    assert urls.items() >= {"token_endpoint": f"{base}/token", "jwks_uri": f"{base}/.well-known/jwks.json"}.items()
    paths = {f"{base}{row.path}" for row in ENDPOINTS}
    assert set(urls.values()) <= paths, "each is a route of ours"
    assert document["issuer"] == "https://auth.example.com"
    assert document["response_types_supported"] == []
    assert "authorization_endpoint" not in document
    assert "refresh_token" in document["grant_types_supported"]


async def test_the_password_grant_is_named_where_it_is_on() -> None:
    for switch in (True, False):
        document = (await read(served(cheap_sealring(password_grant=switch)), RIGHT)).json()
        assert ("password" in document["grant_types_supported"]) is switch


async def test_without_the_oauth_routes_it_has_the_keys_and_no_endpoint() -> None:
    for parts in ({"accounts": False}, {"oauth": False}):
        document = (await read(served(cheap_sealring(), **parts), RIGHT)).json()
        assert document == {
            "issuer": "http://127.0.0.1:8000",
            "jwks_uri": "http://127.0.0.1:8000/auth/.well-known/jwks.json",
            "sealring_feed": "http://127.0.0.1:8000/auth/feed",
            "response_types_supported": [],
            "grant_types_supported": [],
        }


@pytest.mark.parametrize(
    ("issuer", "path"),
    [
        ("https://auth.example.com", RIGHT),
        ("https://auth.example.com/", RIGHT),
        ("https://auth.example.com/auth", f"{RIGHT}/auth"),
        ("https://auth.example.com/auth/", f"{RIGHT}/auth"),
        ("https://auth.example.com/tenants/ada", f"{RIGHT}/tenants/ada"),
    ],
)
async def test_the_path_of_the_issuer_comes_after_the_name(issuer: str, path: str) -> None:
    app = served(cheap_sealring(issuer=issuer))
    assert (await read(app, path)).json()["issuer"] == issuer, "byte for byte (§3.3)"
    for other in {RIGHT, f"{RIGHT}/auth", f"{RIGHT}/tenants/ada", f"{RIGHT}/other"} - {path}:
        assert (await read(app, other)).status_code == 404, "another issuer's"


async def test_it_is_below_the_auth_routes_too_where_they_alone_are_ours() -> None:
    auth = cheap_sealring(issuer="https://auth.example.com")
    app = Starlette(routes=[Mount("/shop/auth", auth.asgi())])
    document = (await read(app, f"/shop/auth{RIGHT}")).json()
    assert document["token_endpoint"] == "https://auth.example.com/shop/auth/token"


async def test_the_urls_are_where_a_client_sees_the_routes() -> None:
    auth = cheap_sealring(issuer="https://auth.example.com", auth_path="/account")
    for app, asked, base in (
        (served(auth), "", ""),
        (served(auth, "/api/v1"), "/api/v1", "/api/v1"),
        (Starlette(routes=[Mount("/inner", served(auth))]), "/inner", "/inner"),
        (auth.asgi(served(auth)), "", ""),
    ):
        document = (await read(app, asked + RIGHT)).json()
        assert document["token_endpoint"] == f"https://auth.example.com{base}/account/token", (asked, base)
        below = (await read(app, f"{asked}/account{RIGHT}")).json()
        assert below == document


async def test_at_the_root_of_the_host_no_slash_is_doubled() -> None:
    document = (await read(served(cheap_sealring(auth_path="/")), RIGHT)).json()
    assert document["token_endpoint"] == "http://127.0.0.1:8000/token"


@pytest.mark.parametrize("field", ["Host", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"])
async def test_c12_no_field_of_a_request_gets_into_it(field: str) -> None:
    app = served(cheap_sealring(issuer="https://auth.example.com"))
    for path in (RIGHT, f"/auth{RIGHT}"):
        assert "evil" not in (await read(app, path, headers={field: "evil.example"})).text


async def test_pages_of_every_origin_may_read_it() -> None:
    app = served(cheap_sealring())
    for path in (RIGHT, f"/auth{RIGHT}", "/auth/.well-known/jwks.json"):
        answer = await read(app, path, headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*", path
        assert "access-control-allow-credentials" not in answer.headers
    for row in (*ENDPOINTS, *HEALTH, *METRICS):
        assert not row.public or (row.method == "GET" and not row.caller), "what is said to one is said to nobody else"


async def test_it_needs_no_store() -> None:
    auth = cheap_sealring()
    assert (await read(served(auth), RIGHT)).status_code == 200
    assert not auth._opening.is_open()


async def test_it_is_no_openid_provider() -> None:
    app = served(cheap_sealring())
    for path in ("/.well-known/openid-configuration", "/auth/.well-known/openid-configuration"):
        assert (await read(app, path)).status_code == 404


async def test_it_says_which_proofs_and_which_signed_answers_there_are() -> None:
    # RFC 9449 §5.1, RFC 9728 §2, RFC 9701 §7
    name, resource = "dpop_signing_alg_values_supported", "/.well-known/oauth-protected-resource"
    for switch, algorithm in (("off", "ES256"), ("optional", "Ed25519"), ("required", "HS256")):
        auth = cheap_sealring(dpop=switch, algorithm=algorithm, resource="https://api.example.com")
        for path in (RIGHT, resource):
            document = (await read(served(auth), path)).json()
            assert (name in document) == (switch != "off")
            assert switch == "off" or {"ES256", "Ed25519", "RS256"} <= set(document[name])
            assert not {"HS256", "none"} & set(document.get(name, ()))
        signed = (await read(served(auth), RIGHT)).json().get("introspection_signing_alg_values_supported")
        assert signed == (None if algorithm == "HS256" else [algorithm])
