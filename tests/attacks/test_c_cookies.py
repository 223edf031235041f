"""C1 to C14 against the auth routes as an application mounts them, byte for byte at the ASGI door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealring.sealring import Sealring
from sealring.store.memory import MemoryStore

T = TypeVar("T")
Fields = list[tuple[bytes, bytes]]
ACCESS, REFRESH = b"__Host-sealring_access", b"__Secure-sealring_refresh"
HELD, DEVICE = b"__Host-sealring_session", b"__Host-sealring_device"
JSON = (b"content-type", b"application/json")
SAME, CROSS = (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")
PASSWORD = "a long enough phrase"


@dataclass
class Reply:
    status: int
    fields: Fields
    text: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json["code"])

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def set_cookies(self) -> dict[bytes, bytes]:
        pairs = [value.split(b";")[0].partition(b"=") for name, value in self.fields if name == b"set-cookie"]
        return {name: value for name, _, value in pairs}


@dataclass
class Browser:
    """What one log-in left behind."""

    access: bytes
    held: bytes
    refresh: bytes
    csrf: bytes
    session: str

    @property
    def cookies(self) -> tuple[bytes, bytes]:
        return b"cookie", b"%s=%s; %s=%s; %s=%s" % (ACCESS, self.access, HELD, self.held, REFRESH, self.refresh)

    @property
    def access_cookie(self) -> tuple[bytes, bytes]:
        return b"cookie", b"%s=%s" % (ACCESS, self.access)


class Site:
    """An application with the auth routes under /auth, behind the middleware."""

    def __init__(self, runner: asyncio.Runner, auth: Sealring | None = None) -> None:
        self.runner = runner
        self.auth = auth or Sealring(
            secret="7f1c0de94b26a853" * 2 + "e80b3d5f92a417c6" * 2,
            store=MemoryStore(),
            issuer="https://example.com",
            cookie_secure="on",
            password_min_length=8,
            max_staleness=3600.0,
            throttle_address="100000/1m",
            throttle_registration="100000/1m",
        )
        self.app = FastAPI(redirect_slashes=False)
        self.app.include_router(self.auth.router())
        self.app.add_middleware(self.auth.middleware)
        self._users = 0
        runner.run(self.auth.open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def call(self, method: str, path: str, *fields: tuple[bytes, bytes], body: Any = None, query: bytes = b"") -> Reply:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "https", "path": path,
            "raw_path": path.encode(), "root_path": "", "query_string": query, "headers": list(fields),
            "client": ("203.0.113.9", 4711), "server": ("example.com", 443),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        self.runner.run(self.app(scope, receive, send))
        return Reply(sent[0]["status"], sent[0]["headers"], b"".join(part.get("body", b"") for part in sent[1:]))

    def register(self, *fields: tuple[bytes, bytes]) -> Browser:
        self._users += 1
        body = {"username": f"user{self._users}", "password": PASSWORD, "delivery": "cookie"}
        return self.browser(self.call("POST", "/auth/register", JSON, SAME, *fields, body=body))

    def log_in(self, user: int, *fields: tuple[bytes, bytes]) -> Browser:
        body = {"username": f"user{user}", "password": PASSWORD, "delivery": "cookie"}
        return self.browser(self.call("POST", "/auth/login", JSON, SAME, *fields, body=body))

    def browser(self, reply: Reply) -> Browser:
        assert reply.status in {200, 201}, reply.text
        cookies = reply.set_cookies
        me = self.call("GET", "/auth/me", (b"cookie", ACCESS + b"=" + cookies[ACCESS]))
        csrf, session = reply.json["csrf_token"].encode(), me.json["session"]["id"]
        return Browser(cookies[ACCESS], cookies[HELD], cookies[REFRESH], csrf, session)

    def me(self, *fields: tuple[bytes, bytes]) -> Reply:
        return self.call("GET", "/auth/me", *fields)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with asyncio.Runner() as runner:
        site = Site(runner)
        site.register()  # user1, whom the attacks below are about
        yield site
        runner.run(site.auth.close())


@pytest.fixture(scope="module")
def ada(site: Site) -> Browser:
    return site.register()


def test_c1_a_log_in_never_adopts_planted_cookies(site: Site) -> None:
    attacker = site.register()
    victim = site.register(attacker.cookies)
    assert victim.session != attacker.session
    assert site.me(attacker.access_cookie).status == 401  # the planted session ended with the log-in
    junk = b"=chosen.by.me; ".join([ACCESS, HELD, REFRESH]) + b"=sealring_rt1_AAAA"
    chosen = site.register((b"cookie", junk))
    assert b"chosen" not in chosen.access
    assert site.me(victim.access_cookie).status == 200


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register", "/auth/refresh", "/auth/logout", "/auth/token"])
@pytest.mark.parametrize(
    "origin",
    [CROSS, (b"sec-fetch-site", b"same-site"), (b"origin", b"https://evil.example"), (b"origin", b"null")],
    ids=lambda field: field[1].decode(),
)
def test_c2_another_sites_page_cannot_log_anybody_in_or_out(site: Site, path: str, origin: tuple[bytes, bytes]) -> None:
    body: Any = {"username": "user1", "password": PASSWORD}
    media_type = JSON
    if path in {"/auth/refresh", "/auth/logout"}:
        body = {"refresh_token": "sealring_rt1_x"}
    elif path == "/auth/token":
        media_type = (b"content-type", b"application/x-www-form-urlencoded")
        body = b"grant_type=password&username=user1&password=x"
    reply = site.call("POST", path, media_type, origin, body=body)
    assert (reply.status, reply.code) == (403, "csrf")
    assert not reply.set_cookies


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [CROSS],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"Same-Origin")],
        [SAME, SAME],
        [CROSS, (b"origin", b"https://example.com")],
        [(b"origin", b"null")],
        [(b"origin", b"https://evil.example")],
        [(b"origin", b"https://example.com.evil")],
        [(b"origin", b"https://example.com@evil.example")],
        [(b"origin", b"https://example.com:8443")],
        [(b"origin", b"http://example.com")],
        [(b"origin", b"https://sub.example.com")],
        [(b"referer", b"https://example.com/")],
        [(b"host", b"example.com"), (b"x-forwarded-host", b"example.com")],
    ],
    ids=str,
)
def test_c3_a_cookie_changes_nothing_without_proof_of_same_origin(site: Site, ada: Browser, fields: Fields) -> None:
    for reply in (
        site.call("DELETE", "/auth/sessions", ada.access_cookie, *fields),
        site.call("DELETE", f"/auth/sessions/{ada.session}", ada.access_cookie, *fields),
        site.call("POST", "/auth/password", JSON, ada.access_cookie, *fields, body={"current": PASSWORD, "new": "x"}),
        site.call("POST", "/auth/refresh", ada.cookies, *fields),
        site.call("POST", "/auth/logout", ada.cookies, *fields),
    ):
        assert (reply.status, reply.code) == (403, "csrf")
        assert b'error="invalid_request"' in (reply.get(b"www-authenticate") or b"")  # RFC 6750 §3: a credential came
        assert not reply.set_cookies
    assert site.me(ada.access_cookie).status == 200


def test_c3_a_bearer_token_asks_no_origin(site: Site) -> None:
    other = site.register()
    bearer = (b"authorization", b"Bearer " + other.access)
    assert site.call("DELETE", f"/auth/sessions/{other.session}", bearer, CROSS).status == 204


@pytest.mark.parametrize(
    "media_type", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", None]
)
def test_c4_json_under_a_media_type_that_a_form_can_send_is_415(site: Site, media_type: bytes | None) -> None:
    fields = [] if media_type is None else [(b"content-type", media_type)]
    body = {"username": "user1", "password": PASSWORD}
    assert site.call("POST", "/auth/login", SAME, *fields, body=body).status == 415


def test_c4_no_method_is_overridden(site: Site, ada: Browser) -> None:
    override = (b"x-http-method-override", b"DELETE")
    assert site.call("POST", f"/auth/sessions/{ada.session}", ada.access_cookie, SAME, override).status == 405
    assert site.call("GET", "/auth/sessions", ada.access_cookie, override).status == 200
    assert site.call("GET", "/auth/sessions", ada.access_cookie, query=b"_method=DELETE").status != 204
    assert site.me(ada.access_cookie).status == 200


def test_c5_only_this_sessions_csrf_token_is_proof(site: Site) -> None:
    mine, other = site.register(), site.register()
    earlier = site.log_in(1).csrf
    wrong = [other.csrf, earlier, b"", b"\xff\xfe", b"\xe9" * 43, mine.csrf + b" ", mine.csrf[:-1], b"x" * 1_000_000]
    for token in wrong:
        for proof in ([], [SAME]):
            reply = site.call("POST", "/auth/refresh", mine.cookies, (b"x-csrf-token", token), *proof)
            assert (reply.status, reply.code) == (403, "csrf"), token[:50]
    assert site.call("POST", "/auth/refresh", mine.cookies, (b"x-csrf-token", mine.csrf)).status == 200


@pytest.mark.parametrize(
    "form",
    [
        b"\xa0%s=%s",
        b"\xc2\xa0%s=%s",
        b"\x85%s=%s",
        b"\x1c%s=%s",
        b"\t%s=%s",
        b"\xe2\x80\x80%s=%s",
        b"a=1; \t%s=%s",
        b"a=1;  %s=%s",
        b"%s\xa0=%s",
        b"%s =%s",
        b"%s\t=%s",
        b"=%s=%s",
        b"; =%s=%s",
        b"x=%s=%s",
        b'%s="%s"',
        b'x="; %s="%s"',
        b"$Version=1; %s=%s",
        b"$version = 1; %s=%s",
        b'$Version=1; x="1; %s=%s; y="',
        b"a=1, %s=%s",
    ],
    ids=str,
)
def test_c6_a_cookie_that_only_resembles_ours_is_not_read(site: Site, ada: Browser, form: bytes) -> None:
    reply = site.me((b"cookie", form % (ACCESS, ada.access)))
    assert (reply.status, reply.code) == (401, "missing_credential")


@pytest.mark.parametrize("name", [ACCESS.lower(), ACCESS.upper(), b"__host-sealring_access", b"sealring_access"])
def test_c6_c8_another_case_or_an_unprefixed_twin_is_not_ours(site: Site, ada: Browser, name: bytes) -> None:
    assert site.me((b"cookie", name + b"=" + ada.access)).status == 401


def test_c6_quoting_is_not_undone(site: Site, ada: Browser) -> None:
    octal = b'"' + b"".join(b"\\%03o" % byte for byte in ada.access) + b'"'
    assert site.me((b"cookie", ACCESS + b"=" + octal)).status == 401


@pytest.mark.parametrize(("others", "status"), [(50, 200), (178, 200), (180, 431), (300, 431)])
def test_c6_n12_more_cookies_than_a_browser_keeps_are_refused_with_words(
    site: Site, ada: Browser, others: int, status: int
) -> None:
    crowd = [b"c%d=v" % number for number in range(others)]
    access, refresh = ACCESS + b"=" + ada.access, b"%s=%s; %s=%s" % (HELD, ada.held, REFRESH, ada.refresh)
    for place in (0, others // 2, others):
        pairs = [*crowd[:place], access, *crowd[place:]]
        half = len(pairs) // 2
        for fields in ([b"; ".join(pairs)], [b"; ".join(pairs[:half]), b"; ".join(pairs[half:])]):
            assert site.me(*((b"cookie", field) for field in fields)).status == status
    if status == 431:
        for path in ("/auth/refresh", "/auth/logout"):
            reply = site.call("POST", path, (b"cookie", b"; ".join([*crowd, refresh])), SAME)
            assert (reply.status, reply.code) == (431, "cookies_too_large")


@pytest.mark.parametrize("planted", [b"evil", b"", None])
def test_c7_two_access_cookies_count_as_none(site: Site, ada: Browser, planted: bytes | None) -> None:
    second = ada.access if planted is None else planted
    pair = (ACCESS + b"=" + ada.access, ACCESS + b"=" + second)
    for fields in (
        [(b"cookie", b"; ".join(pair))],
        [(b"cookie", b"; ".join(pair[::-1]))],
        [(b"cookie", one) for one in pair],
    ):
        reply = site.me(*fields)
        assert (reply.status, reply.code) == (401, "missing_credential")
    assert site.me(ada.access_cookie).status == 200  # and nothing was done


def test_c8_every_cookie_that_we_write_has_its_prefix_and_fences(site: Site) -> None:
    reply = site.call(
        "POST", "/auth/login", JSON, SAME, body={"username": "user1", "password": PASSWORD, "delivery": "cookie"}
    )
    written = [value for name, value in reply.fields if name == b"set-cookie"]
    assert len(written) == 4
    assert {cookie.partition(b"=")[0] for cookie in written} == {ACCESS, HELD, REFRESH, DEVICE}
    for cookie in written:
        assert cookie.startswith((b"__Host-", b"__Secure-"))
        assert b"domain" not in cookie.lower()
        for attribute in (b"; HttpOnly", b"; Secure", b"; SameSite=Lax"):
            assert attribute in cookie
    assert not {b"access_token", b"refresh_token"} & {name.encode() for name in reply.json}


def test_c9_two_credentials_or_a_malformed_one_are_400(site: Site, ada: Browser) -> None:
    bearer = (b"authorization", b"Bearer " + ada.access)
    assert site.me((b"authorization", b"bearer " + ada.access)).status == 200
    assert site.me((b"authorization", b"BEARER " + ada.access)).status == 200
    assert site.me((b"authorization", b"Bearer  " + ada.access)).status == 200  # 1*SP (RFC 6750 §2.1)
    malformed = [
        b"Bearer",
        b"Bearer  ",
        b"Bearer\t" + ada.access,
        b"Bearer \t" + ada.access,
        b"Bearer " + ada.access + b" x",
        b"Bearer a,b",
    ]
    for fields in (
        [bearer, ada.access_cookie],
        [bearer, bearer],
        [bearer, (b"authorization", b"Basic eDp5")],
        *([(b"authorization", value)] for value in malformed),
    ):
        reply = site.me(*fields)
        assert (reply.status, reply.code) == (400, "invalid_request")
        assert b'error="invalid_request"' in (reply.get(b"www-authenticate") or b"")
    for fields in ([], [(b"authorization", b"Basic eDp5")]):
        reply = site.me(*fields)
        assert (reply.status, reply.get(b"www-authenticate")) == (401, b'Bearer realm="sealring"')


def test_c10_c11_what_we_say_is_not_framed_sniffed_or_kept(site: Site, ada: Browser) -> None:
    for reply in (
        site.me(ada.access_cookie),
        site.me(),
        site.call("GET", "/auth/sessions", ada.access_cookie),
        site.call("POST", "/auth/login", JSON, body={"username": "user1", "password": "wrong"}),
        site.call("POST", "/auth/login", body=b"x"),
        site.call("PUT", "/auth/login"),
    ):
        assert reply.get(b"cache-control") == b"no-store"
        assert reply.get(b"x-content-type-options") == b"nosniff"
        assert b"frame-ancestors 'none'" in (reply.get(b"content-security-policy") or b"")
        assert b"Cookie" in (reply.get(b"vary") or b"")
        assert (reply.get(b"content-type") or b"").startswith((b"application/json", b"application/problem+json"))


def test_c11_after_log_out_the_old_cookies_open_nothing(site: Site) -> None:
    leaver = site.register()
    reply = site.call("POST", "/auth/logout", leaver.cookies, SAME)
    assert reply.status == 204
    assert reply.set_cookies == {ACCESS: b"", HELD: b"", REFRESH: b""}
    assert site.me(leaver.access_cookie).status == 401
    assert site.call("POST", "/auth/refresh", leaver.cookies, SAME).status == 401


@pytest.mark.parametrize(
    "forged",
    [
        (b"host", b"evil.example"),
        (b"host", b"example.com/public?x="),
        (b"host", b"evil\r\nx: y"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-proto", b"http"),
        (b"forwarded", b"host=evil.example;proto=http"),
        (b"x-original-url", b"/auth/.well-known/jwks.json"),
        (b"x-rewrite-url", b"/auth/.well-known/jwks.json"),
    ],
    ids=str,
)
def test_c12_no_forged_host_decides_anything(site: Site, ada: Browser, forged: tuple[bytes, bytes]) -> None:
    assert site.me(forged).status == 401
    reply = site.call(
        "POST",
        "/auth/login",
        JSON,
        SAME,
        forged,
        body={"username": "user1", "password": PASSWORD, "delivery": "cookie"},
    )
    assert reply.status == 200
    assert b"evil" not in reply.text + b"".join(value for _, value in reply.fields)
    assert set(reply.set_cookies) >= {ACCESS, REFRESH}
    origin = (b"origin", b"https://evil.example")
    assert site.call("POST", "/auth/logout", ada.cookies, forged, origin).status == 403


@pytest.mark.parametrize(
    "path", ["//me", "/me/", "/me//", "/%6de", "/me;x", "/ME", "/./me", "/x/../me", "/me\x00", "/me%2f"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_c13_no_other_spelling_of_a_guarded_path_opens_it(site: Site, path: str, method: str) -> None:
    assert site.call(method, "/auth" + path).status in {401, 404, 405}
    assert site.call(method, "/auth/me").status in {401, 405}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"cookie", b"x-csrf-token", b"origin", b"sec-fetch-site", b"host"]),
            st.binary(max_size=80)
            | st.binary(max_size=20).map(lambda tail: ACCESS + b"=" + tail)
            | st.binary(max_size=20).map(lambda tail: b"Bearer " + tail),
        ),
        max_size=4,
    ),
    st.sampled_from([("GET", "/auth/me"), ("POST", "/auth/refresh"), ("POST", "/auth/logout")]),
)
def test_c14_no_bytes_in_a_field_let_anybody_through_or_break_anything(
    site: Site, fields: Fields, route: tuple[str, str]
) -> None:
    assert site.call(*route, *fields).status in {400, 401, 403}
