"""What a client may get wrong, on every route: one right answer each, and never a 500 (D7, design D14)."""

from __future__ import annotations

import contextlib
import json
import socket

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import PASSWORD, ServedProcess, bearer, problem, register

READING = ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/password", "/api/createNewUser"]
"""Routes that read a JSON body."""
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def token(demo: ServedProcess) -> str:
    with demo.client() as client:
        return str(register(client)["access_token"])


@pytest.mark.parametrize("path", READING)
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", (400, "malformed_body")),
        (b"[]", (400, "malformed_body")),
        (b'"text"', (400, "malformed_body")),
        (b"null", (400, "malformed_body")),
        (b"{} {}", (400, "malformed_body")),
        (b'{"a":1,"a":2}', (400, "malformed_body")),
        (b'{"a":NaN}', (400, "malformed_body")),
        (b'{"a":"\xff"}', (400, "malformed_body")),
        (b"\xef\xbb\xbf{}", (400, "malformed_body")),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, (400, "malformed_body")),
        (b"{}" + b" " * 70_000, (413, "body_too_large")),
        (b'{"unknown":1}', (422, "invalid_field")),
    ],
    ids=["open", "array", "string", "null", "two", "twice", "nan", "utf8", "bom", "deep", "large", "unknown"],
)
def test_d7_a_body_that_is_not_the_one_strict_object_is_refused(
    demo: ServedProcess, token: str, path: str, body: bytes, answer: tuple[int, str]
) -> None:
    headers = JSON | bearer(token) if path == "/auth/password" else JSON
    with demo.client() as client:
        assert problem(client.post(path, content=body, headers=headers)) == answer


@pytest.mark.parametrize("path", READING)
@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp",
     "application/json; charset=utf-16"],
)  # fmt: skip
def test_c4_another_media_type_is_415(demo: ServedProcess, token: str, path: str, media_type: str) -> None:
    with demo.client() as client:
        answer = client.post(path, content=b"{}", headers={"Content-Type": media_type} | bearer(token))
    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/password", "/api/createNewUser"])
def test_no_body_at_all_is_422(demo: ServedProcess, token: str, path: str) -> None:
    with demo.client() as client:
        assert problem(client.post(path, headers=bearer(token))) == (422, "invalid_field")


def test_d3_a_compressed_body_is_not_unpacked(client: httpx2.Client) -> None:
    answer = client.post("/auth/login", content=b"\x1f\x8b", headers=JSON | {"Content-Encoding": "gzip"})
    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/auth/register", {"POST"}),
        ("/auth/login", {"POST"}),
        ("/auth/token", {"POST"}),
        ("/auth/refresh", {"POST"}),
        ("/auth/logout", {"POST"}),
        ("/auth/password", {"POST"}),
        ("/auth/me", {"GET", "HEAD"}),
        ("/auth/sessions", {"GET", "HEAD", "DELETE"}),
        ("/auth/sessions/x", {"DELETE"}),
        ("/auth/.well-known/jwks.json", {"GET", "HEAD"}),
        ("/api/createNewUser", {"POST"}),
        ("/metrics", {"GET", "HEAD"}),
        ("/healthz", {"GET", "HEAD"}),
        ("/readyz", {"GET", "HEAD"}),
        ("/", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_and_says_which(client: httpx2.Client, path: str, allowed: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed:
        answer = client.request(method, path, headers={"X-HTTP-Method-Override": next(iter(allowed))})
        assert problem(answer) == (405, "method_not_allowed"), method
        assert set(answer.headers["allow"].split(", ")) == allowed
    if "GET" not in allowed:
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize(
    "path",
    ["/auth", "/auth/", "/auth/nope", "/auth/me/", "/auth//me", "/auth/%6De2", "/auth/me;x", "/AUTH/me", "/nope",
     "/auth/sessions/x/y", "/static/../.env", "/static/%2e%2e%2f.env", "/auth/feed/"],
)  # fmt: skip
def test_what_no_route_takes_is_404_as_problem_details(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    assert problem(answer) == (404, "not_found")


def test_d3_heads_beyond_reason_are_431_and_414(client: httpx2.Client) -> None:
    many = [(f"X-{n}", "x") for n in range(150)]
    assert problem(client.get("/auth/me", headers=many)) == (431, "headers_too_large")
    assert problem(client.get("/auth/me", headers={"X-Large": "x" * 40_000})) == (431, "headers_too_large")
    assert problem(client.get("/auth/me?" + "x" * 9000)) == (414, "target_too_long")


def test_d6_no_header_repeats_what_was_sent(client: httpx2.Client) -> None:
    marker = "zqxj"
    for answer in (
        client.get(f"/auth/{marker}", headers={"Authorization": f"Bearer {marker}", "Cookie": f"x={marker}"}),
        client.get(f"/auth/me?{marker}={marker}", headers={"Origin": f"http://{marker}", "Host": marker}),
        client.post("/auth/login", json={"username": marker, "password": marker}),
    ):
        assert marker not in str(answer.headers)


# raw bytes


def converse(demo: ServedProcess, request: bytes) -> bytes:
    """Everything that the server says to these bytes until it closes, or has answered."""
    with socket.create_connection(("127.0.0.1", demo.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                answer += piece
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n{}",
        b"GET /auth/me HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /auth/me HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        b"GET /auth/me HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /auth/me HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /auth/m\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["cl+te", "cl+cl", "negative", "space-colon", "fold", "nul", "hosts", "target", "tls"],
)
def test_d5_ambiguous_or_broken_heads_are_refused(demo: ServedProcess, request_bytes: bytes) -> None:
    answer = converse(demo, request_bytes)
    assert answer == b"" or answer.split(b" ", 2)[1] in {b"400", b"404"}, answer


def test_d8_a_client_that_leaves_is_no_failure(demo: ServedProcess) -> None:
    before = demo.log.count("Traceback")
    body = json.dumps({"username": "leaver-of-requests", "password": PASSWORD}).encode()
    for length in (len(body), len(body) + 10):
        for sent in (body, body[:5], b""):
            with socket.create_connection(("127.0.0.1", demo.port)) as connection:
                connection.sendall(
                    b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % length + sent
                )
    with demo.client() as client:
        assert client.get("/healthz").status_code == 200
    assert demo.log.count("Traceback") == before


# garbage in: our error or success, nothing else

PATHS = [*READING, "/auth/token", "/auth/me", "/auth/sessions", "/auth/sessions/x", "/auth/.well-known/jwks.json",
         "/auth/client.js", "/api/userOrders", "/healthz", "/readyz", "/", "/docs", "/static/page.js"]  # fmt: skip
FIELD_NAMES = ["username", "password", "email", "delivery", "refresh_token", "current", "new", "keep", "grant_type"]
values = st.one_of(
    st.text(max_size=40), st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.lists(st.text())
)
json_bodies = st.dictionaries(st.one_of(st.sampled_from(FIELD_NAMES), st.text(max_size=10)), values, max_size=5).map(
    lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
)
bodies = st.one_of(
    st.just(b""), st.binary(max_size=200), json_bodies, st.binary(max_size=20).map(lambda raw: b"{" + raw)
)
media_types = st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
field_values = st.binary(max_size=60).map(
    lambda raw: bytes(octet for octet in raw if octet >= 0x20 and octet != 0x7F).strip()
)
field_names = st.sampled_from(
    ["Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "X-CSRF-Token", "If-None-Match", "X-Forwarded-For",
     "User-Agent", "Accept", "Range", "Expect", "Content-Encoding"]
)  # fmt: skip
fields = st.lists(
    st.tuples(
        field_names,
        st.one_of(
            field_values,
            field_values.map(lambda raw: b"Bearer x" + raw),
            field_values.map(lambda raw: b"sealring_access=" + raw),
            field_values.map(lambda raw: b"sealring_refresh=" + raw),
        ),
    ),
    max_size=4,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    path=st.sampled_from(PATHS),
    query=st.one_of(st.just(""), st.sampled_from(["keep=current&keep=x", "a[b][c]=1", "%ff=%00", "keep"])),
    body=bodies,
    media_type=media_types,
    sent=fields,
)
def test_d14_no_request_yields_a_500(  # noqa: PLR0917 - hypothesis hands them over by name
    client: httpx2.Client,
    method: str,
    path: str,
    query: str,
    body: bytes,
    media_type: str,
    sent: list[tuple[str, bytes]],
) -> None:
    headers = [(name.encode(), value) for name, value in sent]
    if media_type:
        headers.append((b"Content-Type", media_type.encode()))
    client.cookies.clear()
    answer = client.request(method, f"{path}?{query}", content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and method != "HEAD" and path != "/auth/token":
        problem(answer)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    line=st.sampled_from([b"GET /auth/me", b"POST /auth/login", b"POST /auth/token", b"DELETE /auth/sessions/"]),
    target=st.binary(max_size=20),
    head=st.lists(st.tuples(field_names, st.binary(max_size=40)), max_size=3),
    body=st.binary(max_size=40),
)
def test_i9_no_bytes_on_the_wire_yield_a_500(
    demo: ServedProcess, line: bytes, target: bytes, head: list[tuple[str, bytes]], body: bytes
) -> None:
    fields_sent = b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in head)
    fields_sent += b"Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = b"%s%s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (line, target, fields_sent, len(body), body)
    answer = converse(demo, request)
    assert answer == b"" or answer.split(b" ", 2)[1][:1] in {b"2", b"4"}, answer


def test_nothing_above_was_an_unforeseen_exception(demo: ServedProcess, client: httpx2.Client) -> None:
    assert client.get("/healthz").status_code == 200
    assert "Traceback" not in demo.log
