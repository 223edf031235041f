"""Whom the access token, the refresh token and the password go to: the origins named, and nobody else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sealring.client import Auth, MemoryTokens, Tokens, UnexpectedAnswer
from sealring.client.origins import read_base, read_origin
from tests.client.scripted import TOKENS, Received, Reply, Scripted, problem, scripted
from tests.client.variants import Driven, Variant

HELD = Tokens(access_token="access-1", refresh_token="refresh-1", expires_in=600)


class Site:
    """A site with the auth routes, another that is named, and a stranger; each can be told to redirect."""

    def __init__(self, stack: ExitStack) -> None:
        self.redirects: dict[str, str] = {}
        self.refusal = problem(401, "invalid_token")
        self.status = 307
        self.refuses: set[str] = set()
        self.own, self.named, self.stranger = (stack.enter_context(scripted(self.reply)) for _ in range(3))

    def reply(self, received: Received) -> Reply:
        if received.path in self.redirects:
            return Reply(self.status, None, {"Location": self.redirects[received.path]})
        if received.path in {"/auth/refresh", "/auth/login", "/elsewhere"}:
            return Reply(200, TOKENS)
        if received.fields.get("authorization", "").removeprefix("Bearer ") in self.refuses:
            return self.refusal
        return Reply(200, {})

    def secrets_at_the_stranger(self) -> list[str]:
        text = json.dumps([[one.fields, one.body.decode()] for one in self.stranger.received])
        return [one for one in ("access-1", "access-2", "refresh-1", "refresh-2", "password") if one in text]


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack)


@pytest.fixture
def auth(site: Site) -> Auth:
    store = MemoryTokens()
    store.save(Tokens(access_token="access-1", refresh_token="refresh-1", expires_in=600, obtained_at=time.time()))
    return Auth(f"{site.own.url}/auth", store=store, origins=[site.named.url])


@pytest.fixture
def http(variant: Variant, auth: Auth, site: Site) -> Iterator[Driven]:
    with variant.client(auth, site.own.url, follow_redirects=True) as made:
        yield made


def credentials(peer: Scripted) -> list[str | None]:
    return [one.fields.get("authorization") for one in peer.received]


def test_the_token_goes_to_the_named_origins_alone(http: Driven, site: Site) -> None:
    for peer in (site.own, site.named, site.stranger):
        assert http.get(f"{peer.url}/x").status_code == 200
    assert credentials(site.own) == credentials(site.named) == ["Bearer access-1"]
    assert credentials(site.stranger) == [None]


def test_another_host_name_of_the_same_server_is_another_origin(http: Driven, site: Site) -> None:
    http.get(site.own.url.replace("127.0.0.1", "localhost") + "/x")
    assert credentials(site.own) == [None]


def test_a_field_of_ones_own_is_left_alone(http: Driven, site: Site) -> None:
    http.get("/x", headers={"Authorization": "Basic eA=="})
    assert credentials(site.own) == ["Basic eA=="]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_token_elsewhere(http: Driven, site: Site, status: int) -> None:
    site.status, site.redirects = status, {"/x": f"{site.stranger.url}/y"}
    assert http.get("/x").status_code == 200
    assert site.stranger.paths() == ["/y"]
    assert site.secrets_at_the_stranger() == []


def test_a_refusal_by_who_got_no_token_refreshes_nothing(http: Driven, site: Site) -> None:
    site.redirects, site.refuses = {"/x": f"{site.stranger.url}/y"}, {""}
    assert http.get("/x").status_code == 401
    assert http.refreshes() == 0


@pytest.mark.parametrize(
    "refusal",
    [
        problem(403, "insufficient_scope", **{"WWW-Authenticate": 'Bearer error="insufficient_scope"'}),
        problem(403, "csrf", **{"WWW-Authenticate": 'Bearer error="invalid_request"'}),
        problem(401, "invalid_credentials", **{"WWW-Authenticate": "Bearer"}),
        Reply(401, {"code": "invalid_token"}),
    ],
    ids=["scope", "csrf", "password", "not a problem"],
)
def test_a_refusal_of_anything_but_the_token_refreshes_nothing(http: Driven, site: Site, refusal: Reply) -> None:
    site.refuses, site.refusal = {"access-1"}, refusal
    assert http.get("/x").status_code == refusal.status
    assert http.paths == ["/x"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_the_token_is_401_or_403(http: Driven, site: Site, status: int) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="sealring", error="invalid_token"'}
    site.refuses, site.refusal = {"access-1"}, Reply(status, None, challenge)
    assert http.get("/x").status_code == 200
    assert http.paths == ["/x", "/auth/refresh", "/x"]


def test_after_a_redirect_only_a_safe_request_goes_again(http: Driven, site: Site) -> None:
    site.redirects, site.refuses, site.status = {"/x": "/y"}, {"access-1"}, 303
    assert http.request("POST", "/x", content=b"1").status_code == 401
    assert http.paths == ["/x", "/y"], "the first of them was carried out: not twice"
    assert http.get("/x").status_code == 200
    assert http.paths[2:] == ["/auth/refresh", "/x", "/y"]
    site.refuses |= {"access-2"}
    assert http.get("/x").status_code == 401
    assert http.paths[5:] == ["/x", "/y", "/auth/refresh", "/x", "/y"], "and once more is enough"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_refresh_token_follows_no_redirect(http: Driven, site: Site, status: int) -> None:
    site.status, site.redirects = status, {"/auth/refresh": f"{site.stranger.url}/elsewhere"}
    site.refuses = {"access-1"}
    with pytest.raises(UnexpectedAnswer, match="redirect"):
        http.get("/x")
    assert site.secrets_at_the_stranger() == []


@pytest.mark.parametrize("status", [303, 307])
def test_a_password_follows_no_redirect(http: Driven, auth: Auth, site: Site, status: int) -> None:
    site.status, site.redirects = status, {"/auth/login": f"{site.stranger.url}/elsewhere"}
    with pytest.raises(UnexpectedAnswer, match=f"status {status}"):
        http.login(auth, "ada", "password")
    assert site.stranger.received == []


def test_our_own_requests_carry_no_field_and_no_cookie_of_the_client(variant: Variant, auth: Auth, site: Site) -> None:
    site.refuses = {"access-1"}
    options = {"cookies": {"sealring_refresh": "x"}, "headers": {"X-Own": "1", "User-Agent": "mine/1"}}
    with variant.client(auth, site.own.url, **options) as http:
        http.get("/x")
        http.login(auth, "ada", "password")
    ours = [one.fields for one in site.own.received if one.path.startswith("/auth/")]
    assert len(ours) == 2
    for fields in ours:
        assert "cookie" not in fields
        assert "x-own" not in fields
        assert fields["user-agent"] == "mine/1", "by which a list of sessions names the device"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example.com/auth",
        "ftp://app.example.com/auth",
        "http://app.example.com/auth",
        "http://127.0.0.1.example.com",
        "https:///auth",
        "https://ada@app.example.com/auth",
        "https://ada:secret@app.example.com/auth",
        "https://app.example.com/auth?x",
        "https://app.example.com/auth#x",
        "https://ünicode.example/auth",
        "https://app.example.com:notaport/auth",
    ],
)
def test_a_url_that_is_none_for_tokens_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"url|[Pp]ort") as caught:
        Auth(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("origin", ["https://api.example.com/", "https://api.example.com/x", "*", "https://*", "null"])
def test_an_origin_is_exactly_one(origin: str) -> None:
    with pytest.raises(ValueError, match="origins must"):
        Auth("https://app.example.com", origins=[origin])


def test_one_string_is_no_list_of_origins() -> None:
    with pytest.raises(TypeError, match="not one string"):
        Auth("https://app.example.com", origins="https://api.example.com")


def test_urls_and_origins_are_compared_by_scheme_host_and_port() -> None:
    assert read_base("https://App.Example.com:443/auth/") == (
        "https://App.Example.com:443/auth",
        read_origin("o", "https://app.example.com"),
    )
    for url in ("http://localhost:8000", "http://[::1]:8000", "http://127.9.9.9"):
        assert read_base(url)[0] == url
    assert read_origin("o", "https://a.example:8443") != read_origin("o", "https://a.example")


def test_only_clients_of_the_two_libraries_are_taken(auth: Auth) -> None:
    class Other:
        def close(self) -> None:
            """Nothing."""

    with pytest.raises(TypeError, match="httpx2 or httpx, not Other"):
        auth.login(Other(), "ada", "password")
    with pytest.raises(ValueError, match="slash"):
        auth.login_at(Other(), "login", {})
