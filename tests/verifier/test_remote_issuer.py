"""Other issuers as they are: found by their metadata, behind TLS of one's own, in a cluster, rotating unannounced."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sealring import RemoteKeys, jwt
from sealring.errors import Unavailable, UnknownKey, UnsupportedAlgorithm
from sealring.jwt import remote_key_set as decisions
from tests.certificates import Authority
from tests.jwt.forge import forge

A, B = jwt.Key.generate("ES256", kid="a"), jwt.Key.generate("ES256", kid="b")
RSA = jwt.Key.generate("PS256", kid="rsa")
OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


class Issuer:
    """Answers paths; remembers what it was asked, with which fields."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.fields: dict[str, dict[str, str]] = {}
        self.open = threading.Event()
        self.open.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                issuer.fields[self.path] = dict(self.headers)
                issuer.open.wait(10)
                status, body = issuer.answers.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that trust us not go away
        self.origin = f"http{'s' if context else ''}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def publish(self, *keys: jwt.Key, issuer: str | None = None, at: str = OPENID, **changes: Any) -> None:
        self.answers["/jwks"] = 200, json.dumps(jwt.KeySet(keys).to_jwks()).encode()
        metadata = {"issuer": issuer or self.origin, "jwks_uri": f"{self.origin}/jwks"} | changes
        self.answers[at] = 200, json.dumps(metadata).encode()

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.publish(A)
    yield issuer
    issuer.close()


def token_of(key: jwt.Key) -> str:
    return jwt.sign({"sub": "42"}, key, expires_in=60)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- discovery ---


def test_the_metadata_say_where_the_keys_are(issuer: Issuer) -> None:
    with RemoteKeys.from_issuer(issuer.origin) as keys:
        assert jwt.Verifier(keys).verify(token_of(A)).kid == "a"
    assert issuer.asked == [OPENID, "/jwks"]


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("/", OPENID),
        ("/tenant/v2.0", f"/tenant/v2.0{OPENID}"),
        ("/auth", f"{OAUTH}/auth"),
        ("", OAUTH),
    ],
)
def test_metadata_are_where_openid_or_oauth_put_them(issuer: Issuer, path: str, at: str) -> None:
    del issuer.answers[OPENID]
    issuer.publish(A, issuer=issuer.origin + path, at=at)
    with RemoteKeys.from_issuer(issuer.origin + path) as keys:
        assert keys.keys.get("a") is not None


def test_an_issuer_without_metadata_says_what_openid_answered(issuer: Issuer) -> None:
    issuer.answers = {OPENID: (503, b"")}
    with pytest.raises(Unavailable, match="key set: answer 503"):
        RemoteKeys.from_issuer(issuer.origin).start()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://evil.example.com"}, "another issuer"),
        ({"issuer": ["https://issuer.example.com"]}, "another issuer"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"jwks_uri": ["https://a.example.com/jwks"]}, "no jwks_uri"),
        ({"jwks_uri": "http://keys.example.com/jwks"}, "https, or http on loopback"),
        ({"jwks_uri": "file:///etc/passwd"}, "key set's URL"),
        ({"jwks_uri": "https://user:pw@keys.example.com/"}, "no user"),
        ({"jwks_uri": "https://[bad/"}, "key set"),
    ],
)
def test_k5_metadata_that_are_not_this_issuers_give_no_keys(issuer: Issuer, changes: Any, words: str) -> None:
    issuer.publish(A, **changes)
    with pytest.raises(Unavailable, match=words):
        RemoteKeys.from_issuer(issuer.origin).start()
    assert issuer.asked == [OPENID]


def test_the_issuer_is_compared_with_its_slash(issuer: Issuer) -> None:
    with pytest.raises(Unavailable, match="another issuer"):
        RemoteKeys.from_issuer(issuer.origin + "/").start()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"issuer":"a","issuer":"b"}'])
def test_metadata_are_a_strict_object(issuer: Issuer, body: bytes) -> None:
    issuer.answers[OPENID] = 200, body
    with pytest.raises(Unavailable, match="not strict JSON"):
        RemoteKeys.from_issuer(issuer.origin).start()


def test_an_issuer_has_no_query() -> None:
    with pytest.raises(ValueError, match="no query"):
        RemoteKeys.from_issuer("https://issuer.example.com/?a=b")


def test_keys_that_moved_are_found_again(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    with RemoteKeys.from_issuer(issuer.origin) as keys:
        keys._fetch(forced=True)
        assert issuer.asked == [OPENID, "/jwks", "/jwks"]  # the metadata are kept
        issuer.publish(B, jwks_uri=f"{issuer.origin}/elsewhere")
        issuer.answers["/elsewhere"] = issuer.answers.pop("/jwks")
        with pytest.raises(Unavailable):
            keys._fetch(forced=True)
        assert keys.keys.get("a") is not None
        keys._fetch(forced=True)
        assert keys.keys.get("b") is not None
        keys._asked_metadata_at -= 24 * 3600 + 1  # a day later
        issuer.asked.clear()
        keys._fetch(forced=True)
        assert issuer.asked == [OPENID, "/elsewhere"]


# --- how it is asked ---


def test_fields_of_the_request(issuer: Issuer) -> None:
    with RemoteKeys(f"{issuer.origin}/jwks"):
        assert issuer.fields["/jwks"]["User-Agent"] == "sealring"
    fields = {"user-agent": "orders/1.0", "Authorization": "Bearer let-me-in"}
    with RemoteKeys.from_issuer(issuer.origin, headers=fields) as keys:
        for path in (OPENID, "/jwks"):
            assert issuer.fields[path]["User-Agent"] == "orders/1.0"
            assert issuer.fields[path]["Authorization"] == "Bearer let-me-in"
        assert "let-me-in" not in repr(keys._options)


def test_a_credential_does_not_go_to_another_origin(issuer: Issuer) -> None:
    other = Issuer()
    try:
        other.publish(A)
        issuer.publish(A, jwks_uri=f"{other.origin}/jwks")
        with RemoteKeys.from_issuer(issuer.origin, headers={"Authorization": "Bearer let-me-in"}) as keys:
            assert keys.keys.get("a") is not None
        assert issuer.fields[OPENID]["Authorization"] == "Bearer let-me-in"
        assert "Authorization" not in other.fields["/jwks"]
    finally:
        other.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"headers": [("a", "b")]}, "headers must be a mapping"),
        ({"headers": {"a b": "c"}}, "headers must have field names"),
        ({"headers": {"a": 1}}, "headers must have field names"),
        ({"headers": {"a": "b\r\nc: d"}}, "the field a cannot be set so"),
        ({"headers": {"Host": "b"}}, "the field Host cannot be set so"),
        ({"ssl_context": "ca.pem"}, "ssl_context must be"),
        ({"allow_http": 1}, "allow_http must be True or False"),
        ({"kid_optional": None}, "kid_optional must be True or False"),
        ({"max_bytes": 0}, "max_bytes must be"),
        ({"max_bytes": 2**30}, "max_bytes must be"),
        ({"algorithms": "ES256"}, "algorithms must be a list"),
        ({"algorithms": ["none"]}, "alg must be one of"),
    ],
)
def test_wrong_options_are_named(options: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        RemoteKeys("https://issuer.example.com/jwks", **options)


@pytest.mark.parametrize("mode", [ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL, ssl.CERT_NONE])
def test_a_context_that_checks_less_is_refused(mode: ssl.VerifyMode) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = mode
    with pytest.raises(ValueError, match="ssl_context must verify"):
        RemoteKeys("https://issuer.example.com/jwks", ssl_context=context)


def test_http_elsewhere_needs_a_word() -> None:
    with pytest.raises(ValueError, match="allow_http"):
        RemoteKeys("http://keycloak:8080/jwks")
    assert len(RemoteKeys("http://keycloak:8080/jwks", allow_http=True).keys) == 0
    with pytest.raises(ValueError, match="URL"):
        RemoteKeys("ftp://keycloak:8080/jwks", allow_http=True)


def test_the_size_is_an_option(issuer: Issuer) -> None:
    size = len(issuer.answers["/jwks"][1])
    with RemoteKeys(f"{issuer.origin}/jwks", max_bytes=size) as keys:
        assert keys.keys.get("a") is not None
    with pytest.raises(Unavailable, match=f"longer than {size - 1} bytes"):
        RemoteKeys(f"{issuer.origin}/jwks", max_bytes=size - 1).start()
    issuer.answers["/jwks"] = 200, issuer.answers["/jwks"][1] + b" " * decisions.MAX_BYTES
    with RemoteKeys(f"{issuer.origin}/jwks", max_bytes=2 * decisions.MAX_BYTES) as keys:
        assert keys.keys.get("a") is not None


def test_certificate_authorities_of_ones_own() -> None:
    authority = Authority()
    issuer = Issuer(authority.serves("127.0.0.1"))
    try:
        issuer.publish(A)
        trusting = authority.is_trusted()
        with RemoteKeys.from_issuer(issuer.origin, ssl_context=trusting) as keys:
            assert jwt.Verifier(keys).verify(token_of(A)).kid == "a"
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            RemoteKeys.from_issuer(issuer.origin).start()
        # no way from https down to http, not even on loopback or where http is allowed
        plain = f"{issuer.origin.replace('https', 'http')}/jwks"
        issuer.publish(A, jwks_uri=plain)
        for allow_http in (False, True):
            with pytest.raises(Unavailable, match="issuer on https name keys on http"):
                RemoteKeys.from_issuer(issuer.origin, ssl_context=trusting, allow_http=allow_http).start()
    finally:
        issuer.close()


# --- what its keys are like ---


def test_keys_without_alg_are_for_the_algorithms_given(issuer: Issuer) -> None:
    member = {name: value for name, value in RSA.to_jwk().items() if name != "alg"}
    issuer.answers["/jwks"] = 200, json.dumps({"keys": [member]}).encode()
    with RemoteKeys(f"{issuer.origin}/jwks", algorithms=["PS256"]) as keys:
        assert jwt.Verifier(keys).verify(token_of(RSA)).kid == "rsa"
        assert [key.alg for key in keys.keys] == ["PS256"]
    with RemoteKeys(f"{issuer.origin}/jwks") as keys, pytest.raises(UnsupportedAlgorithm):
        jwt.Verifier(keys).verify(token_of(RSA))


def test_a_token_without_kid_is_for_the_only_key_unless_a_kid_is_asked_for(issuer: Issuer) -> None:
    bare = forge(A, {"sub": "42", "exp": int(time.time()) + 60}, {"alg": "ES256"})
    with RemoteKeys(f"{issuer.origin}/jwks") as keys:
        assert jwt.Verifier(keys).verify(bare).claims["sub"] == "42"
    with RemoteKeys(f"{issuer.origin}/jwks", kid_optional=False) as keys, pytest.raises(UnknownKey):
        jwt.Verifier(keys).verify(bare)


# --- after a rotation that nobody announced ---

waits = pytest.mark.anyio


@waits
async def test_the_first_verification_waits_for_one_fetch(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with RemoteKeys(f"{issuer.origin}/jwks") as keys:
        verifier = jwt.Verifier(keys)
        assert (await keys.verify(verifier, token_of(A))).kid == "a"
        monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
        issuer.publish(B)
        issuer.open.clear()
        asyncio.get_running_loop().call_later(0.05, issuer.open.set)  # runs only if the loop does meanwhile
        waiting = [keys.verify(verifier, token_of(B)) for _ in range(50)]
        assert {token.kid for token in await asyncio.gather(*waiting)} == {"b"}
        assert len(issuer.asked) == 2  # one fetch for all
        with pytest.raises(UnknownKey):  # the kid that was withdrawn
            await keys.verify(verifier, token_of(A))


@waits
async def test_k4_an_invented_kid_waits_for_nothing_within_the_cooldown(issuer: Issuer) -> None:
    async with RemoteKeys(f"{issuer.origin}/jwks") as keys:
        verifier = jwt.Verifier(keys)
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(UnknownKey):
                await keys.verify(verifier, token_of(B), wait="1h")
        assert time.monotonic() - began < 5
        assert issuer.asked == ["/jwks"]


@waits
async def test_the_waiting_is_bounded_and_one_who_goes_away_keeps_nobody_from_it(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RemoteKeys(f"{issuer.origin}/jwks") as keys:
        verifier = jwt.Verifier(keys)
        monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
        issuer.publish(B)
        issuer.open.clear()
        patient = asyncio.create_task(keys.verify(verifier, token_of(B), wait="10s"))
        gone = asyncio.create_task(keys.verify(verifier, token_of(B), wait="10s"))
        with pytest.raises(UnknownKey):
            await keys.verify(verifier, token_of(B), wait=0.05)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        issuer.open.set()
        assert (await patient).kid == "b"


@waits
async def test_a_fetch_that_fails_ends_the_waiting(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with RemoteKeys(f"{issuer.origin}/jwks") as keys:
        monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
        issuer.answers["/jwks"] = 500, b""
        with pytest.raises(UnknownKey):
            await keys.verify(jwt.Verifier(keys), token_of(B), wait="1h")
        assert issuer.asked == ["/jwks", "/jwks"]


@waits
async def test_keys_that_are_not_started_are_not_waited_for(issuer: Issuer) -> None:
    keys = RemoteKeys(f"{issuer.origin}/jwks")
    with pytest.raises(UnsupportedAlgorithm):  # of no key at all
        await keys.verify(jwt.Verifier(keys), token_of(A), wait="1h")
    await asyncio.to_thread(keys.start)
    await asyncio.to_thread(keys.close)
    with pytest.raises(UnknownKey):
        await keys.verify(jwt.Verifier(keys), token_of(B), wait="1h")
    with pytest.raises(TypeError, match="wait"):
        await keys.verify(jwt.Verifier(keys), token_of(B), wait=None)  # type: ignore[arg-type]


def test_a_thread_that_goes_on_after_a_failure_finds_the_keys(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    with RemoteKeys.from_issuer(issuer.origin) as keys:
        issuer.publish(A, issuer="https://evil.example.com")
        issuer.answers["/jwks"] = 500, b""
        keys({"kid": "b"})
        until(lambda: len(issuer.asked) >= 3)
        issuer.publish(A, B)
        until(lambda: keys({"kid": "b"}).get("b") is not None)
