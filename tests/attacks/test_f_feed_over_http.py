"""F, over HTTP: what lies between an issuer and a verifier can delay the feed, and nothing else.

A delay longer than the bound stops the verifier (503). Nobody makes it fresher, nobody has it forget.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sealring import Verifier, jwt
from sealring.errors import Stale
from sealring.issuer import feed_segments
from sealring.jwt.base64url import decode, encode
from sealring.revocation.wire import TYPE
from sealring.verifier import http_source
from sealring.verifier.http_source import HttpSource
from tests.feed_over_http import ISSUER, Issuer, Remote, dead
from tests.http_server import Asked, http_server, ok

pytestmark = pytest.mark.anyio

Answer = Callable[[Asked], Any]


@pytest.fixture
async def issuer() -> Issuer:
    issuer = Issuer()
    await issuer.revoke(dead(1))
    return issuer


@pytest.fixture
async def remote(issuer: Issuer) -> AsyncIterator[Remote]:
    """Loaded, and fresh."""
    async with issuer.served() as url:
        remote = Remote(issuer, url)
        assert await remote.poll()
        yield remote
        remote.source.close()


def for_pages(said: bytes | None) -> Answer:
    """Answer each page so, and let the issuer answer the rest."""

    async def answer(asked: Asked) -> bytes | None:
        return said if "/feed" in asked.path else b""

    return answer


async def kept_page(remote: Remote) -> bytes:
    """What a proxy may have kept: the page that this node gets now."""
    return await remote.issuer.publisher.page(remote.node.cursor or 0, 0)


# replay


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Age: 0", "Cache-Control: max-age=31536000"),
        ("Date: Fri, 01 Jan 2100 00:00:00 GMT", "Expires: Fri, 01 Jan 2100 00:00:00 GMT"),
        ("Last-Modified: Fri, 01 Jan 2100 00:00:00 GMT", 'ETag: "x"'),
    ],
)
async def test_an_old_page_played_again_makes_no_node_fresher(remote: Remote, fields: tuple[str, ...]) -> None:
    page = await kept_page(remote)
    remote.issuer.instead = for_pages(ok(page, *fields))
    await remote.issuer.revoke(dead(2))
    for _ in range(9):
        remote.pass_seconds(0.6)
        await remote.poll()
    assert not remote.is_fresh()
    remote.issuer.instead = None
    remote.pass_seconds(10)
    assert await remote.poll(), "it heals without a restart"
    assert remote.refuses("sid-2") == "session"


async def test_yesterdays_page_and_yesterdays_snapshot_are_refused(issuer: Issuer) -> None:
    page, snapshot = await issuer.publisher.page(1, 0), await issuer.publisher.snapshot()
    issuer.clock.pass_seconds(86_400)
    async with issuer.served() as url:
        remote = Remote(issuer, url)
        await remote.issuer.follower.poll()
        issuer.instead = for_pages(ok(snapshot))
        assert not await remote.poll()
        assert "old" in str(remote.node.last_error)
        issuer.instead = None
        remote.pass_seconds(10)
        assert await remote.poll()
        lag = remote.node.lag
        issuer.instead = for_pages(ok(page))
        assert not await remote.poll()
        assert remote.node.lag == lag
        remote.source.close()


async def test_a_node_that_starts_on_a_replayed_snapshot_is_stale_when_that_is(remote: Remote, issuer: Issuer) -> None:
    snapshot = await issuer.publisher.snapshot()
    remote.pass_seconds(4)
    issuer.instead = for_pages(ok(snapshot))
    late = Remote(issuer, remote.source._feed._url.geturl())
    assert await late.follower.poll()
    assert late.node.lag == pytest.approx(4)
    late.pass_seconds(1.1)
    assert not late.is_fresh()
    late.source.close()


@pytest.mark.parametrize(
    "status", ["304 Not Modified", "204 No Content", "206 Partial Content", "500 x", "404 Not Found"]
)
async def test_no_status_but_200_is_an_answer(remote: Remote, status: str) -> None:
    remote.pass_seconds(1)
    said = b"" if status[:3] in {"304", "204"} else await kept_page(remote)
    remote.issuer.instead = for_pages(ok(said, status=status))
    assert not await remote.poll()
    assert remote.node.lag == pytest.approx(1)


# clocks


@pytest.mark.parametrize(("behind", "good"), [(4.9, True), (5.1, False), (3600, False)])
async def test_t1_a_node_whose_clock_is_behind_serves_within_the_leeway_alone(
    remote: Remote, behind: float, *, good: bool
) -> None:
    remote.clock.step(-behind)
    assert await remote.poll() is good
    if not good:
        assert "behind" in str(remote.node.last_error)


@pytest.mark.parametrize(("ahead", "good"), [(3, True), (5.1, False), (3600, False)])
async def test_t1_a_node_whose_clock_is_ahead_counts_every_page_as_older(
    remote: Remote, ahead: float, *, good: bool
) -> None:
    remote.clock.step(ahead)
    remote.pass_seconds(1)
    assert await remote.poll() is good
    if good:
        assert remote.node.lag == pytest.approx(ahead)
    else:
        assert "ahead" in str(remote.node.last_error)


async def test_t1_a_clock_that_is_behind_is_no_fresher_than_its_own_question(remote: Remote) -> None:
    remote.clock.step(-4)
    await remote.poll()
    remote.pass_seconds(2)
    assert remote.node.lag == pytest.approx(2)


async def test_f6_a_loop_that_was_blocked_wakes_up_stale_and_heals(remote: Remote) -> None:
    remote.pass_seconds(6)
    assert not remote.is_fresh()
    assert await remote.poll()
    assert remote.is_fresh()


# what is signed


def resigned(page: bytes, *, key: jwt.Key, typ: str = TYPE, **changed: Any) -> bytes:
    payload = json.loads(decode(page.decode().split(".")[1])) | changed
    assert key.sign is not None
    signing_input = f"{key.header(typ)}.{encode(json.dumps(payload).encode())}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}".encode()


async def test_j11_a_token_of_another_kind_is_no_page(remote: Remote) -> None:
    for typ in ("at+jwt", "JWT", "feed", "xfeed+jwt", "feed+jwt;x=y"):
        page = resigned(await kept_page(remote), key=remote.issuer.key, typ=typ)
        remote.issuer.instead = for_pages(ok(page))
        remote.pass_seconds(10)
        assert not await remote.poll()
        assert not remote.is_fresh()


async def test_j1_j2_a_page_that_anybody_could_have_written_is_refused(remote: Remote) -> None:
    good = await kept_page(remote)
    _, payload, _ = good.decode().split(".")
    secret = jwt.Key.from_secret(b"x" * 32, "HS256", kid=remote.issuer.key.kid)
    twin = jwt.Key.generate("ES256", kid=remote.issuer.key.kid)
    none = encode(json.dumps({"alg": "none", "kid": "first", "typ": TYPE}).encode())
    embedded = {"alg": "ES256", "kid": "own", "typ": TYPE, "jwk": twin.public().to_jwk()}
    for page in (
        resigned(good, key=secret),
        resigned(good, key=twin),
        f"{none}.{payload}.".encode(),
        f"{encode(json.dumps(embedded).encode())}.{payload}.AAAA".encode(),
        good[:-4] + b"AAAA",
        good + b"=",
        b" " + good,
        b"",
        b"\xff",
        b"{}",
    ):
        remote.issuer.instead = for_pages(ok(page))
        remote.pass_seconds(10)
        assert not await remote.poll()
        assert not remote.is_fresh()


async def test_j12_the_feed_of_another_issuer_is_refused(issuer: Issuer) -> None:
    async with issuer.served() as url:
        for expected in (ISSUER + "/", ISSUER[:-1], ISSUER.upper(), "https://evil.example.com"):
            verifier = Verifier.from_issuer(url, audience="orders", issuer=expected, clock=issuer.clock)
            async with verifier.lifespan():
                assert ISSUER in str(verifier.node.last_error), "the operator reads what to write"
                with pytest.raises(Stale):
                    verifier.verify("x.y.z")


async def test_f7_another_incarnation_is_loaded_whole(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    remote.issuer.feed.entries = [dead(1, "sid-9")]
    remote.issuer.feed.incarnation = "second life"
    remote.pass_seconds(0.001)
    assert await remote.poll()
    assert (remote.refuses("sid-1"), remote.refuses("sid-9")) == (None, "session")
    assert remote.node.reloads == {"first load": 1, "incarnation": 1}
    assert "following again from a full load" in caplog.text


@pytest.mark.parametrize("same_life", [True, False])
async def test_i5_a_node_of_the_issuer_that_is_behind_revives_nothing(remote: Remote, *, same_life: bool) -> None:
    """Of two nodes behind one address, one has not polled since the other did."""
    if not same_life:
        remote.issuer.feed.incarnation = "first life, restored"
        remote.pass_seconds(0.001)
    behind = Issuer(remote.issuer.clock)
    behind.key, behind.published_keys = remote.issuer.key, remote.issuer.published_keys
    await behind.revoke(dead(1))
    remote.pass_seconds(0.001)
    await remote.issuer.revoke(dead(2))
    assert await remote.poll()
    assert remote.refuses("sid-2") == "session"

    async def other(asked: Asked) -> bytes:
        return ok(await behind.body(asked.path))

    remote.issuer.instead = other
    remote.pass_seconds(1)
    assert not await remote.poll()
    assert "knows less" in str(remote.node.last_error)
    assert remote.refuses("sid-2") == "session"
    assert remote.is_fresh()
    remote.issuer.instead = None
    remote.pass_seconds(1)
    assert await remote.poll(), "the one that knows more goes on"


async def test_f9_who_is_too_far_behind_loads_a_snapshot(remote: Remote) -> None:
    for start in range(2, 5000, 1000):
        await remote.issuer.revoke(*map(dead, range(start, start + 1000)))
    assert await remote.poll()
    assert remote.refuses("sid-5001") == "session"
    assert remote.node.reloads == {"first load": 1, "forgotten": 1}


async def test_f14_an_entry_that_a_page_should_have_had_is_noticed(remote: Remote) -> None:
    await remote.issuer.revoke(dead(2))
    page = await kept_page(remote)
    bent = resigned(page, key=remote.issuer.key, entries=[[2, "another id", "session", "sid-x", 0, 2**40]])

    async def answer(asked: Asked) -> bytes:
        return ok(bent) if "after" in asked.path else b""

    remote.issuer.instead = answer
    assert await remote.poll()
    assert remote.node.reloads == {"first load": 1, "digest": 1}
    assert remote.refuses("sid-2") == "session"


async def test_f3_a_page_that_begins_earlier_than_asked_is_taken_from_where_this_node_is(remote: Remote) -> None:
    """As a relay or a cache has it, which was asked by somebody else."""
    await remote.issuer.revoke(dead(2))
    await remote.poll()
    await remote.issuer.revoke(dead(3))
    remote.issuer.instead = for_pages(ok(await remote.issuer.publisher.page(0, 0)))
    assert await remote.poll()
    assert remote.node.reloads == {"first load": 1}
    assert remote.refuses("sid-3") == "session"


# segments


@pytest.mark.parametrize("bend", [lambda data: data[:-1] + b" ]", lambda _: b"[]", lambda _: b""])
async def test_a_segment_that_is_not_the_one_that_was_signed_is_refused(
    issuer: Issuer, bend: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 2)
    await issuer.revoke(*map(dead, range(2, 8)))

    async def answer(asked: Asked) -> bytes:
        return ok(bend(await issuer.body(asked.path))) if "/segments/" in asked.path else b""

    async with issuer.served() as url:
        remote = Remote(issuer, url)
        issuer.instead = answer
        assert not await remote.poll()
        assert not remote.is_fresh()
        issuer.instead = None
        remote.pass_seconds(10)
        assert await remote.poll()
        assert remote.refuses("sid-1") == "session"
        remote.source.close()


async def test_a_segment_that_is_gone_lets_the_load_begin_again(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 2)
    await issuer.revoke(*map(dead, range(2, 8)))
    gone = [True]

    async def answer(asked: Asked) -> bytes:
        return ok(b"", status="404 Not Found") if "/segments/" in asked.path and gone and gone.pop() else b""

    async with issuer.served() as url:
        remote = Remote(issuer, url)
        issuer.instead = answer
        assert not await remote.poll()
        assert await remote.poll()
        remote.source.close()


# keys


async def test_k1_a_key_that_is_published_is_known_before_it_signs(remote: Remote) -> None:
    second = jwt.Key.generate("ES256", kid="second")
    remote.issuer.published_keys.append(second)
    remote.pass_seconds(2)
    await remote.poll()
    assert {key.kid for key in remote.node.trusted.keys} == {"first", "second"}
    remote.issuer.key = second
    asked = len(remote.issuer.asked)
    assert await remote.poll()
    assert not any("jwks" in path for path in remote.issuer.asked[asked:])


async def test_k2_a_key_that_signs_at_once_is_fetched_when_it_is_met(remote: Remote) -> None:
    remote.issuer.key = jwt.Key.generate("ES256", kid="sudden")
    remote.issuer.published_keys = [remote.issuer.key]
    remote.pass_seconds(2)
    assert await remote.poll()
    assert [key.kid for key in remote.node.trusted.keys] == ["sudden"]


async def test_k2_a_stolen_key_signs_no_feed_once_the_feed_has_revoked_it(remote: Remote) -> None:
    stolen = remote.issuer.key
    remote.issuer.key = jwt.Key.generate("ES256", kid="second")
    remote.issuer.published_keys.append(remote.issuer.key)
    remote.pass_seconds(2)
    await remote.poll()
    await remote.issuer.revoke(dead(2, stolen.kid, kind="key"))
    assert await remote.poll()
    forged = resigned(await kept_page(remote), key=stolen, head=2, after=2, entries=[])
    remote.issuer.instead = for_pages(ok(forged))
    remote.pass_seconds(10)
    assert not await remote.poll(), "its key is still in the JWK Set that this node holds"


async def test_k2_a_stolen_key_signs_no_feed_once_it_is_withdrawn(remote: Remote) -> None:
    """The thief, who stands in between, says nothing of its revocation."""
    stolen = remote.issuer.key
    remote.issuer.key = jwt.Key.generate("ES256", kid="second")
    remote.issuer.published_keys = [remote.issuer.key]
    old = await kept_page(remote)

    async def forge(asked: Asked) -> bytes:
        now_ms = remote.issuer.clock.now_ms()
        return ok(resigned(old, key=stolen, time_ms=now_ms)) if "/feed" in asked.path else b""

    remote.issuer.instead = forge
    remote.pass_seconds(http_source.KEYS_SECONDS - 2)
    assert await remote.poll()
    remote.pass_seconds(2)
    assert not await remote.poll()


async def test_k4_no_kid_makes_a_node_ask_for_keys_more_than_once_in_a_while(remote: Remote) -> None:
    remote.issuer.instead = for_pages(
        ok(resigned(await kept_page(remote), key=jwt.Key.generate("ES256", kid="unheard of")))
    )
    asked = len(remote.issuer.asked)
    for _ in range(20):
        remote.clock.pass_seconds(0.01)
        await remote.follower.poll()
    assert sum("jwks" in path for path in remote.issuer.asked[asked:]) <= 1


@pytest.mark.parametrize("said", [ok(b"", status="500 x"), ok(b"{}"), ok(b"<html>"), ok(b'{"keys":[]}'), None])
async def test_k5_keys_that_cannot_be_fetched_leave_the_last_good_ones(remote: Remote, said: bytes | None) -> None:
    remote.issuer.published_keys.append(jwt.Key.generate("ES256", kid="second"))

    async def answer(asked: Asked) -> bytes | None:
        return said if "jwks" in asked.path else b""

    remote.issuer.instead = answer
    for _ in range(3):
        remote.pass_seconds(http_source.KEYS_SECONDS + 1)
        assert await remote.poll(), "the feed is good"
        assert [key.kid for key in remote.node.trusted.keys] == ["first"]
    remote.issuer.instead = None
    remote.pass_seconds(10)
    assert await remote.poll()
    assert {key.kid for key in remote.node.trusted.keys} == {"first", "second"}


async def test_k5_keys_that_were_never_renewed_have_an_end(remote: Remote) -> None:
    async def answer(asked: Asked) -> bytes | None:
        return ok(b"", status="500 x") if "jwks" in asked.path else b""

    remote.issuer.instead = answer
    remote.pass_seconds(86_401)
    assert not await remote.poll()
    assert not remote.is_fresh()


async def test_k5_an_older_key_set_of_a_cache_is_not_taken_for_the_new_one(remote: Remote) -> None:
    old = remote.issuer.key_set()
    remote.issuer.published_keys.append(jwt.Key.generate("ES256", kid="second"))

    async def answer(asked: Asked) -> bytes | None:
        return ok(old) if "jwks" in asked.path else b""

    remote.issuer.instead = answer
    await remote.poll()
    remote.issuer.instead = None
    remote.pass_seconds(3)
    await remote.poll()
    assert {key.kid for key in remote.node.trusted.keys} == {"first", "second"}, "it was asked for again"


async def test_k3_a_secret_in_the_key_set_verifies_nothing(issuer: Issuer) -> None:
    secret = jwt.Key.from_secret(b"k" * 32, "HS256", kid="s")
    published = {"keys": [*json.loads(issuer.key_set())["keys"], {"kty": "oct", "k": encode(b"k" * 32), "kid": "s"}]}

    async def answer(asked: Asked) -> bytes:
        return ok(json.dumps(published).encode()) if "jwks" in asked.path else b""

    issuer.instead = answer
    async with issuer.served() as url:
        remote = Remote(issuer, url)
        assert await remote.poll()
        remote.issuer.instead = for_pages(ok(resigned(await kept_page(remote), key=secret)))
        remote.pass_seconds(10)
        assert not await remote.poll()
        remote.source.close()


# the wire


async def test_f5_a_poll_that_hangs_is_given_up_before_the_bound(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[float] = []
    get = remote.source._feed.get

    async def noted(path: str, *, seconds: float, max_bytes: int) -> Any:
        asked_for.append(seconds)
        return await get(path, seconds=seconds, max_bytes=max_bytes)

    monkeypatch.setattr(remote.source._feed, "get", noted)
    for _ in range(3):
        await remote.poll()
    assert all(seconds <= 5 / 2 for seconds in asked_for)
    # one poll that waits in vain, its deadline, and another: together they fit into the bound
    assert asked_for[-1] + 5 / 4 < 5


@pytest.mark.parametrize(
    "said",
    [
        ok(b"x" * (4 << 20) + b"x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        ok(gzip.compress(b"\0" * 50_000_000), "Content-Encoding: gzip"),
        ok(b"", "Location: http://127.0.0.1:9/auth/feed", status="302 Found"),
        ok(b"", "Location: /auth/feed?after=0", status="307 Temporary Redirect"),
        None,
    ],
    ids=["giant", "announced", "bomb", "redirect", "redirect here", "cut"],
)
async def test_a_giant_a_bomb_a_redirect_and_a_cut_are_no_answer(remote: Remote, said: bytes | None) -> None:
    remote.issuer.instead = for_pages(said)
    remote.pass_seconds(1)
    assert not await remote.poll()
    assert remote.node.lag == pytest.approx(1)
    remote.issuer.instead = None
    remote.pass_seconds(1)
    assert await remote.poll()


async def test_an_issuer_that_asks_for_time_gets_it(remote: Remote) -> None:
    remote.issuer.instead = for_pages(ok(b"", "Retry-After: 3", status="503 Service Unavailable"))
    await remote.poll()
    asked = len(remote.issuer.asked)
    remote.issuer.instead = None
    for _ in range(14):
        remote.pass_seconds(0.1)
        await remote.poll()
    assert len(remote.issuer.asked) == asked, "not before half of it"
    remote.pass_seconds(1.7)
    assert await remote.poll()


@pytest.mark.parametrize("value", ["99999999999", "-1", "soon", "", "1e9"])
async def test_no_retry_after_stops_a_node_for_good(remote: Remote, value: str) -> None:
    remote.issuer.instead = for_pages(ok(b"", f"Retry-After: {value}", status="503 Service Unavailable"))
    await remote.poll()
    remote.issuer.instead = None
    remote.pass_seconds(http_source.MAX_RETRY_AFTER + 1)
    assert await remote.poll()


async def test_verifiers_that_lost_their_issuer_do_not_come_back_in_step(issuer: Issuer) -> None:
    """D2: a thousand of them would bring it down again."""
    until = set()
    for _ in range(20):
        source = HttpSource("http://127.0.0.1:9/auth", issuer=ISSUER, clock=issuer.clock, max_staleness=5)
        for _ in range(4):
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever: nobody is there
                await source.load(None)
        until.add(source._silent_until)
        assert source._silent_until - issuer.clock.steady() <= http_source.MAX_PAUSE_SECONDS
    assert len(until) > 15


async def test_a_server_that_does_not_wait_is_not_asked_without_a_pause(remote: Remote) -> None:
    await remote.poll()  # quick, since the load may have taken a while
    await asyncio.wait_for(remote.source.wait_for_change(), 5)
    await remote.poll()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(remote.source.wait_for_change(), 0.01)
    await remote.issuer.revoke(dead(2))
    await remote.poll()
    await asyncio.wait_for(remote.source.wait_for_change(), 5)


async def test_the_token_of_the_feed_is_sent_to_the_feed_and_to_nobody_else(issuer: Issuer) -> None:
    sent: dict[str, str | None] = {}

    async def answer(asked: Asked) -> bytes:
        sent[asked.path.partition("?")[0]] = asked.fields.get("authorization")
        return b""

    issuer.instead = answer
    async with issuer.served() as url:
        remote = Remote(issuer, url, feed_token="secret-of-the-feed")
        await remote.poll()
        remote.source.close()
    assert sent == {"/auth/feed": "bearer secret-of-the-feed", "/auth/.well-known/jwks.json": None}


async def test_a_relay_gives_the_feed_and_never_the_keys(issuer: Issuer) -> None:
    seen: list[str] = []

    async def relay(asked: Asked) -> bytes:
        seen.append(asked.path.partition("?")[0])
        return ok(await issuer.body(asked.path))

    async with issuer.served() as url, http_server(relay) as relay_url:
        remote = Remote(issuer, url, feed_url=f"{relay_url}/auth")
        assert await remote.poll()
        assert await remote.poll()
        remote.source.close()
    assert set(seen) == {"/auth/feed"}
    assert set(issuer.asked) == {"/auth/.well-known/jwks.json"}
