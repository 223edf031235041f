"""An issuer over HTTP as a source: what it takes from the wire, how fresh that makes a node, and what it refuses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from sealring import Verifier, jwt
from sealring.errors import Revoked
from sealring.issuer import feed_segments
from tests.feed_over_http import ISSUER, Issuer, Remote, dead
from tests.http_server import Asked, ok

pytestmark = pytest.mark.anyio


@pytest.fixture
async def issuer() -> Issuer:
    issuer = Issuer()
    await issuer.revoke(dead(1))
    return issuer


@pytest.fixture
async def remote(issuer: Issuer) -> AsyncIterator[Remote]:
    async with issuer.served() as url:
        remote = Remote(issuer, url)
        yield remote
        remote.source.close()


async def test_it_loads_all_and_then_what_is_new(remote: Remote) -> None:
    assert await remote.poll()
    assert remote.is_fresh()
    assert remote.refuses("sid-1") == "session"
    await remote.issuer.revoke(dead(2))
    assert await remote.poll()
    assert remote.refuses("sid-2") == "session"
    assert remote.refuses("sid-3") is None
    assert remote.node.longest_access_ttl == 1800
    assert [key.kid for key in remote.node.trusted.keys] == ["first"]
    assert [path.partition("&")[0] for path in remote.issuer.asked] == [
        "/auth/.well-known/jwks.json", "/auth/feed", "/auth/feed?after=1",
    ]  # fmt: skip


async def test_a_million_entries_would_come_in_segments(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 3)
    await remote.issuer.revoke(*map(dead, range(2, 12)))
    assert await remote.poll()
    assert all(remote.refuses(f"sid-{number}") for number in range(1, 12))
    assert sum("/segments/" in path for path in remote.issuer.asked) == 3


async def test_freshness_is_the_signed_time(remote: Remote) -> None:
    await remote.poll()
    remote.issuer.feed.broken = True  # the issuer's node goes on to serve what it knew
    remote.pass_seconds(4)
    await remote.poll()
    assert remote.is_fresh()
    assert remote.node.lag == pytest.approx(4)
    remote.pass_seconds(1.5)
    await remote.poll()
    assert not remote.is_fresh()
    remote.issuer.feed.broken = False
    remote.pass_seconds(2)
    assert await remote.poll()
    assert remote.is_fresh()


async def test_a_node_is_never_fresher_than_the_start_of_its_own_poll(remote: Remote) -> None:
    await remote.poll()

    async def slowly(asked: Asked) -> bytes:
        if "after" in asked.path:
            remote.pass_seconds(3)
            await remote.issuer.follower.poll()
        return b""

    remote.issuer.instead = slowly
    assert await remote.poll()
    assert remote.node.lag == pytest.approx(3), "signed just now, asked for three seconds ago"


async def test_a_node_without_keys_waits_for_an_issuer_that_is_slow(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All verifiers of a fleet have come at once: the first keys take longer than a poll may."""
    loop = asyncio.get_running_loop()
    now, passed = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: now() + passed)

    async def after_four_seconds(asked: Asked) -> bytes:
        nonlocal passed
        if "jwks" in asked.path:
            passed += 4
            for _ in range(5):  # a deadline that is over ends the request first
                await asyncio.sleep(0)
        return b""

    issuer.instead = after_four_seconds
    async with issuer.served() as url:
        remote = Remote(issuer, url)
        assert await remote.poll()
        remote.source.close()


async def test_a_deadline_grows_with_each_failure(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now, passed, slow = loop.time, 0.0, 9.0
    monkeypatch.setattr(loop, "time", lambda: now() + passed)

    async def slowly(asked: Asked) -> bytes:
        nonlocal passed
        passed += slow if "jwks" in asked.path or "after" in asked.path else 0
        for _ in range(5):
            await asyncio.sleep(0)
        return b""

    issuer.instead = slowly
    async with issuer.served() as url:
        remote = Remote(issuer, url)
        assert not await remote.poll(), "5 s for the keys"
        assert await remote.poll(), "10 s"
        slow = 3.0
        assert not await remote.poll(), "1.25 s for a page"
        assert not await remote.poll(), "2.5 s"
        remote.pass_seconds(3)  # the pause
        assert await remote.poll(), "5 s"
        assert not await remote.poll(), "from the beginning"
        remote.source.close()


async def test_the_first_keys_are_asked_for_by_each_poll(remote: Remote) -> None:
    failed = False

    async def once(asked: Asked) -> bytes:
        nonlocal failed
        if "jwks" in asked.path and not failed:
            failed = True
            return ok(b"", status="503 Service Unavailable")
        return b""

    remote.issuer.instead = once
    assert not await remote.poll()
    assert await remote.poll()


async def test_a_verifier_holds_one_connection(remote: Remote) -> None:
    """Of ten thousand verifiers, two each would be more than a process may have files open."""
    ended = []

    async def note(asked: Asked) -> bytes:
        if "jwks" in asked.path:
            ended.append(asked.ended)
        return b""

    remote.issuer.instead = note
    assert await remote.poll()
    async with asyncio.timeout(60):
        await ended[0].wait()


async def test_verifier_from_issuer_verifies_and_refuses(issuer: Issuer) -> None:
    async with issuer.served() as url:
        verifier = Verifier.from_issuer(url, audience="orders", issuer=ISSUER, clock=issuer.clock)
        claims = {
            "iss": ISSUER, "aud": "orders", "sub": "42", "client_id": "c", "sid": "sid-2", "jti": "j", "epoch": 0,
            "iat": issuer.clock.now_ms() // 1000, "exp": issuer.clock.now_ms() // 1000 + 60,
            "scope": "", "auth_time": issuer.clock.now_ms() // 1000,
        }  # fmt: skip
        token = jwt.sign(claims, issuer.key, typ="at+jwt")
        async with verifier.lifespan():
            assert verifier.verify(token).subject == "42"
            await issuer.revoke(dead(2))
            assert await verifier.follower.poll()
            with pytest.raises(Revoked):
                verifier.verify(token)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://auth.example.com/auth", "https"),
        ("ftp://127.0.0.1/auth", "https"),
        ("https://user@auth.example.com", "user"),
        ("https://auth.example.com/auth?x=1", "query"),
        ("https://auth.example.com/auth#x", "fragment"),
        ("https:///auth", "host"),
        ("https://auth.example.com:x/auth", "port"),
        ("https://auth.example.com/a b", "ASCII"),
        ("https://äuth.example.com/", "ASCII"),
        ("https://auth.example.com/\r\nX: y", "ASCII"),
    ],
)
def test_an_issuer_is_at_an_https_url(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Verifier.from_issuer(url, audience="orders")
    with pytest.raises(ValueError, match=why):
        Verifier.from_issuer("https://auth.example.com/auth", audience="orders", feed_url=url)


def test_a_tls_context_that_takes_every_certificate_is_refused() -> None:
    """Who sits in between would write the keys (as of `RemoteKeys`)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    for mode in (ssl.CERT_REQUIRED, ssl.CERT_NONE):
        context.verify_mode = mode
        with pytest.raises(ValueError, match="ssl_context must verify"):
            Verifier.from_issuer("https://auth.example.com/auth", audience="orders", ssl_context=context)
    made = Verifier.from_issuer("https://a.example", audience="orders", ssl_context=ssl.create_default_context())
    assert not made.node.is_fresh


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "é"])
def test_a_token_for_the_feed_is_one_that_a_field_can_carry(token: str) -> None:
    with pytest.raises(ValueError, match="feed_token must be of token characters"):
        Verifier.from_issuer("https://auth.example.com/auth", audience="orders", feed_token=token)


def test_an_api_by_its_url_follows_an_issuer() -> None:
    made = Verifier.from_issuer("https://a.example", audience="orders", resource="https://api.example.com")
    assert made.authenticator.resource_metadata == "https://api.example.com/.well-known/oauth-protected-resource"


def test_http_needs_a_word() -> None:
    Verifier.from_issuer("http://auth.internal/auth", audience="orders", allow_http=True)
    Verifier.from_issuer("http://127.0.0.1:1/auth", audience="orders")
    with pytest.raises(TypeError):
        Verifier.from_issuer(b"https://auth.example.com", audience="orders")  # type: ignore[arg-type]
