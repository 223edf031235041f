"""`GET /auth/feed`: the revocation feed over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from sealring import jwt
from sealring.errors import TokenError
from sealring.revocation.wire import FeedDocument, fingerprint, read_document
from tests.serving import ServedThread, bearer, cheap_sealring, problem, register, serve_in_thread

TOKEN = "a-token-for-the-feed.0123456789"
JWKS = "/auth/.well-known/jwks.json"


@pytest.fixture(scope="module")
def served() -> Iterator[ServedThread]:
    with serve_in_thread(cheap_sealring()) as served:
        yield served


@pytest.fixture
def own(served: ServedThread) -> Iterator[httpx2.Client]:
    with served.client() as client:
        yield client


def read(client: httpx2.Client, answer: httpx2.Response) -> FeedDocument:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jwt"
    return read_document(answer.text, jwt.KeySet.from_jwks(client.get(JWKS).json()), issuer=None)


def test_a_revocation_reaches_who_waits_for_it(served: ServedThread, own: httpx2.Client) -> None:
    issued = served.run(served.auth.start_session(subject="7"))
    head = read(own, own.get("/auth/feed")).head
    assert read(own, own.get(f"/auth/feed?after={head}&wait=0.001")).entries == ()
    served.run(served.auth.revoke_session(issued.session.id))
    page = read(own, own.get(f"/auth/feed?after={head}&wait=20"))
    assert [(one.kind, one.target) for one in page.entries] == [("session", issued.session.id)]


def test_what_waited_is_kept_by_no_cache_and_all_else_by_any(own: httpx2.Client) -> None:
    head = read(own, own.get("/auth/feed")).head
    for path, kept in {
        "/auth/feed": "public, max-age=0, s-maxage=1",
        f"/auth/feed?after={head}": "public, max-age=0, s-maxage=1",
        f"/auth/feed?after={head}&wait=0": "public, max-age=0, s-maxage=1",
        f"/auth/feed?after={head}&wait=0.001": "no-store",
    }.items():
        answer = own.get(path)
        assert answer.headers["cache-control"] == kept
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "etag" not in answer.headers, "a 304 would be no news, and seem to be some"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("after=-1", 422, "invalid_field"),
        ("after=", 422, "invalid_field"),
        ("after=1e3", 422, "invalid_field"),
        ("after=" + "9" * 19, 422, "invalid_field"),
        ("after=0&wait=-1", 422, "invalid_field"),
        ("after=0&wait=nan", 422, "invalid_field"),
        ("after=0&wait=1e9", 422, "invalid_field"),
        ("after=0&after=0", 400, "invalid_request"),
        ("After=0", 400, "unknown_parameter"),
    ],
)
def test_a_query_of_another_form_is_refused(own: httpx2.Client, query: str, status: int, code: str) -> None:
    assert problem(own.get(f"/auth/feed?{query}")) == (status, code)


def test_an_unknown_segment_is_not_found(own: httpx2.Client) -> None:
    for name in ("x", "a" * 43, "%00", "..%2f.."):
        assert problem(own.get(f"/auth/feed/segments/{name}"))[0] == 404


def test_j11_no_access_token_is_a_feed_and_no_feed_an_access_token(own: httpx2.Client) -> None:
    keys = jwt.KeySet.from_jwks(own.get(JWKS).json())
    with pytest.raises(TokenError) as caught:
        read_document(register(own)["access_token"], keys, issuer=None)
    assert caught.value.code == "wrong_type"
    refused = own.get("/auth/me", headers=bearer(own.get("/auth/feed?after=0").text))
    assert problem(refused) == (401, "invalid_token")


def test_a_key_set_that_is_asked_for_by_its_hash_is_kept_under_no_other(own: httpx2.Client) -> None:
    """A cache that keeps the old set under the name of the new one would hide the new keys."""
    document = own.get(JWKS).content
    assert read(own, own.get("/auth/feed?after=0")).keys == fingerprint(document)
    right = own.get(JWKS, params={"version": fingerprint(document)})
    assert right.headers["cache-control"] == "public, max-age=300"
    for query in ({"version": "another"}, {"version": ["another", fingerprint(document)]}):
        other = own.get(JWKS, params=query)
        assert (other.headers["cache-control"], other.content) == ("no-store", document)


def test_with_a_token_nobody_else_reads_the_feed() -> None:
    with serve_in_thread(cheap_sealring(feed_token=TOKEN)) as served, served.client() as client:
        for path in ("/auth/feed", "/auth/feed?after=0", "/auth/feed/segments/x"):
            without = client.get(path)
            assert problem(without) == (401, "missing_credential")
            assert without.headers["www-authenticate"].startswith("Bearer")
            for wrong in ("wrong", TOKEN[:-1], TOKEN + "x", register(client)["access_token"]):
                assert problem(client.get(path, headers=bearer(wrong))) == (401, "invalid_token")
        for path in ("/auth/feed", "/auth/feed?after=0"):
            answer = client.get(path, headers=bearer(TOKEN))
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store", "a cache would give it to those without a token"
        assert problem(client.get("/auth/feed/segments/x", headers=bearer(TOKEN))) == (404, "not_found")
        assert client.get(JWKS).status_code == 200


def test_a_server_with_a_thread_for_each_request_lets_nobody_wait() -> None:
    """Verifiers that wait would take every thread of the application."""
    auth = cheap_sealring()
    app = auth.wsgi()
    answered: list[str] = []

    def start(status: str, _headers: list[tuple[str, str]], _error: Any = None, /) -> Callable[[bytes], object]:
        answered.append(status)
        return lambda _: None

    def ask(query: str) -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/feed", "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
        }  # fmt: skip
        began = time.monotonic()
        b"".join(app(environ, start))
        assert time.monotonic() - began < 10

    with auth.sync():
        ask("after=0&wait=20")
    assert answered == ["200 OK"]
