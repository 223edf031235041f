"""Pages of other origins against the auth routes: look-alikes, CORS, preflights, a rebound name (attacks C2, C3, C12).

Every host of the table is asked, since the pipeline answers for all of them.
"""

# no postponed annotations: FastAPI cannot look up the local models in a string

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Security

from sealring import Principal, Sealring
from sealring.frameworks.fastapi import guard
from tests.conformance.hosts import HOSTS
from tests.serving import PASSWORD, bearer, cheap_sealring, cookie_line, problem

pytestmark = pytest.mark.anyio

FRONT_END = "https://app.example.com:8443"
ADA = {"username": "ada", "password": PASSWORD}
LOOK_ALIKES = [
    "https://app.example.com:8443.evil.example",
    "https://evil-app.example.com:8443",
    "https://evil.example/https://app.example.com:8443",
    "http://app.example.com:8443",
    "https://app.example.com",
    "https://app.example.com:84430",
    "https://app.example.com:8443/",
    "https://APP.example.com:8443",
    "https://app.example.com.:8443",
    "https://user@app.example.com:8443",
    "https://app.example.com:8443@evil.example",
    "https://xn--pp-xiaa.example.com:8443",
    "https://sub.app.example.com:8443",
    "capacitor://app.example.com:8443",
    "null",
    "",
    "*",
]


@pytest.fixture(params=HOSTS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    auth = cheap_sealring(allowed_origins=FRONT_END)
    async with auth.lifespan():
        await auth.accounts.create("ada", PASSWORD)
        yield client_of(auth, request.param)


def client_of(auth: Sealring, host: str) -> httpx2.AsyncClient:
    app = HOSTS[host](auth)
    transport = app if isinstance(app, httpx2.AsyncBaseTransport) else httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


def guarded_app(auth: Sealring) -> FastAPI:
    app = FastAPI()

    @app.post("/own")
    async def own(user: Annotated[Principal, Security(guard(auth))]) -> str:
        return user.subject

    return app


def page(origin: str, site: str | None = "cross-site") -> dict[str, Any]:
    return {"Origin": origin.encode()} | ({} if site is None else {"Sec-Fetch-Site": site})


def permissions(answer: httpx2.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_c3_an_origin_that_looks_like_a_trusted_one_is_not(client: httpx2.AsyncClient, site: str | None) -> None:
    logged_in = (await client.post("/auth/login", json=ADA)).json()
    cookies = cookie_line({"sealring_access": logged_in["access_token"]})
    ask = {"Access-Control-Request-Method": "POST"}
    for origin in LOOK_ALIKES:
        login = await client.post("/auth/login", json=ADA, headers=page(origin, site))
        assert problem(login) == (403, "csrf"), origin
        ended = await client.delete("/auth/sessions", headers=cookies | page(origin, site))
        assert problem(ended) == (403, "csrf"), origin
        read = await client.get("/auth/me", headers=cookies | page(origin, site))
        asked = await client.options("/auth/login", headers=page(origin, site) | ask)
        assert problem(asked) == (403, "origin_not_allowed"), origin
        for answer in (login, ended, read, asked):
            assert permissions(answer) == [], origin
            assert "Origin" in answer.headers["vary"], origin


@pytest.mark.parametrize(
    ("origin", "status"),
    [(FRONT_END, 200), (FRONT_END + ".evil.example", 403), ("null", 403), ("http://x.example", 403)],
)
async def test_c3_a_guarded_route_of_the_application_trusts_the_same_origins(origin: str, status: int) -> None:
    auth = cheap_sealring(allowed_origins=FRONT_END)
    app = guarded_app(auth)
    app.add_middleware(auth.middleware, protect=["/own"])
    async with auth.lifespan():
        token = (await auth.start_session("42")).access_token.text
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            for site in ("cross-site", "same-site", None):
                cookie = cookie_line({"sealring_access": token})
                answer = await client.post("/own", headers=cookie | page(origin, site))
                assert answer.status_code == status
                assert permissions(answer) == [], "CORS of the application's own routes is the application's"


@pytest.mark.parametrize("second", [FRONT_END.encode(), "https://аpp.example.com".encode(), b"https://evil.example"])  # noqa: RUF001 - a Cyrillic letter is the attack
async def test_c3_two_origins_are_none(second: bytes) -> None:
    auth = cheap_sealring(allowed_origins=FRONT_END)
    async with auth.lifespan(), client_of(auth, "raw ASGI") as client:  # WSGI has no field twice
        twice = [(b"Origin", FRONT_END.encode()), (b"Origin", second), (b"Sec-Fetch-Site", b"cross-site")]
        answer = await client.post("/auth/login", json=ADA, headers=twice)
        assert (answer.status_code, permissions(answer)) == (403, [])


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_a_trusted_front_end_logs_in_reads_and_acts(client: httpx2.AsyncClient, site: str | None) -> None:
    elsewhere = page(FRONT_END, site)
    for answer in (
        await client.post("/auth/login", json=ADA, headers=elsewhere),
        await client.post("/auth/login", json=ADA | {"password": "wrong" * 4}, headers=elsewhere),
        await client.post("/auth/login", content=b"x", headers=elsewhere),
        await client.get("/auth/me", headers=elsewhere),
        await client.get("/auth/.well-known/jwks.json", headers=elsewhere),
        await client.put("/auth/me", headers=elsewhere),
        await client.head("/auth/client.js", headers=elsewhere),
    ):
        assert answer.headers["access-control-allow-origin"] == FRONT_END, answer
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert set(answer.headers["access-control-expose-headers"].split(", ")) >= {"Retry-After", "WWW-Authenticate"}
        assert answer.headers.get_list("vary") == [answer.headers["vary"]], "one field"
        assert "Origin" in answer.headers["vary"]
    tokens = (await client.post("/auth/login", json=ADA, headers=elsewhere)).json()
    read = await client.get("/auth/me", headers=elsewhere | bearer(tokens["access_token"]))
    assert read.json()["username"] == "ada"
    cookies = cookie_line({"sealring_access": tokens["access_token"]})
    assert (await client.delete("/auth/sessions", headers=elsewhere | cookies)).status_code == 204


async def test_an_answer_to_nobody_elsewhere_names_no_origin_and_says_that_it_varies(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/auth/login", json=ADA)
    assert permissions(answer) == []
    assert "Origin" in answer.headers["vary"]
    public = await client.get("/auth/.well-known/jwks.json")
    assert permissions(public) == ["access-control-allow-origin"]
    assert public.headers["access-control-allow-origin"] == "*", "for every page, and for no page's cookies"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/auth/login", "POST"),
        ("/auth/me", "GET, HEAD"),
        ("/auth/sessions", "DELETE, GET, HEAD"),
        ("/auth/sessions/x", "DELETE"),
    ],
)
async def test_a_preflight_is_answered_from_the_table(client: httpx2.AsyncClient, path: str, methods: str) -> None:
    ask = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-evil"}
    answer = await client.options(path, headers=page(FRONT_END) | ask)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == methods
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type, DPoP, X-CSRF-Token"
    assert answer.headers["access-control-allow-origin"] == FRONT_END
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert int(answer.headers["access-control-max-age"]) <= 7200
    assert "Origin" in answer.headers["vary"]
    assert answer.headers["cache-control"] == "no-store"
    plain = await client.options(path, headers=page(FRONT_END))
    assert (problem(plain), plain.headers["allow"]) == ((405, "method_not_allowed"), methods)


async def test_a_preflight_that_a_browser_kept_lets_nothing_through(client: httpx2.AsyncClient) -> None:
    """CORS only lets a page read: the request itself is judged anew, with no preflight or after an old one."""
    ask = {"Access-Control-Request-Method": "POST"}
    assert (await client.options("/auth/login", headers=page(FRONT_END) | ask)).status_code == 204
    assert problem(await client.post("/auth/login", json=ADA, headers=page("https://gone.example"))) == (403, "csrf")


@pytest.mark.parametrize("named", ["Host", "X-Forwarded-Host", "Forwarded"])
async def test_c12_a_rebound_name_is_no_origin_of_ours(client: httpx2.AsyncClient, named: str) -> None:
    """DNS rebinding: the attacker's name leads to us. Host says it, and no decision asks Host."""
    headers = {named: "evil.example"} | page("http://evil.example", None)
    answer = await client.post("/auth/login", json=ADA, headers=headers)
    assert (problem(answer), permissions(answer)) == ((403, "csrf"), [])
    # where the browser calls it the same origin, the page has the attacker's host, and so none of our cookies
    read = await client.get("/auth/me", headers={named: "evil.example", "Sec-Fetch-Site": "same-origin"})
    assert (problem(read), permissions(read)) == ((401, "missing_credential"), [])


async def test_cookies_are_not_delivered_to_a_page_that_would_lose_them(client: httpx2.AsyncClient) -> None:
    by_cookie = ADA | {"delivery": "cookie"}
    kept = await client.post("/auth/login", json=by_cookie, headers=page(FRONT_END, "same-site"))
    assert (kept.status_code, len(kept.headers.get_list("set-cookie"))) == (200, 4)
    lost = await client.post("/auth/login", json=by_cookie, headers=page(FRONT_END))
    assert problem(lost) == (400, "cross_site_cookies")
    assert "delivery" in lost.json()["detail"]
    assert lost.headers["access-control-allow-origin"] == FRONT_END, "the page can read why"
    joined = await client.post("/auth/register", json=by_cookie | {"username": "eve"}, headers=page(FRONT_END))
    assert problem(joined) == (400, "cross_site_cookies")
    assert (await client.post("/auth/register", json=ADA | {"username": "eve"})).status_code == 201, "nothing was made"
    client.cookies.clear()
    held = {
        cookie.split("=", 1)[0]: cookie.split(";")[0].split("=", 1)[1] for cookie in kept.headers.get_list("set-cookie")
    }
    refreshed = await client.post("/auth/refresh", headers=cookie_line(held) | page(FRONT_END))
    assert problem(refreshed) == (400, "cross_site_cookies")
    changed = await client.post(
        "/auth/password", json={"current": PASSWORD, "new": PASSWORD + "x"}, headers=cookie_line(held) | page(FRONT_END)
    )
    assert problem(changed) == (400, "cross_site_cookies")
    assert (await client.post("/auth/login", json=ADA)).status_code == 200, "the password is the old one"


@pytest.mark.parametrize("host", HOSTS)
async def test_without_the_setting_a_front_end_is_told_which_one_is_missing(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    auth = cheap_sealring()
    caplog.set_level("INFO", "sealring")
    async with auth.lifespan():
        client = client_of(auth, host)
        refused = await client.post("/auth/login", json=ADA, headers=page("http://localhost:5173"))
        ask = {"Access-Control-Request-Method": "POST"}
        asked = await client.options("/auth/login", headers=page("http://localhost:5173") | ask)
        plain = await client.post("/auth/login", json=ADA)
    assert (problem(refused), problem(asked)) == ((403, "csrf"), (403, "origin_not_allowed"))
    for answer in (refused, asked):
        assert "SEALRING_ALLOWED_ORIGINS" in answer.json()["detail"]
        assert "localhost:5173" not in answer.text, "nothing that a client sent is repeated"
    causes = [record.sealring["cause"] or "" for record in caplog.records if hasattr(record, "sealring")]
    assert sum("set SEALRING_ALLOWED_ORIGINS=http://localhost:5173" in cause for cause in causes) == 2
    assert "Origin" not in plain.headers["vary"], "nothing depends on it"
