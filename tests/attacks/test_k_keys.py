"""K1 to K7: keys in the life of a cluster, two nodes over one file and a service that holds an old key set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealring import Sealring, jwt
from sealring.errors import ConfigurationError, TokenError, UnknownKey
from sealring.issuer.session_tokens import Issued
from sealring.store.memory import MemoryStore
from sealring.store.sqlite import SqliteStore
from sealring.wiring import JWKS_MAX_AGE_SECONDS
from tests.clocks import FrozenClock
from tests.serving import SECRET, cheap_sealring

pytestmark = pytest.mark.anyio

STALENESS = 60
OTHER_SECRET = "9d3f51c07a8e4b62" * 4


@asynccontextmanager
async def nodes(path: Path, clock: FrozenClock, number: int = 2) -> AsyncIterator[list[Sealring]]:
    """So many nodes of one issuer over one SQLite file. Their own polling is asleep: the tests poll."""
    opened = [
        cheap_sealring(SqliteStore(path, clock.now_ms), clock, poll_interval=59, max_staleness=STALENESS)
        for _ in range(number)
    ]
    await asyncio.gather(*(node.open() for node in opened))
    try:
        yield opened
    finally:
        for node in opened:
            await node.close()


async def test_k1_i12_a_rotation_under_load_refuses_no_token(tmp_path: Path) -> None:
    clock = FrozenClock()
    async with nodes(tmp_path / "sealring.db", clock) as (one, two):
        remote = jwt.KeySet.from_jwks(one.issuer.keys.jwks())
        fetched_at = clock.now_ms()
        sessions = [await node.start_session("42") for node in (one, two)]
        kids: set[str] = set()
        for step in range(200):
            clock.pass_seconds(4)
            if step % 10 == 0:  # an impatient operator: each time as soon as it can be
                await two.issuer.keys.rotate()
            # each node hears of it as late as it may, the remote service at its last moment too
            if step % 14 in {0, 7}:
                assert await (one, two)[step % 2].follower.poll()
            if clock.now_ms() - fetched_at >= JWKS_MAX_AGE_SECONDS * 1000:
                remote = jwt.KeySet.from_jwks(one.issuer.keys.jwks())
                fetched_at = clock.now_ms()
            for number, node in enumerate((one, two)):
                sessions[number] = issued = await node.refresh_session(sessions[number].refresh_token)
                kids.add(str(jwt.peek(issued.access_token.text).header["kid"]))
                for reader in (one, two):
                    for each in sessions:
                        assert reader.verify(each.access_token.text).subject == "42"
                jwt.verify(issued.access_token.text, remote, audience=jwt.ANY, typ="at+jwt", now=clock.now_ms() // 1000)
        assert len(kids) == 3, "two rotations did take place"


async def test_k1_i12_servers_set_to_two_algorithms_fight_over_no_key(tmp_path: Path) -> None:
    clock = FrozenClock()
    path = tmp_path / "sealring.db"
    async with nodes(path, clock, 1) as (one,):
        first = one.issuer.keys.listing()
        other = cheap_sealring(
            SqliteStore(path, clock.now_ms), clock, algorithm="Ed25519", poll_interval=59, max_staleness=STALENESS
        )
        await other.open()
        try:
            algorithms = [(key["alg"], key["state"]) for key in other.issuer.keys.listing()]
            assert algorithms == [("ES256", "signing"), ("Ed25519", "published")]
            version = other.issuer.keys.version
            for _ in range(100):
                for node in (one, other):
                    assert await node.follower.poll()
                    await node.issuer.keys.load()  # what housekeeping does
            assert other.issuer.keys.version == one.issuer.keys.version == version
            before = await one.start_session("42")
            clock.pass_seconds(400)
            for node in (one, other):
                assert await node.follower.poll()
            after = await one.start_session("42")
            assert jwt.peek(before.access_token.text).header["kid"] == first[0]["kid"]
            assert jwt.peek(after.access_token.text).header["alg"] == "Ed25519"
            for node in (one, other):
                for each in (before, after):
                    assert node.verify(each.access_token.text).subject == "42"
        finally:
            await other.close()


async def test_k2_a_revoked_key_is_refused_here_at_once_and_there_after_a_poll(tmp_path: Path) -> None:
    clock = FrozenClock()
    async with nodes(tmp_path / "sealring.db", clock) as (one, two):
        issued = await one.start_session("42")
        bad = str(jwt.peek(issued.access_token.text).header["kid"])
        await one.issuer.revoke_key(bad)
        with pytest.raises(UnknownKey):
            one.verify(issued.access_token.text)
        assert one.node.revocations.cause("any", "any", 0, bad) == "key", "twice dead: it left the set, too"
        assert await two.follower.poll()
        with pytest.raises(TokenError):
            two.verify(issued.access_token.text)
        renewed = [await node.refresh_session(issued.refresh_token) for node in (one, two)]
        for each in renewed:
            assert str(jwt.peek(each.access_token.text).header["kid"]) != bad
            for node in (one, two):
                assert node.verify(each.access_token.text).subject == "42"


async def kid_of_a_new_session(node: Sealring, *, accepted_by: Sealring) -> str:
    issued = await node.start_session("42")
    assert accepted_by.verify(issued.access_token.text).subject == "42"
    return str(jwt.peek(issued.access_token.text).header["kid"])


async def test_k2_i12_a_node_accepts_what_it_signs_itself_however_many_keys_it_revokes_between_polls(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path / "sealring.db", FrozenClock(), 1) as (node,):
        kids = [await kid_of_a_new_session(node, accepted_by=node)]
        for _ in range(3):
            await node.issuer.revoke_key(kids[-1])
            kids.append(await kid_of_a_new_session(node, accepted_by=node))
        await node.issuer.reset_after_restore()
        kids.append(await kid_of_a_new_session(node, accepted_by=node))
        assert len(set(kids)) == 5


async def test_k2_i12_a_node_whose_housekeeping_finds_other_keys_first_accepts_what_it_signs(tmp_path: Path) -> None:
    async with nodes(tmp_path / "sealring.db", FrozenClock()) as (one, two):
        for _ in range(2):
            await one.issuer.revoke_key(await kid_of_a_new_session(one, accepted_by=one))
        await two.issuer.keys.load()  # what housekeeping does; two has not polled
        await kid_of_a_new_session(two, accepted_by=two)


async def test_k2_tokens_of_other_keys_live_on(tmp_path: Path) -> None:
    clock = FrozenClock()
    async with nodes(tmp_path / "sealring.db", clock, 1) as (node,):
        old = await node.start_session("42")
        await node.issuer.keys.rotate()
        clock.pass_seconds(400)
        await node.follower.poll()
        new = await node.start_session("42")
        await node.issuer.revoke_key(str(jwt.peek(new.access_token.text).header["kid"]))
        assert node.verify(old.access_token.text).subject == "42"
        with pytest.raises(UnknownKey):
            node.verify(new.access_token.text)


async def test_k2_a_revoked_key_stays_revoked_through_restarts_and_forgetting(tmp_path: Path) -> None:
    clock = FrozenClock()
    async with nodes(tmp_path / "sealring.db", clock, 1) as (node,):
        issued = await node.start_session("42")
        await node.issuer.revoke_key(str(jwt.peek(issued.access_token.text).header["kid"]))
    for seconds in (0, 1799, 10, 90 * 86_400):
        clock.pass_seconds(seconds)
        async with nodes(tmp_path / "sealring.db", clock, 1) as (node,):
            await node.store.purge(now=clock.now_ms() // 1000, audit_seconds=1000)
            with pytest.raises(TokenError):
                node.verify(issued.access_token.text)


async def test_k6_two_nodes_that_start_at_once_accept_each_others_tokens(tmp_path: Path) -> None:
    for number in range(5):
        async with nodes(tmp_path / f"{number}.db", FrozenClock()) as (one, two):
            issued: tuple[Issued, ...] = await asyncio.gather(one.start_session("a"), two.start_session("b"))
            assert len({jwt.peek(each.access_token.text).header["kid"] for each in issued}) == 1
            for each in issued:
                assert one.verify(each.access_token.text) == two.verify(each.access_token.text)


async def test_k4_an_unknown_kid_asks_neither_store_nor_network() -> None:
    clock = FrozenClock()
    store = MemoryStore(clock.now_ms)
    node = cheap_sealring(store, clock, poll_interval=500, max_staleness=1000)
    await node.open()
    try:
        version = node.issuer.keys.version
        key = jwt.Key.generate("ES256")
        for kid in ("unknown", "../../dev/null", "' OR 1=1--", "\x00", "x" * 500):
            token = jwt.sign({"sub": "42"}, key, typ="at+jwt", expires_in=60, header={"kid": kid})
            with pytest.raises(TokenError):  # `verify` is no coroutine: it could not ask anybody
                node.verify(token)
        assert node.issuer.keys.version == version
    finally:
        await node.close()


async def test_k7_a_node_without_the_secret_that_sealed_the_keys_refuses_to_start(tmp_path: Path) -> None:
    clock = FrozenClock()
    path = tmp_path / "sealring.db"
    async with nodes(path, clock, 1):
        pass
    stranger = cheap_sealring(SqliteStore(path, clock.now_ms), clock, secret=OTHER_SECRET)
    with pytest.raises(ConfigurationError, match="cannot be opened with the secrets") as caught:
        await stranger.open()
    assert "comma" in str(caught.value.hint)
    await stranger.store.close()
    both = cheap_sealring(SqliteStore(path, clock.now_ms), clock, secret=f"{OTHER_SECRET},{SECRET}")
    await both.open()
    assert await both.issuer.keys.reencrypt() == 2
    await both.close()
    alone = cheap_sealring(SqliteStore(path, clock.now_ms), clock, secret=OTHER_SECRET)
    await alone.open()
    await alone.close()


async def test_r13_tokens_of_the_old_secret_live_until_it_is_removed(tmp_path: Path) -> None:
    clock = FrozenClock()
    path = tmp_path / "sealring.db"
    async with nodes(path, clock, 1) as (node,):
        issued = await node.start_session("42")
        csrf = node.delivery.csrf_tokens.token(issued.session.id)
    both = cheap_sealring(SqliteStore(path, clock.now_ms), clock, secret=f"{OTHER_SECRET},{SECRET}")
    await both.open()
    assert both.delivery.csrf_tokens.matches(csrf, issued.session.id)
    assert both.verify(issued.access_token.text).subject == "42"
    renewed = await both.refresh_session(issued.refresh_token)
    await both.issuer.keys.reencrypt()
    await both.close()
    alone = cheap_sealring(SqliteStore(path, clock.now_ms), clock, secret=OTHER_SECRET)
    await alone.open()
    try:
        assert not alone.delivery.csrf_tokens.matches(csrf, issued.session.id)
        with pytest.raises(Exception, match="not a refresh token"):
            await alone.refresh_session(issued.refresh_token)
        assert (await alone.refresh_session(renewed.refresh_token)).session.subject == "42"
        assert alone.verify(issued.access_token.text).subject == "42", "its signing key was encrypted again, not lost"
    finally:
        await alone.close()
