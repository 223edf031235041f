"""The ring of signing keys in the store: made, encrypted, published, rotated, revoked, encrypted anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import ConfigurationError, NotFound, StoreUnavailable
from sealring.issuer.keys import SigningKeys
from sealring.issuer.store_source import StoreSource
from sealring.signing_keys.encryption import KeyEncryption
from sealring.signing_keys.key import KeyRing
from sealring.signing_keys.lifecycle import KeyPolicy
from sealring.store.memory import MemoryStore
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.records import Committed
from sealring.store.sqlite import SqliteStore
from sealring.testing.store_contract.samples import an_event
from sealring.verifier.follower import Follower
from tests.clocks import START, FrozenClock, on_clock
from tests.nodes import a_node, committing

pytestmark = pytest.mark.anyio

OLD, NEW = b"o" * 32, b"n" * 32
DAY, LEAD, HEARD, TOKEN = 86_400, 310, 10, 1805


def ring(
    store: Store, clock: FrozenClock, *, algorithm: str = "ES256", secrets: tuple[bytes, ...] = (OLD,)
) -> SigningKeys:
    policy = KeyPolicy(algorithm=algorithm, rotation_seconds=30 * DAY, lead_seconds=LEAD, heard_seconds=HEARD)
    node = a_node(clock)
    return SigningKeys(committing(store, node), KeyEncryption(secrets), policy, node=node, leeway_seconds=5)


def states(keys: SigningKeys) -> list[str]:
    return [one["state"] for one in keys.listing()]


async def test_a_new_store_gets_a_key_that_signs_and_one_that_stands_by(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    assert states(keys) == ["signing", "published"]
    assert [one["signs_from"] - START for one in keys.listing()] == [0, 30 * DAY]
    token = jwt.sign({"sub": "42"}, keys.signing(), expires_in=60, now=START)
    assert jwt.verify(token, keys.verifying(), now=START).claims["sub"] == "42"


async def test_before_the_first_load_nothing_can_sign() -> None:
    with pytest.raises(StoreUnavailable):
        ring(MemoryStore(), FrozenClock()).signing()


async def test_loading_again_writes_nothing(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    version = keys.version
    await keys.load()
    assert keys.version == version


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "Ed25519", "EdDSA", "RS256", "HS256", "HS512"])
async def test_every_algorithm_signs_verifies_and_publishes_no_secret(algorithm: str, clock: FrozenClock) -> None:
    keys = ring(MemoryStore(clock.now_ms), clock, algorithm=algorithm)
    await keys.load()
    token = jwt.sign({"sub": "42"}, keys.signing(), expires_in=60, now=START)
    assert jwt.verify(token, keys.verifying(), now=START).header["alg"] == algorithm
    published = keys.jwks()["keys"]
    assert len(published) == (0 if algorithm.startswith("HS") else 2)
    for key in published:
        assert not key.keys() & {"d", "k", "p", "q", "dp", "dq", "qi", "oth"}
    if published:
        assert jwt.verify(token, jwt.KeySet.from_jwks(keys.jwks()), now=START).claims["sub"] == "42"


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_i15_at_rest_lies_nothing_that_signs(tmp_path: Path, clock: FrozenClock) -> None:
    store = SqliteStore(tmp_path / "sealring.db", clock.now_ms)
    await store.open()
    keys = ring(store, clock)
    await keys.load()
    private = keys.signing().to_jwk(private=True)["d"]
    await store.close()
    dump = everything_in(tmp_path)
    assert keys.signing().kid.encode() in dump
    assert private.encode() not in dump
    assert b'"d"' not in dump


async def test_a_rotation_is_due_when_every_verifier_knows_the_standby(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    first = keys.signing().kid
    coming = await keys.rotate()
    assert coming.signs_from == START + LEAD
    assert keys.signing().kid == first
    clock.pass_seconds(LEAD - 1)
    assert keys.signing().kid == first
    clock.pass_seconds(1)
    assert keys.signing().kid == coming.kid
    await keys.load()
    assert states(keys) == ["retired", "signing", "published"]
    clock.pass_seconds(TOKEN)
    await keys.load()
    assert first not in {one["kid"] for one in keys.listing()}


async def test_the_audit_log_says_what_changed_of_the_ring(clock: FrozenClock) -> None:
    store = MemoryStore(clock.now_ms)
    keys = ring(store, clock)
    said: list[list[str]] = []

    async def happened() -> None:
        said.append([event.cause for event in (await store.read_events())[sum(map(len, said)) :]])

    await keys.load()
    await happened()
    await keys.rotate()
    await happened()
    clock.pass_seconds(LEAD)
    await keys.load()
    await happened()
    until = clock.now_ms() // 1000 + 60
    await store.declare_access_ttl(7200, now=until - 60, signs_until=until)
    await keys.load()  # tokens may live longer, so the retired key must verify longer
    await happened()
    clock.pass_seconds(7200 + TOKEN)
    await keys.load()
    await happened()
    clock.pass_seconds(30 * DAY)
    other = ring(store, clock, algorithm="Ed25519")
    await other.load()
    await happened()
    await other.start()
    await happened()
    assert said == [
        ["first key", "standby"],
        ["rotation asked for"],
        ["standby"],
        ["ends of keys moved"],
        ["retired keys dropped"],
        ["standby"],
        ["standby brought forward"],
    ]


async def test_rotating_twice_does_not_hurry_the_next(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    first, again = await keys.rotate(), await keys.rotate()
    assert first == again


async def test_rotation_comes_by_itself(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    seen = set()
    for _ in range(10):
        await keys.load()
        seen.add(keys.signing().kid)
        clock.pass_seconds(15 * DAY)
    assert len(seen) == 5


async def test_k2_the_standby_signs_when_the_signing_key_is_revoked(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    bad, standby = (one["kid"] for one in keys.listing())
    await keys.revoke(bad)
    assert [(entry.kind, entry.target) for entry in (await store.load_feed(None)).entries] == [("key", bad)]
    assert keys.signing().kid == standby
    assert bad not in {key["kid"] for key in keys.jwks()["keys"]}
    assert sorted(states(keys)) == ["published", "revoked", "signing"]
    with pytest.raises(NotFound):
        await keys.revoke(bad)
    with pytest.raises(NotFound):
        await keys.revoke("no such")


async def test_all_keys_can_be_revoked_one_after_the_other(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    for _ in range(3):
        for one in keys.listing():
            if one["state"] in {"signing", "published"}:
                await keys.revoke(one["kid"])
    assert states(keys).count("signing") == 1


async def test_another_algorithm_takes_over_without_refusing_a_token(store: Store, clock: FrozenClock) -> None:
    before = ring(store, clock)
    await before.load()
    after = ring(store, clock, algorithm="Ed25519")
    await after.start()
    assert after.signing().alg == "ES256"
    clock.pass_seconds(LEAD)
    assert after.signing().alg == "Ed25519"
    token = jwt.sign({"sub": "42"}, after.signing(), expires_in=60, now=START)
    await before.load()
    assert jwt.verify(token, before.verifying(), now=START).claims["sub"] == "42"


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def shared_store(request: pytest.FixtureRequest, clock: FrozenClock) -> AsyncIterator[Store]:
    """A store that several nodes share, on the frozen clock."""
    opened: Store = MemoryStore(clock.now_ms)
    if request.param == "postgres":
        opened = on_clock(PostgresStore(request.getfixturevalue("postgres_dsn")), clock.now_ms)
    await opened.open()
    yield opened
    await opened.close()


async def test_i12_nodes_of_two_algorithms_share_a_ring_that_comes_to_rest(
    shared_store: Store, clock: FrozenClock
) -> None:
    nodes = [ring(shared_store, clock, algorithm=algorithm) for algorithm in ("ES256", "Ed25519")]
    await asyncio.gather(*(node.start() for node in nodes))
    signed: set[str] = set()
    announced: set[str] = set()
    for _ in range(40):
        for _ in range(3):
            await asyncio.gather(*(node.load() for node in nodes))
        version = nodes[0].version
        for _ in range(10):
            await asyncio.gather(*(node.load() for node in nodes))
        assert {node.version for node in nodes} == {version}, "at rest"
        ahead = {one["kid"] for one in nodes[0].listing() if one["state"] == "published"}
        assert len(ahead) == 1
        for node in nodes:
            token = jwt.sign({"sub": "42"}, node.signing(), expires_in=1800, now=clock.now_ms() // 1000)
            signed.add(node.signing().kid)
            for reader in nodes:
                jwt.verify(token, reader.verifying(), now=clock.now_ms() // 1000)
        assert announced <= signed | ahead, "every standby lives to sign"
        announced |= ahead
        clock.pass_seconds(5 * DAY)
    assert len(signed) == 8, "rotation goes on"


async def test_i12_a_rolling_change_of_algorithm_settles_and_refuses_nothing(
    shared_store: Store, clock: FrozenClock
) -> None:
    await shared_store.declare_access_ttl(TOKEN - 5, now=START, signs_until=START + DAY)
    nodes = [ring(shared_store, clock) for _ in range(3)]
    for node in nodes:
        await node.start()
    tokens = []
    signed = set()
    for step in range(30):
        if step in {3, 8, 13}:  # one node after the other is restarted with the other algorithm, ten minutes apart
            number = (3, 8, 13).index(step)
            nodes[number] = ring(shared_store, clock, algorithm="Ed25519")
            await nodes[number].start()
        for node in (*nodes, *reversed(nodes)):
            await node.load()
        for node in nodes:
            signed.add(node.signing().alg)
            tokens.append((jwt.sign({}, node.signing(), expires_in=1800, now=clock.now_ms() // 1000), step))
        for token, since in tokens:
            if step - since < 15:
                for node in nodes:
                    jwt.verify(token, node.verifying(), now=clock.now_ms() // 1000)
        clock.pass_seconds(120)
    assert signed == {"ES256", "Ed25519"}
    assert {(one["alg"], one["state"]) for one in nodes[0].listing()} >= {
        ("Ed25519", "signing"),
        ("Ed25519", "published"),
    }
    version = nodes[0].version
    for node in nodes:
        await ring(shared_store, clock, algorithm="Ed25519").start()
        await node.load()
    assert nodes[0].version == version


async def test_nodes_of_two_algorithms_that_make_the_first_key_at_once_agree(tmp_path: Path) -> None:
    for round_number in range(10):
        clock = FrozenClock()
        stores = [SqliteStore(tmp_path / f"{round_number}.db", clock.now_ms) for _ in range(2)]
        await asyncio.gather(*(store.open() for store in stores))
        algorithms = ("ES256", "Ed25519") if round_number % 2 else ("Ed25519", "ES256")
        nodes = [ring(store, clock, algorithm=each) for store, each in zip(stores, algorithms, strict=True)]
        await asyncio.gather(*(node.start() for node in nodes))
        await asyncio.gather(*(node.load() for node in nodes))
        assert nodes[0].listing() == nodes[1].listing()
        assert states(nodes[0]) == ["signing", "published"]
        await asyncio.gather(*(store.close() for store in stores))


class SlowToAnswer(MemoryStore):
    """A store whose answer to a write comes after somebody else's turn."""

    async def write_keys(self, *asked: Any, **named: Any) -> Committed[bool]:
        written = await super().write_keys(*asked, **named)
        await asyncio.sleep(0)
        return written


async def test_nodes_of_two_algorithms_that_start_in_step_have_their_say_once(clock: FrozenClock) -> None:
    store = SlowToAnswer(clock.now_ms)
    nodes = [ring(store, clock, algorithm=algorithm) for algorithm in ("ES256", "Ed25519")]
    await asyncio.gather(*(node.start() for node in nodes))
    assert (await store.read_keys()).version <= 3


async def test_who_only_reads_makes_no_key(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.read()
    assert (keys.listing(), await keys.reencrypt(), (await store.read_keys()).keys) == ([], 0, ())


async def test_rotating_from_a_shell_of_another_algorithm_takes_the_standby_that_is_there(
    store: Store, clock: FrozenClock
) -> None:
    node = ring(store, clock)
    await node.start()
    standby = node.listing()[1]["kid"]
    assert (await ring(store, clock, algorithm="RS256").rotate()).kid == standby


async def test_r13_a_second_secret_reads_and_resealing_moves_to_the_first(store: Store, clock: FrozenClock) -> None:
    old = ring(store, clock)
    await old.load()
    without = ring(store, clock, secrets=(NEW,))
    await without.load()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        without.verifying()
    both = ring(store, clock, secrets=(NEW, OLD))
    await both.load()
    kid = both.signing().kid
    assert kid == old.signing().kid
    assert await both.reencrypt() == 2
    assert await both.reencrypt() == 0
    new = ring(store, clock, secrets=(NEW,))
    await new.load()
    assert new.signing().kid == kid
    assert new.signing().to_jwk(private=True) == old.signing().to_jwk(private=True)
    stale = ring(store, clock)
    await stale.load()
    with pytest.raises(ConfigurationError):
        stale.verifying()


async def test_k6_two_nodes_that_start_at_once_agree(tmp_path: Path, clock: FrozenClock) -> None:
    for round_number in range(20):
        path = tmp_path / f"{round_number}.db"
        stores = [SqliteStore(path, clock.now_ms) for _ in range(2)]
        await asyncio.gather(*(store.open() for store in stores))
        nodes = [ring(store, clock) for store in stores]
        await asyncio.gather(*(node.load() for node in nodes))
        await asyncio.gather(*(node.load() for node in nodes))
        assert nodes[0].listing() == nodes[1].listing()
        assert states(nodes[0]) == ["signing", "published"]
        assert nodes[0].signing().kid == nodes[1].signing().kid
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_sealed_key_under_another_kid_is_not_believed(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    found = await store.read_keys()
    first, second = found.keys
    crossed = (replace(first, encrypted=second.encrypted), replace(second, encrypted=first.encrypted))
    await store.write_keys(found.version, crossed, an_event(), now=START)
    reader = ring(store, clock)
    await reader.load()
    with pytest.raises(ConfigurationError):
        reader.verifying()


@pytest.mark.parametrize("off", [-3600, -6, 6, 3600, 60 * DAY])
async def test_t1_a_node_whose_clock_is_wrong_leaves_the_ring_as_it_is(
    store: Store, clock: FrozenClock, off: int, caplog: pytest.LogCaptureFixture
) -> None:
    await store.declare_access_ttl(TOKEN - 5, now=START, signs_until=START + DAY)
    right = ring(store, clock)
    await right.load()
    await right.rotate()
    clock.pass_seconds(LEAD + 100)
    await right.load()
    version, listing = right.version, right.listing()
    wrong_clock = FrozenClock(clock.now_ms() / 1000 + off)
    wrong = ring(store, wrong_clock)
    await wrong.load()
    for change in (wrong.rotate(), wrong.revoke(listing[0]["kid"])):
        with pytest.raises(StoreUnavailable, match=r"clock is -?\d+ ms ahead"):
            await change
    await right.load()
    assert (right.version, right.listing()) == (version, listing)
    if off > TOKEN:
        assert "the key ring is left as it is" in caplog.messages


@pytest.mark.parametrize("behind", [1, 5])
async def test_t1_a_node_a_little_behind_signs_with_the_first_key_at_once(
    store: Store, clock: FrozenClock, behind: int
) -> None:
    first = ring(store, clock)
    await first.load()
    late = ring(store, FrozenClock(START - behind))
    await late.load()
    assert late.signing().kid == first.signing().kid
    await first.revoke(first.signing().kid)
    await late.load()
    assert late.signing().kid == first.signing().kid
    assert len(first.listing()) == 3, "and makes none of its own"


async def test_the_listing_shows_nothing_secret(store: Store, clock: FrozenClock) -> None:
    keys = ring(store, clock)
    await keys.load()
    for one in keys.listing():
        assert one.keys() == {
            "kid", "alg", "state", "published_at", "signs_from", "verifies_until", "revoked_at",
        }  # fmt: skip
    assert keys.signing().to_jwk(private=True)["d"] not in json.dumps(keys.listing())


class SlowOnce(MemoryStore):
    """A store whose next answer about keys is long on its way."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock.now_ms)
        self.answering = asyncio.Event()
        self.arrives: asyncio.Event | None = None

    async def read_keys(self) -> KeyRing:
        found = await super().read_keys()
        if arrives := self.arrives:
            self.arrives = None
            self.answering.set()
            await arrives.wait()
        return found


async def test_an_answer_that_was_long_on_its_way_does_not_bring_a_revoked_key_back(clock: FrozenClock) -> None:
    store = SlowOnce(clock)
    keys = ring(store, clock)
    await keys.load()
    bad = keys.signing().kid
    arrives = store.arrives = asyncio.Event()
    reading = asyncio.create_task(keys.load())
    await store.answering.wait()
    revoking = asyncio.create_task(ring_revoked(keys, bad))
    for _ in range(10):
        await asyncio.sleep(0)
    arrives.set()
    await asyncio.gather(reading, revoking)
    assert keys.signing().kid != bad


async def ring_revoked(keys: SigningKeys, kid: str) -> None:
    await keys.revoke(kid)


async def test_f5_a_poll_writes_nothing_though_the_ring_lacks_a_key(clock: FrozenClock) -> None:
    written: list[str] = []

    class Watched(MemoryStore):
        async def write_keys(self, *asked: Any, **named: Any) -> Committed[bool]:
            written.append("keys")
            return await super().write_keys(*asked, **named)

    store = Watched(clock.now_ms)
    node = a_node(clock)
    keys = SigningKeys(
        committing(store, node),
        KeyEncryption((OLD,)),
        KeyPolicy(algorithm="ES256", rotation_seconds=30 * DAY, lead_seconds=LEAD, heard_seconds=HEARD),
        node=node,
        leeway_seconds=5,
    )
    follower = Follower(StoreSource(store, keys), node, poll_interval=1, leeway=5)
    assert await follower.poll()
    assert (written, keys.listing()) == ([], [])
    await keys.load()
    assert len(written) == 2


async def test_f6_a_key_change_is_taken_once_however_often_it_is_heard_of(store: Store, clock: FrozenClock) -> None:
    node = a_node(clock)
    policy = KeyPolicy(algorithm="ES256", rotation_seconds=30 * DAY, lead_seconds=LEAD, heard_seconds=HEARD)
    keys = SigningKeys(committing(store, node), KeyEncryption((OLD,)), policy, node=node, leeway_seconds=5)
    follower = Follower(StoreSource(store, keys), node, poll_interval=1, leeway=5)
    await keys.start()
    assert await follower.poll()
    before = node.trusted
    await keys.rotate()
    after = node.trusted
    assert after is not before
    keys.signing()
    assert await follower.poll()
    keys.signing()
    assert node.trusted is after
