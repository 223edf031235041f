"""The WSGI face of the auth routes and of the middleware, called as a server calls it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from sealring import Principal, Sealring
from sealring.errors import StoreUnavailable
from sealring.http.environ import scope_of_environ
from sealring.http.limits import MAX_FIELDS
from tests.http.test_environ import environ
from tests.serving import PASSWORD, cheap_sealring, fresh_name

Answer = tuple[int, dict[str, str], bytes]


class Input(io.BytesIO):
    """A body, and how much of it was asked for; it gives at most `slice_` bytes a read, as sockets do."""

    def __init__(self, body: bytes, slice_: int = 1 << 20) -> None:
        super().__init__(body)
        self.slice = slice_
        self.asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "a read without a size waits for the end of the connection"
        self.asked += size
        return super().read(min(size, self.slice))


def call(app: Any, path: str, method: str = "GET", *, body: Any = b"", **values: Any) -> Answer:
    started: list[Any] = []
    stream = body if isinstance(body, Input) else Input(body)
    given = environ(REQUEST_METHOD=method, PATH_INFO=path, **{"wsgi.input": stream, **values})
    chunks: Iterable[bytes] = app(given, lambda *args: started.append(args))
    [(status, headers)] = started
    return int(status.split()[0]), {name.lower(): value for name, value in headers}, b"".join(chunks)


def post(app: Any, path: str, body: dict[str, Any], **values: Any) -> Answer:
    raw = json.dumps(body).encode()
    length = {"CONTENT_LENGTH": str(len(raw)), "CONTENT_TYPE": "application/json"}
    return call(app, path, "POST", body=raw, **length, **values)


def bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


@pytest.fixture
def auth() -> Iterator[Sealring]:
    auth = cheap_sealring()
    yield auth
    auth.sync().close()


def register(auth: Sealring) -> str:
    status, _, body = post(auth.wsgi(), "/register", {"username": fresh_name(), "password": PASSWORD})
    assert status == 201
    return str(json.loads(body)["access_token"])


def test_the_first_request_opens_the_application(auth: Sealring) -> None:
    assert not auth.node.is_fresh
    token = register(auth)
    status, headers, body = call(auth.wsgi(), "/me", **bearer(token))
    assert status == 200
    assert headers["content-length"] == str(len(body))


def test_head_has_the_fields_of_get_and_no_body(auth: Sealring) -> None:
    token = bearer(register(auth))
    got = call(auth.wsgi(), "/sessions", **token)
    assert call(auth.wsgi(), "/sessions", "HEAD", **token) == (got[0], got[1], b"")


def test_the_refresh_cookie_goes_to_where_the_routes_are_mounted(auth: Sealring) -> None:
    body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
    raw = json.dumps(body).encode()
    started: list[Any] = []
    given = environ(
        REQUEST_METHOD="POST", SCRIPT_NAME="/shop/auth", PATH_INFO="/register", CONTENT_TYPE="application/json",
        CONTENT_LENGTH=str(len(raw)), **{"wsgi.input": io.BytesIO(raw)},
    )  # fmt: skip
    app: Any = auth.wsgi()
    app(given, lambda *args: started.append(args))
    lines = [value for name, value in started[0][1] if name == "set-cookie"]
    assert sum("_refresh=" in line and "; Path=/shop/auth;" in line for line in lines) == 1
    assert len(lines) == 4


def test_a_process_that_is_asked_whether_it_is_ready_opens_itself(auth: Sealring) -> None:
    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"application"]

    served = auth.wsgi_health(app)
    assert call(served, "/healthz")[0] == 200
    assert auth.node.reloads == {}, "to be alive nothing is opened: a store that is away ends no process"
    assert call(served, "/readyz")[0] == 200
    assert auth.node.reloads == {"first load": 1}
    assert call(served, "/orders")[2] == call(served, "/metrics")[2] == b"application"
    assert call(served, "/readyz", "POST")[0] == 405
    auth.node.fresh_until = float("-inf")
    status, headers, body = call(served, "/readyz")
    assert (status, json.loads(body)["code"]) == (503, "stale")
    assert headers["retry-after"]


def test_a_store_that_is_away_is_not_asked_at_every_check(auth: Sealring, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def away() -> None:
        asked.append("open")
        raise StoreUnavailable("away")

    monkeypatch.setattr(auth.store, "open", away)
    app, _ = site(auth, protect=["/api"])
    for _ in range(5):
        status, headers, body = call(app, "/api", **bearer("x.y.z"))
        assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "stale", "1")
    assert len(asked) == 1
    assert json.loads(call(auth.wsgi(), "/me", **bearer("x.y.z"))[2])["code"] == "unavailable"


# bodies

JSON = {"CONTENT_TYPE": "application/json"}
LOGIN = json.dumps({"username": "nobody", "password": PASSWORD}).encode()


def log_in(auth: Sealring, body: bytes | Input, **values: Any) -> tuple[int, str]:
    status, headers, answer = call(auth.wsgi(), "/login", "POST", body=body, **JSON, **values)
    assert headers["content-type"] == "application/problem+json"
    return status, json.loads(answer)["code"]


def test_a_body_in_small_pieces_is_read_whole(auth: Sealring) -> None:
    body = Input(LOGIN, slice_=7)
    assert log_in(auth, body, CONTENT_LENGTH=str(len(LOGIN))) == (401, "invalid_credentials")


def test_chunks_are_read_where_the_server_ends_them(auth: Sealring) -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert log_in(auth, LOGIN, **chunked) == (401, "invalid_credentials")
    endless = Input(b" " * 10_000_000)
    assert log_in(auth, endless, **chunked) == (413, "body_too_large")
    assert endless.tell() == 65_537


def test_d3_chunks_that_the_server_leaves_to_us_are_refused_and_nothing_is_read(auth: Sealring) -> None:
    body = Input(b"2\r\n{}\r\n0\r\n\r\n")
    assert log_in(auth, body, HTTP_TRANSFER_ENCODING="chunked") == (400, "malformed_body")
    assert body.asked == 0


def test_d3_a_body_announced_too_large_is_refused_and_nothing_is_read(auth: Sealring) -> None:
    body = Input(b" " * 70_000)
    assert log_in(auth, body, CONTENT_LENGTH="70000") == (413, "body_too_large")
    assert body.asked == 0


@pytest.mark.parametrize("length", ["-1", "+5", "x", "5, 5", "1" * 30, "\xb2"])
def test_d5_a_malformed_length_is_refused(auth: Sealring, length: str) -> None:
    assert log_in(auth, b"", CONTENT_LENGTH=length) == (400, "malformed_body")


def test_d5_a_body_framed_in_two_ways_is_refused(auth: Sealring) -> None:
    framed = {"CONTENT_LENGTH": "2", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert log_in(auth, b"{}", **framed) == (400, "malformed_body")


def test_d8_a_client_that_goes_away_in_its_body_is_refused(auth: Sealring) -> None:
    class Gone(Input):
        def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - the interface
            raise ConnectionResetError

    assert log_in(auth, Input(LOGIN[:-1]), CONTENT_LENGTH=str(len(LOGIN))) == (400, "malformed_body")
    assert log_in(auth, Gone(LOGIN), CONTENT_LENGTH=str(len(LOGIN))) == (400, "malformed_body")


def test_nobody_reads_the_body_of_a_route_that_wants_none(auth: Sealring) -> None:
    body = Input(b"x" * 10)
    assert call(auth.wsgi(), "/me", "GET", body=body, CONTENT_LENGTH="10", **bearer(register(auth)))[0] == 200
    assert body.asked == 0


def test_no_byte_is_asked_for_after_the_end_of_a_body(auth: Sealring) -> None:
    body = Input(LOGIN)  # a server that does not end it would wait for the next request
    assert log_in(auth, body, CONTENT_LENGTH=str(len(LOGIN))) == (401, "invalid_credentials")
    assert body.asked == len(LOGIN)


# credentials that a server has joined


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"HTTP_AUTHORIZATION": "Bearer {0},Bearer {0}"}, (400, "invalid_request")),
        ({"HTTP_AUTHORIZATION": "Bearer {0}", "HTTP_COOKIE": "sealring_access={0}"}, (400, "invalid_request")),
        ({"HTTP_COOKIE": "sealring_access={0},sealring_access={0}"}, (401, "missing_credential")),
        ({"HTTP_COOKIE": "a=1,sealring_access={0}"}, (401, "missing_credential")),
        ({"HTTP_AUTHORIZATION": "bearer  {0}"}, (200, None)),
        ({"HTTP_AUTHORIZATION": "Bearer\t{0}"}, (400, "invalid_request")),
    ],
)
def test_c9_two_credentials_that_a_server_has_joined_count_as_two(
    auth: Sealring, values: dict[str, str], answer: tuple[int, str | None]
) -> None:
    token = register(auth)
    status, _, body = call(auth.wsgi(), "/me", **{name: value.format(token) for name, value in values.items()})
    assert (status, json.loads(body).get("code")) == answer


# the middleware


def site(auth: Sealring, **options: Any) -> tuple[Any, list[Principal | None]]:
    reached: list[Principal | None] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        reached.append(environ["sealring.principal"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"reached"]

    return auth.wsgi_middleware(app, **options), reached


def test_the_middleware_finds_the_sender_and_refuses_nothing(auth: Sealring) -> None:
    app, reached = site(auth)
    token = register(auth)
    for values in (bearer(token), {}, bearer("x.y.z"), {"HTTP_AUTHORIZATION": "Bearer"}):
        assert call(app, "/orders", **values)[0] == 200
    assert [who is not None for who in reached] == [True, False, False, False]


def test_a_protected_path_needs_a_credential_and_its_scopes(auth: Sealring) -> None:
    app, reached = site(auth, protect={"/api": [], "/api/admin": ["admin"]})
    token = bearer(register(auth))
    assert call(app, "/api/x")[:2][0] == 401
    status, headers, body = call(app, "/api/admin", **token)
    assert (status, json.loads(body)["code"]) == (403, "insufficient_scope")
    assert 'scope="admin"' in headers["www-authenticate"]
    assert not reached
    assert call(app, "/api/x", **token)[0] == 200
    assert call(app, "/", "OPTIONS")[0] == 200
    assert call(app, "/api", "OPTIONS")[0] == 401
    assert len(reached) == 2


def test_a_bad_token_may_be_answered_403_as_in_tutorials(auth: Sealring) -> None:
    app, _ = site(auth, protect=["/api"], invalid_status=403)
    assert call(app, "/api", **bearer("x.y.z"))[0] == 403
    assert call(app, "/api")[0] == 401
    with pytest.raises(ValueError, match="invalid_status must be 401 or 403"):
        site(auth, invalid_status=404)


@pytest.mark.parametrize(
    "path",
    ["/Reports/x", "/reports", "//Reports", "/x/../Reports", "/%52eports", "/Reports;x/y", "/Reports\n", "\\Reports",
     "/x/..;y/Reports", "/.//Reports"],
)  # fmt: skip
@pytest.mark.parametrize("script_name", ["", "/root"])
def test_n2_no_path_leaves_a_protected_prefix(auth: Sealring, path: str, script_name: str) -> None:
    app, reached = site(auth, protect=["/Reports"])
    assert call(app, path, SCRIPT_NAME=script_name)[0] == 401
    assert not reached


def test_n2_a_prefix_that_is_not_ascii_is_compared_as_routers_read_it(auth: Sealring) -> None:
    app, reached = site(auth, protect=["/café"])
    assert call(app, "/caf\xc3\xa9/x")[0] == 401
    assert call(app, "/CAFE\xcc\x81")[0] == 401
    assert call(app, "", SCRIPT_NAME="/caf\xc3\xa9")[0] == 401
    assert not reached


def test_c12_no_field_of_a_client_says_where_it_asks(auth: Sealring) -> None:
    app, reached = site(auth, protect=["/api"])
    forged = {f"HTTP_{name}": "/public" for name in ("HOST", "X_ORIGINAL_URL", "X_FORWARDED_PREFIX", "SCRIPT_NAME")}
    assert call(app, "/api", **forged)[0] == 401
    assert not reached


def test_a_client_cannot_bring_a_result_of_its_own(auth: Sealring) -> None:
    app, reached = site(auth, protect=["/api"])
    assert call(app, "/api", HTTP_SEALRING_AUTH="x", HTTP_SEALRING_PRINCIPAL="x")[0] == 401
    assert call(app, "/api", **{"sealring.auth": "no result"})[0] == 401
    assert not reached


def test_a_result_of_another_verifier_is_not_taken_over(auth: Sealring) -> None:
    other = cheap_sealring(issuer="http://127.0.0.1:9000")
    token = register(other)
    app, reached = site(auth, protect=["/api"])
    outer = other.wsgi_middleware(app)
    assert call(outer, "/api", **bearer(token))[0] == 401
    assert not reached
    other.sync().close()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 403),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-origin,cross-site"}, 403),
        ({"HTTP_ORIGIN": "http://127.0.0.1:8000.evil.example"}, 403),
        ({"HTTP_ORIGIN": "http://127.0.0.1:8000"}, 200),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, 200),
    ],
)
def test_c3_a_cookie_acts_for_our_own_pages_alone(auth: Sealring, more: dict[str, str], status: int) -> None:
    app, _ = site(auth, protect=["/api"])
    cookie = {"HTTP_COOKIE": f"sealring_access={register(auth)}"}
    assert call(app, "/api", **cookie)[0] == 200
    assert call(app, "/api", "POST", **cookie, **more)[0] == status


@pytest.mark.parametrize("fields", [MAX_FIELDS, 5_000])
def test_i9_a_flood_of_fields_is_answered(auth: Sealring, fields: int) -> None:
    app, _ = site(auth, protect=["/api"])
    assert call(app, "/api", **{f"HTTP_X_{number}": "é\x00" for number in range(fields)})[0] == 401


def test_a_revocation_is_in_force_when_its_request_is_answered(auth: Sealring) -> None:
    app, _ = site(auth, protect=["/api"])
    token = bearer(register(auth))
    assert call(app, "/api", **token)[0] == 200
    assert call(auth.wsgi(), "/logout", "POST", **token)[0] == 204
    assert call(app, "/api", **token)[0] == 401


def test_a_preflight_of_an_allowed_origin_is_answered_and_of_another_refused() -> None:
    auth = cheap_sealring(allowed_origins="https://app.example.com")
    asks = {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST", "HTTP_ORIGIN": "https://app.example.com"}
    status, headers, body = call(auth.wsgi(), "/login", "OPTIONS", **asks)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    for origin in ("https://evil.example", "https://app.example.com,https://evil.example"):
        status, headers, _ = call(auth.wsgi(), "/login", "OPTIONS", **asks | {"HTTP_ORIGIN": origin})
        assert status == 403
        assert "access-control-allow-origin" not in headers


def test_n2_a_path_that_a_framework_has_decoded_is_not_decoded_once_more() -> None:
    """Django writes text back into its environ: read as bytes once more, `/café` would be another path."""
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/é", "PATH_INFO": "/café"}
    scope = scope_of_environ(environ, is_decoded=True)
    assert (scope["path"], scope["root_path"]) == ("/é/café", "/é")
    as_the_server_writes = {name: value.encode().decode("latin-1") for name, value in environ.items()}
    assert scope_of_environ(as_the_server_writes)["path"] == "/é/café"
