"""One table of requests, asked of the auth routes in every host: same inputs, same status, same fields, same body.

The first column of the table is the answer, so the hosts are not only alike but right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from sealring import Sealring
from tests.conformance.hosts import HOSTS, transport_of
from tests.serving import PASSWORD, bearer, cheap_sealring, cookie_line

pytestmark = pytest.mark.anyio

ADA = {"username": "ada", "password": PASSWORD}
JSON = {"Content-Type": "application/json"}
CROSS = {"Sec-Fetch-Site": "cross-site"}
SAME = {"Sec-Fetch-Site": "same-origin"}

Tokens = dict[str, str]
Case = tuple[int, str | None, str, str, Callable[[Tokens], dict[str, Any]]]


def plain(**request: Any) -> Callable[[Tokens], dict[str, Any]]:
    return lambda _: request


def known(headers: dict[str, str] | None = None, **request: Any) -> Callable[[Tokens], dict[str, Any]]:
    return lambda tokens: {"headers": bearer(tokens["access_token"]) | (headers or {}), **request}


def by_cookie(headers: dict[str, str] | None = None) -> Callable[[Tokens], dict[str, Any]]:
    return lambda tokens: {"headers": cookie_line({"sealring_access": tokens["access_token"]}) | (headers or {})}


TEXT = {"Content-Type": "text/plain"}
ELSEWHERE = "https://app.example"
"""A front end of another origin, which `SETTINGS` allow."""
SETTINGS: dict[str, Any] = {"allowed_origins": ELSEWHERE}


def preflight(origin: str, method: str = "POST") -> Callable[[Tokens], dict[str, Any]]:
    return plain(headers={"Origin": origin, "Access-Control-Request-Method": method})


def by_twin_cookies(tokens: Tokens) -> dict[str, Any]:
    return {"headers": {"Cookie": "; ".join([f"sealring_access={tokens['access_token']}"] * 2)}}


def twice(tokens: Tokens) -> dict[str, Any]:
    return {"headers": bearer(tokens["access_token"]) | cookie_line({"sealring_access": tokens["access_token"]})}


CASES: list[Case] = [
    # status, code, method, path, the rest of the request
    (201, None, "POST", "/auth/register", plain(json={"username": "bob", "password": PASSWORD})),
    (201, None, "POST", "/auth/register", plain(json={"username": "eve", "password": PASSWORD, "delivery": "cookie"})),
    (409, "name_taken", "POST", "/auth/register", plain(json=ADA)),
    (422, "invalid_field", "POST", "/auth/register", plain(json={"username": 7, "admin": True})),
    (422, "invalid_field", "POST", "/auth/register", plain()),
    (403, "csrf", "POST", "/auth/register", plain(json=ADA, headers=CROSS)),
    (200, None, "POST", "/auth/login", plain(json=ADA)),
    (200, None, "POST", "/auth/login", plain(json=ADA | {"delivery": "cookie"})),
    (401, "invalid_credentials", "POST", "/auth/login", plain(json=ADA | {"password": "wrong" * 4})),
    (422, "invalid_field", "POST", "/auth/login", plain(json=ADA | {"delivery": "hunter2"})),
    (403, "csrf", "POST", "/auth/login", plain(json=ADA, headers={"Origin": "https://evil.example"})),
    (400, "unknown_parameter", "POST", "/auth/login?x=1", plain(json=ADA)),
    (400, "malformed_body", "POST", "/auth/login", plain(content=b'{"username":"a","username":"b"}', headers=JSON)),
    (400, "malformed_body", "POST", "/auth/login", plain(content=b"[]", headers=JSON)),
    (400, "malformed_body", "POST", "/auth/login", plain(content=b"null", headers=JSON)),
    (415, "unsupported_media_type", "POST", "/auth/login", plain(content=b"{}")),
    (415, "unsupported_media_type", "POST", "/auth/login", plain(content=b"{}", headers=TEXT)),
    (415, "unsupported_media_type", "POST", "/auth/login", plain(json=ADA, headers={"Content-Encoding": "gzip"})),
    (413, "body_too_large", "POST", "/auth/login", plain(content=b" " * 65_537, headers=JSON)),
    (200, None, "POST", "/auth/refresh", lambda tokens: {"json": {"refresh_token": tokens["refresh_token"]}}),
    (401, "invalid_token", "POST", "/auth/refresh", plain(json={"refresh_token": "x"})),
    (401, "missing_credential", "POST", "/auth/refresh", plain()),
    (401, "refresh_unbound", "POST", "/auth/refresh", plain(headers=cookie_line({"sealring_refresh": "x"}))),
    (204, None, "POST", "/auth/logout", known()),
    (401, "missing_credential", "POST", "/auth/logout", plain()),
    (403, "csrf", "POST", "/auth/logout", known(headers=CROSS)),
    (200, None, "POST", "/auth/token?x=1", lambda tokens: {
        "data": {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}}),
    (200, None, "POST", "/auth/token", plain(data=ADA | {"grant_type": "password"})),
    (400, None, "POST", "/auth/token", plain(data=ADA | {"grant_type": "password", "password": "wrong" * 4})),
    (400, None, "POST", "/auth/token", plain(data={"grant_type": "x"})),
    (400, None, "POST", "/auth/token", plain(data={"scope": "x"})),
    (415, "unsupported_media_type", "POST", "/auth/token", plain(json=ADA)),
    (401, None, "POST", "/auth/token", plain(data={"grant_type": "client_credentials"})),
    (401, None, "POST", "/auth/token", plain(data={"grant_type": "client_credentials"}, headers={
        "Authorization": "Basic Y2xpZW50X0FBQUFBQUFBQUFBQUFBQUE6eA=="})),
    (200, None, "POST", "/auth/revoke", lambda tokens: {"data": {"token": tokens["refresh_token"]}}),
    (200, None, "POST", "/auth/revoke", plain(data={"token": "x"})),
    (400, None, "POST", "/auth/revoke", plain(data={"x": "y"})),
    (403, "csrf", "POST", "/auth/revoke", plain(data={"token": "x"}, headers=CROSS)),
    (401, None, "POST", "/auth/introspect", plain(data={"token": "x"})),
    (403, "csrf", "POST", "/auth/token", plain(data=ADA | {"grant_type": "password"}, headers=CROSS)),
    (200, None, "GET", "/auth/me", known()),
    (200, None, "HEAD", "/auth/me", known()),
    (200, None, "GET", "/auth/me", by_cookie()),
    (401, "missing_credential", "GET", "/auth/me", plain()),
    (401, None, "HEAD", "/auth/me", plain()),
    (401, "invalid_token", "GET", "/auth/me", plain(headers=bearer("x.y.z"))),
    (400, "invalid_request", "GET", "/auth/me", plain(headers={"Authorization": "Bearer"})),
    (200, None, "GET", "/auth/me?x=1", known()),
    (401, "missing_credential", "GET", "/auth/me?x=1", plain()),
    (204, None, "GET", "/auth/live", known()),
    (403, "csrf", "GET", "/auth/live", known(headers={"X-CSRF-Token": "x"})),
    (200, None, "GET", "/auth/sessions", known()),
    (204, None, "DELETE", "/auth/sessions", known()),
    (204, None, "DELETE", "/auth/sessions?keep=current", known()),
    (422, "invalid_field", "DELETE", "/auth/sessions?keep=all", known()),
    (400, "unknown_parameter", "DELETE", "/auth/sessions?Keep=current", known()),
    (400, "invalid_request", "DELETE", "/auth/sessions?keep=current&keep=current", known()),
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie(CROSS)),
    (204, None, "DELETE", "/auth/sessions", by_cookie(SAME)),
    (404, "not_found", "DELETE", "/auth/sessions/nobodys", known()),
    (200, None, "POST", "/auth/password", known(json={"current": PASSWORD, "new": PASSWORD + "!"})),
    (422, "invalid_credentials", "POST", "/auth/password", known(json={"current": "x" * 15, "new": PASSWORD + "!"})),
    (401, "missing_credential", "POST", "/auth/password", plain(content=b"{" * 70_000)),
    (200, None, "GET", "/auth/.well-known/jwks.json", plain()),
    (304, None, "GET", "/auth/.well-known/jwks.json", plain(headers={"If-None-Match": "*"})),
    (304, None, "HEAD", "/auth/.well-known/jwks.json", plain(headers={"If-None-Match": "*"})),
    (200, None, "GET", "/auth/client.js", plain()),
    (200, None, "GET", "/auth/.well-known/oauth-authorization-server", plain()),
    (200, None, "GET", "/.well-known/oauth-authorization-server", plain()),
    (304, None, "HEAD", "/.well-known/oauth-authorization-server", plain(headers={"If-None-Match": "*"})),
    (405, "method_not_allowed", "POST", "/.well-known/oauth-authorization-server", plain()),
    (200, None, "POST", "/auth/login/password", plain(json={"response": ADA})),
    (200, None, "POST", "/auth/login/password/begin", plain(json={"response": {"username": "ada"}})),
    (422, "invalid_field", "POST", "/auth/login/password", plain(json={"username": "ada"})),
    (404, "unknown_method", "POST", "/auth/login/carrier-pigeon", plain(json={"response": {}})),
    (404, "unknown_method", "POST", "/auth/login/carrier-pigeon/begin", plain(json={"response": {}})),
    (403, "csrf", "POST", "/auth/login/password", plain(json={"response": ADA}, headers=CROSS)),
    (405, "method_not_allowed", "GET", "/auth/login/password", plain()),
    # C3, C5, C7, C9
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie({"X-CSRF-Token": "x"})),
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie({"X-CSRF-Token": "x" * 5_000})),
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie({"Origin": "null"})),
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie({"Origin": "http://127.0.0.1:8001"})),
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie({"Origin": "http://127.0.0.1:8000@evil.example"})),
    (403, "csrf", "DELETE", "/auth/sessions", by_cookie({"Origin": ELSEWHERE + ".evil.example"})),
    (204, None, "DELETE", "/auth/sessions", by_cookie({"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"})),
    (401, "missing_credential", "GET", "/auth/me", by_twin_cookies),
    (400, "invalid_request", "GET", "/auth/me", twice),
    (401, "missing_credential", "GET", "/auth/me", lambda tokens: {
        "headers": {"Cookie": f'sealring_access="{tokens["access_token"]}"'}}),
    # preflights
    (204, None, "OPTIONS", "/auth/login", preflight(ELSEWHERE)),
    (204, None, "OPTIONS", "/auth/sessions/abc", preflight(ELSEWHERE, "DELETE")),
    (204, None, "OPTIONS", "/auth/login/password", preflight(ELSEWHERE)),
    (403, "origin_not_allowed", "OPTIONS", "/auth/login", preflight("https://evil.example")),
    (204, None, "OPTIONS", "/auth/.well-known/jwks.json", preflight("https://any.example", "GET")),
    (204, None, "OPTIONS", "/.well-known/oauth-authorization-server", preflight("https://any.example", "GET")),
    (403, "origin_not_allowed", "OPTIONS", "/auth/me", preflight("null", "GET")),
    (401, "invalid_credentials", "POST", "/auth/login", plain(
        json=ADA | {"password": "wrong" * 4}, headers={"Origin": ELSEWHERE})),
    (400, "cross_site_cookies", "POST", "/auth/login", plain(
        json=ADA | {"delivery": "cookie"}, headers={"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"})),
    (405, "method_not_allowed", "PUT", "/auth/me", known()),
    (405, "method_not_allowed", "OPTIONS", "/auth/sessions", plain()),
    (405, "method_not_allowed", "GET", "/auth/login", plain(headers={"X-HTTP-Method-Override": "POST"})),
    (405, None, "HEAD", "/auth/login", plain()),
    (405, "method_not_allowed", "PROPFIND", "/auth/sessions/abc", plain()),
]  # fmt: skip

ALLOW = {
    ("PUT", "/auth/me"): "GET, HEAD",
    ("POST", "/.well-known/oauth-authorization-server"): "GET, HEAD",
    ("GET", "/auth/login/password"): "POST",
    ("OPTIONS", "/auth/sessions"): "DELETE, GET, HEAD",
    ("GET", "/auth/login"): "POST",
    ("HEAD", "/auth/login"): "POST",
    ("PROPFIND", "/auth/sessions/abc"): "DELETE",
}

VOLATILE = {"date", "set-cookie", "etag", "content-length"}
"""Fields whose values hold something that is random: keys and tokens, signatures in DER among them."""

OF_SERVERS = {"connection", "date", "keep-alive", "server"}
"""What a server adds. No WSGI application may end the connection either: its server does (PEP 3333)."""


@pytest.fixture(params=HOSTS)
async def asked(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Sealring, httpx2.AsyncClient]]:
    auth = cheap_sealring(**SETTINGS)
    app = HOSTS[request.param](auth)
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=transport_of(app), base_url="http://127.0.0.1:8000") as client,
    ):
        yield auth, client


FIELDS: dict[tuple[int, int], Any] = {}
"""What the first host that was asked has answered, by request."""


def shape(value: Any) -> Any:
    """The names in a JSON value, and no values."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in sorted(value.items())}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


async def test_every_request_of_the_table_has_the_same_answer(asked: tuple[Sealring, httpx2.AsyncClient]) -> None:
    await check_every_case(asked[1])


async def check_every_case(client: httpx2.AsyncClient) -> None:
    """Ask every request of the table, of a host in this process or of a real server."""
    for number in range(len(CASES)):
        await check_case(client, number)


async def check_case(client: httpx2.AsyncClient, number: int) -> None:
    """Ask one request of the table."""
    status, code, method, path, rest = CASES[number]
    client.cookies.clear()
    name = f"case-{number}"  # a session of its own: no case may spoil another's
    registered = await client.post("/auth/register", json={"username": name, "password": PASSWORD})
    tokens = registered.json()
    if number == 0:
        await client.post("/auth/register", json=ADA)
    client.cookies.clear()
    request = rest(tokens)
    answer = await client.request(method, path, **request)
    said = f"{method} {path} {request}"
    assert answer.status_code == status, (said, answer.text)
    if code is not None:
        assert answer.json()["code"] == code, said
        media_type = (
            "application/json" if path.startswith(("/auth/token", "/auth/revoke")) else "application/problem+json"
        )
        assert answer.headers["content-type"] == media_type
    assert answer.headers.get("allow") == ALLOW.get((method, path)), said
    assert answer.headers["x-content-type-options"] == "nosniff"
    if method == "HEAD" or status in {204, 304}:
        assert answer.content == b""
    if isinstance(client._transport, httpx2.ASGITransport):
        assert answer.headers.get("connection") == ("close" if status == 413 else None), said
    fields = {one: "" if one in VOLATILE else value for one, value in answer.headers.items() if one not in OF_SERVERS}
    cookies = sorted(line.partition("=")[0] + line.partition(";")[2] for line in answer.headers.get_list("set-cookie"))
    body = shape(answer.json()) if "json" in answer.headers.get("content-type", "") and answer.content else None
    key = (number, status)
    assert FIELDS.setdefault(key, (fields, cookies, body)) == (fields, cookies, body), said


async def test_a_path_that_no_route_has_is_404(asked: tuple[Sealring, httpx2.AsyncClient]) -> None:
    _, client = asked
    for path in ("/auth/", "/auth/nothing", "/auth/sessions/a/b", "/auth/LOGIN"):
        assert (await client.post(path)).status_code == 404, path


@pytest.mark.parametrize(
    "path", ["/auth/me/", "//auth/me", "/auth//me", "/AUTH/me", "/auth/me;x", "/auth/%6de", "/auth/me%2F"]
)
async def test_c13_no_spelling_of_a_path_lets_anybody_in(asked: tuple[Sealring, httpx2.AsyncClient], path: str) -> None:
    _, client = asked
    url = "http://127.0.0.1:8000" + path
    assert (await client.get(url)).status_code in {401, 404}
    assert (await client.post(url.replace("me", "sessions"))).status_code in {404, 405}


@pytest.mark.parametrize("path", ["/auth/login/", "/auth//login", "/auth/login//", "/auth/sessions/abc/", "/auth/me/"])
async def test_c12_a_path_with_other_slashes_is_another_path_and_never_redirected(
    asked: tuple[Sealring, httpx2.AsyncClient], path: str
) -> None:
    _, client = asked
    for method in ("POST", "GET", "DELETE"):
        answer = await client.request(method, path, json=ADA, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "location" not in answer.headers


async def test_the_refresh_cookie_goes_to_the_auth_routes(asked: tuple[Sealring, httpx2.AsyncClient]) -> None:
    _, client = asked
    answer = await client.post("/auth/register", json=ADA | {"delivery": "cookie"})
    lines = [line for line in answer.headers.get_list("set-cookie") if line.startswith("sealring_refresh=")]
    assert len(lines) == 1
    assert "; Path=/auth;" in lines[0]


async def test_all_wrong_fields_are_named_and_none_is_quoted(asked: tuple[Sealring, httpx2.AsyncClient]) -> None:
    _, client = asked
    body = {"username": 7, "hunter3": "hunter4", "delivery": "hunter2"}
    answer = await client.post("/auth/login", json=body)
    assert answer.json()["errors"] == [
        {"field": "username", "reason": "must be a string"},
        {"field": "password", "reason": "field required"},
        {"field": "delivery", "reason": "must be 'body' or 'cookie'"},
        {"field": "hunter3", "reason": "unknown field"},
    ]
    by_method = await client.post("/auth/login/password", json={"response": {}})
    assert by_method.json()["errors"] == [
        {"field": "response.username", "reason": "field required"},
        {"field": "response.password", "reason": "field required"},
    ]
    assert "hunter2" not in answer.text
    assert "hunter4" not in answer.text
