"""R: refresh tokens, against `Sessions` over each store. R12 is a matter of HTTP and stands with the routes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sealring import jwt
from sealring.accounts.changes import PasswordChange, StatusChange
from sealring.authentication.client_info import ClientInfo
from sealring.errors import (
    InvalidRefreshToken,
    RefreshRefused,
    RefreshReused,
    RefreshSuperseded,
    SessionEnded,
    StoreUnavailable,
    TokenError,
)
from sealring.issuer.access_tokens import AccessTokenIssuer
from sealring.issuer.access_ttl import AccessTtl
from sealring.issuer.new_sessions import NewSessions
from sealring.issuer.session_tokens import Issued, SessionTokens
from sealring.issuer.sessions import SessionPolicy, Sessions
from sealring.jwt.base64url import decode, encode
from sealring.revocation.entry import Entry
from sealring.revocation.view import RevocationView
from sealring.sessions.csrf import CsrfTokens
from sealring.sessions.device_proof import DeviceProofs
from sealring.sessions.refresh_token import PREFIX, RefreshToken, RefreshTokenCodec
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard
from sealring.store.sqlite import SqliteStore
from sealring.testing.store_contract.samples import NOW, an_account, an_event
from sealring.verifier.node_state import NodeState
from tests.clocks import FrozenClock, on_clock
from tests.nodes import committing

pytestmark = pytest.mark.anyio

G_MS, TTL, IDLE, LONGEST, LEEWAY = 10_000, 1_800, 3_600, 36_000, 5
CLIENT = ClientInfo("192.0.2.1", "a browser")
ISSUER = "https://auth.example.com"


class DeskClock(FrozenClock):
    """The desk's time."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def now_ms(self) -> int:
        return self._desk.now_ms


class Recording(NodeState):
    """A node that notes what was put in force."""

    applied: list[Entry]

    def apply_revocations(self, entries: Sequence[Entry]) -> None:
        super().apply_revocations(entries)
        self.applied.extend(entries)


class Desk:
    """Several nodes of one issuer over one store, under one clock that stands still until it is told to move."""

    def __init__(self, store: Store, *, nodes: int = 1, keys: tuple[bytes, ...] = ()) -> None:
        self.store = store
        self.now_ms = NOW * 1000
        self.key = secrets.token_bytes(32)
        self.codec = RefreshTokenCodec(keys or (self.key,))
        self.signing_key = jwt.Key.from_secret(secrets.token_bytes(32), "HS256")
        self.in_force: list[Entry] = []
        self.store_ahead_ms = 0
        self.nodes = [self.node() for _ in range(nodes)]

    def node(self) -> Sessions:
        node = Recording(DeskClock(self), max_staleness=5)
        node.applied = self.in_force
        store = on_clock(self.store, lambda: self.now_ms + self.store_ahead_ms)
        return Sessions(
            store=committing(store, node),
            tokens=SessionTokens(
                AccessTokenIssuer(
                    issuer=ISSUER,
                    audience=ISSUER,
                    ttl=AccessTtl(store, TTL, heard_seconds=10, node=node),
                    signing_key=lambda: self.signing_key,
                ),
                self.codec,
            ),
            policy=SessionPolicy(
                idle_seconds=IDLE,
                max_seconds=LONGEST,
                retry_window_ms=G_MS,
                leeway_seconds=LEEWAY,
            ),
            clock=lambda: self.now_ms,
            devices=DeviceProofs([self.key]),
        )

    async def log_in(self, subject: str = "42", guard: LoginGuard | None = None) -> Issued:
        issued = await NewSessions(store=self.nodes[0].store, sessions=self.nodes[0]).start(
            subject, client_id="http", client=CLIENT, guard=guard
        )
        assert issued is not None
        return issued

    async def refresh(self, text: str, node: int = 0) -> Issued:
        return await self.nodes[node].refresh(text, client=CLIENT)

    async def events(self, kind: str) -> int:
        return sum(event.kind == kind for event in await self.store.read_events())

    async def assert_dead(self, session_id: str, *texts: str) -> None:
        record = await self.store.read_session(session_id)
        assert record is not None
        assert record.session.ended_at is not None
        for text in texts:
            with pytest.raises(SessionEnded):
                await self.refresh(text)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, nodes=3)


async def test_r1_fifty_at_once_get_one_successor(desk: Desk) -> None:
    text = (await desk.log_in()).refresh_token
    for _ in range(20):
        desk.now_ms += 60_000
        start = asyncio.Event()

        async def ask(number: int, text: str = text, start: asyncio.Event = start) -> str:
            await start.wait()
            return (await desk.refresh(text, number % 3)).refresh_token

        asking = [asyncio.create_task(ask(number)) for number in range(50)]
        await asyncio.sleep(0)
        start.set()
        successors = set(await asyncio.gather(*asking))
        assert len(successors) == 1
        (text,) = successors
    assert await desk.events("refresh_reused") == 0


@pytest.mark.parametrize("steps_back", [1, 2, 5])
async def test_r2_token_superseded_for_longer_than_the_window_ends_the_session(desk: Desk, steps_back: int) -> None:
    first = await desk.log_in()
    texts = [first.refresh_token]
    for _ in range(6):
        texts.append((await desk.refresh(texts[-1])).refresh_token)
    # texts[5] is confirmed, texts[6] its child
    desk.now_ms += G_MS
    with pytest.raises(RefreshReused):
        await desk.refresh(texts[5 - steps_back])
    (entry,) = desk.in_force
    assert (entry.kind, entry.target) == ("session", first.session.id)
    assert entry in (await desk.store.load_feed(None)).entries
    await desk.assert_dead(first.session.id, *texts)
    assert await desk.events("refresh_reused") == 1


async def test_r2_older_than_the_parent_is_reuse_at_any_time(desk: Desk) -> None:
    first = await desk.log_in()
    second = await desk.refresh(first.refresh_token)
    third = await desk.refresh(second.refresh_token)
    fourth = await desk.refresh(third.refresh_token)
    # third is confirmed; second is its parent, within the window
    with pytest.raises(RefreshSuperseded):
        await desk.refresh(second.refresh_token)
    assert (await desk.refresh(third.refresh_token)).refresh_token == fourth.refresh_token
    with pytest.raises(RefreshReused):
        await desk.refresh(first.refresh_token)
    await desk.assert_dead(first.session.id, fourth.refresh_token)


@pytest.mark.parametrize("first_to_go_on", ["thief", "victim"])
async def test_r3_whoever_comes_second_ends_it_for_both(desk: Desk, first_to_go_on: str) -> None:
    stolen = await desk.log_in()
    thiefs = (await desk.refresh(stolen.refresh_token)).refresh_token
    desk.now_ms += G_MS
    victims = (await desk.refresh(stolen.refresh_token)).refresh_token
    assert thiefs != victims
    one, other = (thiefs, victims) if first_to_go_on == "thief" else (victims, thiefs)
    next_one = (await desk.refresh(one)).refresh_token
    with pytest.raises(RefreshReused):
        await desk.refresh(other)
    await desk.assert_dead(stolen.session.id, one, other, next_one, stolen.refresh_token)
    view = RevocationView()
    view.add(desk.in_force)
    assert view.cause(stolen.session.id, "42", 0, "kid") == "session"


async def test_r4_lost_answer_is_given_again_and_never_logs_out(desk: Desk) -> None:
    first = await desk.log_in()
    lost = await desk.refresh(first.refresh_token)
    desk.now_ms += G_MS - 1
    again = await desk.refresh(first.refresh_token)
    assert again.refresh_token == lost.refresh_token
    desk.now_ms += (IDLE - 60) * 1000
    much_later = await desk.refresh(first.refresh_token)
    assert much_later.refresh_token != lost.refresh_token
    await desk.refresh(much_later.refresh_token)
    assert await desk.events("refresh_reused") == 0


@pytest.mark.parametrize("how", ["logout", "revoked", "disabled", "password changed"])
async def test_r5_nothing_minted_survives_an_acknowledged_end(desk: Desk, how: str) -> None:
    for round_ in range(50):
        account = an_account(f"name-{round_}")
        await desk.store.create_account(account, an_event())
        issued = await desk.log_in(account.id, LoginGuard(epoch=account.epoch))
        handed: list[str] = [issued.refresh_token]

        async def refresh(number: int, handed: list[str] = handed) -> None:
            for _ in range(3):
                try:
                    handed.append((await desk.refresh(handed[-1], number)).refresh_token)
                except RefreshRefused:
                    return

        ending = _ending(desk, how, account.id, issued.session.id)

        async def end(round_: int = round_, ending: Callable[[], Awaitable[object]] = ending) -> None:
            for _ in range(round_ % 7):
                await asyncio.sleep(0)
            await ending()

        await asyncio.gather(refresh(0), end(), refresh(1), refresh(2))
        await desk.assert_dead(issued.session.id, *set(handed))


def _ending(desk: Desk, how: str, subject: str, session_id: str) -> Callable[[], Awaitable[object]]:
    async def change(what: Any) -> object:
        return await desk.store.change_account(subject, what, an_event(), now=NOW)

    return {
        "logout": lambda: desk.nodes[0].end(session_id, cause="logout"),
        "revoked": lambda: desk.nodes[0].end_subject(subject),
        "disabled": lambda: change(StatusChange(status="disabled")),
        "password changed": lambda: change(PasswordChange(old_hash="$argon2id$one", new_hash="$argon2id$two")),
    }[how]


async def test_r6_order_is_by_generation_never_by_time(desk: Desk) -> None:
    first = await desk.log_in()
    second = await desk.refresh(first.refresh_token)
    third = await desk.refresh(second.refresh_token)
    # all in one millisecond; and then the clock goes back
    desk.now_ms -= 60_000
    fourth = await desk.refresh(third.refresh_token)
    fifth = await desk.refresh(fourth.refresh_token)
    generations = [
        desk.codec.decode(issued.refresh_token).generation for issued in (first, second, third, fourth, fifth)
    ]
    assert generations == [0, 1, 2, 3, 4]
    with pytest.raises(RefreshReused):
        await desk.refresh(second.refresh_token)


async def test_r7_restart_forgives_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sealring.db")
    await store.open()
    before = Desk(store)
    first = await before.log_in()
    second = await before.refresh(first.refresh_token)
    third = await before.refresh(second.refresh_token)
    await store.close()

    store = SqliteStore(tmp_path / "sealring.db")
    await store.open()
    after = Desk(store, keys=(before.key,))
    after.now_ms += 3 * G_MS
    with pytest.raises(RefreshReused):
        await after.refresh(first.refresh_token)
    await after.assert_dead(first.session.id, third.refresh_token)
    await store.close()


@pytest.mark.parametrize("ahead", [1, 2, 100])
async def test_r8_token_ahead_of_the_store_is_never_adopted(desk: Desk, ahead: int) -> None:
    first = await desk.log_in()
    row = first.session
    # as a store that lost its last transactions sees it: minted by us, from a token that the row does not know
    ghost = RefreshToken(row.id, row.generation + ahead, desk.now_ms, row.minted_ms + 1)
    with pytest.raises(RefreshReused):
        await desk.refresh(desk.codec.encode(ghost))
    await desk.assert_dead(row.id, first.refresh_token)
    assert await desk.events("refresh_reused") == 1


class NoStore:
    """Whatever is asked of it is a failure: nothing unproven may get this far."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the store was asked to {name}")


def _spoilt(text: str, codec: RefreshTokenCodec, foreign: RefreshTokenCodec) -> dict[str, object]:
    data = decode(text.removeprefix(PREFIX))
    token = codec.decode(text)
    other_session = encode(secrets.token_bytes(16) + data[16:])
    negative = data[:16] + (2**48 - 1).to_bytes(6, "big") + data[22:]
    return {
        "empty": "",
        "prefix alone": PREFIX,
        "no prefix": text.removeprefix(PREFIX),
        "other prefix": text.replace("rt1", "rt2"),
        "truncated": text[:-1],
        "longer": text + "A",
        "padded": text[:-2] + "==",
        "white space": text[:-1] + "\n",
        "other alphabet": PREFIX + encode(data).replace("-", "+").replace("_", "/")[:-1] + "+",
        "other session": PREFIX + other_session,
        "generation of all ones": PREFIX + encode(negative),
        "generation zero": PREFIX + encode(data[:16] + bytes(6) + data[22:]),
        "mac of zeros": PREFIX + encode(data[:-32] + bytes(32)),
        "foreign key": foreign.encode(token),
        "non-ascii": "é" + text[1:],
        "lone surrogate": "\ud800" + text[1:],
        "nul": text[:-1] + "\0",
        "one megabyte": text * 10_000,
        "bytes": text.encode(),
        "none": None,
        "number": 2**63,
    }


async def test_r9_nothing_unproven_reaches_the_store(desk: Desk) -> None:
    codec, foreign = desk.codec, RefreshTokenCodec([secrets.token_bytes(32)])
    text = codec.encode(RefreshToken(secrets.token_urlsafe(16), 7, desk.now_ms, desk.now_ms - 1))
    guarded = Desk(cast("Store", NoStore()), keys=(desk.key,))
    for spoilt in _spoilt(text, codec, foreign).values():
        with pytest.raises(InvalidRefreshToken):
            await guarded.refresh(cast("str", spoilt))
    data = decode(text.removeprefix(PREFIX))
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidRefreshToken):
            await guarded.refresh(PREFIX + encode(bytes(flipped)))
    # the guard itself works: a good token does get through to the store
    with pytest.raises(AssertionError, match="asked to declare_access_ttl"):
        await guarded.refresh(text)


async def test_r10_no_kind_of_token_passes_for_another(desk: Desk) -> None:
    issued = await desk.log_in()
    csrf = CsrfTokens([desk.key])
    for wrong in (issued.access_token.text, csrf.token(issued.session.id), issued.session.id):
        with pytest.raises(InvalidRefreshToken):
            await desk.refresh(wrong)
    assert not csrf.matches(issued.refresh_token, issued.session.id)
    assert not csrf.matches(issued.access_token.text, issued.session.id)
    with pytest.raises(TokenError):
        jwt.verify(issued.refresh_token, desk.signing_key, issuer=ISSUER, audience=ISSUER, now=NOW)


@pytest.mark.parametrize(("seconds", "lives"), [(IDLE - 1, True), (IDLE, False), (IDLE + 1, False)])
async def test_r11_idle_limit_to_the_second(desk: Desk, seconds: int, *, lives: bool) -> None:
    issued = await desk.log_in()
    desk.now_ms += seconds * 1000
    if lives:
        assert (await desk.refresh(issued.refresh_token)).session.last_seen_at == NOW + seconds
    else:
        with pytest.raises(SessionEnded):
            await desk.refresh(issued.refresh_token)


@pytest.mark.parametrize("before_end", [1, 0, -1])
async def test_r11_absolute_end_holds_for_every_successor(desk: Desk, before_end: int) -> None:
    issued = await desk.log_in()
    while desk.now_ms < (NOW + LONGEST - IDLE) * 1000:
        desk.now_ms += 1_700_000
        issued = await desk.refresh(issued.refresh_token)
    desk.now_ms = (NOW + LONGEST - before_end) * 1000
    if before_end <= 0:
        with pytest.raises(SessionEnded):
            await desk.refresh(issued.refresh_token)
        return
    last = await desk.refresh(issued.refresh_token)
    assert last.access_token.expires_at == NOW + LONGEST
    assert last.refresh_expires_at == NOW + LONGEST
    assert last.session.expires_at == NOW + LONGEST


@pytest.mark.parametrize(("limit", "seconds"), [("idle", IDLE), ("absolute", LONGEST)])
async def test_t2_a_limit_that_was_found_reached_stays_so_when_the_clock_is_set_back(
    desk: Desk, limit: str, seconds: int
) -> None:
    issued = await desk.log_in()
    desk.now_ms += seconds * 1000
    with pytest.raises(SessionEnded, match=limit):
        await desk.refresh(issued.refresh_token)
    record = await desk.store.read_session(issued.session.id)
    assert record is not None
    assert (record.session.ended_by, record.session.ended_at) == (limit, NOW + seconds)
    assert [(entry.kind, entry.target) for entry in desk.in_force] == [("session", issued.session.id)]
    assert (await desk.store.load_feed(0)).head == 1, "other nodes hear of it"
    desk.now_ms = NOW * 1000 + 20_000
    for _ in range(2):
        with pytest.raises(SessionEnded, match="was ended"):
            await desk.refresh(issued.refresh_token)
    [line] = [event for event in await desk.store.read_events() if event.kind == "session_ended"]
    assert (line.cause, line.subject, line.session, line.address) == (limit, "42", issued.session.id, CLIENT.address)


async def test_t2_a_limit_is_written_once_by_however_many_ask(desk: Desk) -> None:
    issued = await desk.log_in()
    desk.now_ms += IDLE * 1000
    answers = await asyncio.gather(*(desk.refresh(issued.refresh_token) for _ in range(10)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {SessionEnded}
    assert await desk.events("session_ended") == 1
    assert (await desk.store.load_feed(0)).head == 1


@pytest.mark.parametrize("off_ms", [-LEEWAY * 1000 - 1, LEEWAY * 1000 + 1, -30 * 86_400_000])
async def test_t1_a_clock_that_the_store_contradicts_ends_nothing(desk: Desk, off_ms: int) -> None:
    issued = await desk.log_in()
    desk.now_ms += IDLE * 1000
    desk.store_ahead_ms = off_ms
    with pytest.raises(StoreUnavailable, match="clock"):
        await desk.refresh(issued.refresh_token)
    record = await desk.store.read_session(issued.session.id)
    assert record is not None
    assert record.session.ended_at is None
    desk.now_ms -= 1000
    await desk.refresh(issued.refresh_token)


class Meanwhile:
    """A store that lets something happen between a decision and its writing."""

    def __init__(self, store: Store, happens: Callable[[], Awaitable[object]]) -> None:
        self._store, self._happens = store, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def revoke(self, *given: Any, **options: Any) -> Committed[int | None]:
        await self._happens()
        return await self._store.revoke(*given, **options)


async def test_t1_who_is_late_by_a_second_does_not_end_what_another_node_has_just_refreshed(desk: Desk) -> None:
    issued = await desk.log_in()
    other = desk.nodes[0]
    successors = []

    async def refresh_in_time() -> None:
        desk.now_ms -= 1000
        successors.append((await other.refresh(issued.refresh_token, client=CLIENT)).refresh_token)
        desk.now_ms += 1000

    desk.store = cast("Store", Meanwhile(desk.store, refresh_in_time))
    desk.now_ms += IDLE * 1000
    late = await desk.node().refresh(issued.refresh_token, client=CLIENT)
    assert [late.refresh_token] == successors
    assert await desk.events("session_ended") == 0


async def test_r13_rotated_secret_reads_the_old_until_it_is_removed(store: Store) -> None:
    old_key, new_key = secrets.token_bytes(32), secrets.token_bytes(32)
    old = await Desk(store, keys=(old_key,)).log_in()
    both = Desk(store, keys=(new_key, old_key))
    renewed = await both.refresh(old.refresh_token)
    only_new = Desk(store, keys=(new_key,))
    with pytest.raises(InvalidRefreshToken):
        await only_new.refresh(old.refresh_token)
    await only_new.refresh(renewed.refresh_token)


def _dump(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_r14_database_holds_nothing_that_makes_a_token(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sealring.db")
    await store.open()
    desk = Desk(store)
    first = await desk.log_in()
    second = await desk.refresh(first.refresh_token)
    record = await store.read_session(first.session.id)
    await store.close()
    assert record is not None
    dump = _dump(tmp_path)
    for issued in (first, second):
        data = decode(issued.refresh_token.removeprefix(PREFIX))
        assert issued.refresh_token[-43:].encode() not in dump
        assert data[-32:] not in dump
    # all of the row, and no key: the fields are right and the MAC is not
    row = record.session
    forged = RefreshToken(row.id, row.generation, row.minted_ms, row.parent_minted_ms)
    assert desk.codec.decode(desk.codec.encode(forged)) == desk.codec.decode(first.refresh_token)
    with pytest.raises(InvalidRefreshToken):
        desk.codec.decode(RefreshTokenCodec([row.id.encode() * 2]).encode(replace(forged)))


@pytest.mark.parametrize("step_seconds", [-3_600, -5, 5])
async def test_t2_clock_that_is_set_neither_revives_nor_freezes(desk: Desk, step_seconds: int) -> None:
    ended = await desk.log_in("41")
    await desk.nodes[0].end(ended.session.id, cause="logout")
    issued = await desk.log_in()
    second = await desk.refresh(issued.refresh_token)
    third = await desk.refresh(second.refresh_token)
    desk.now_ms += step_seconds * 1000
    await desk.assert_dead(ended.session.id, ended.refresh_token)
    # the client goes on as if nothing had been
    fourth = await desk.refresh(third.refresh_token)
    again = await desk.refresh(third.refresh_token)
    assert again.refresh_token == fourth.refresh_token
    desk.now_ms += G_MS
    later = await desk.refresh(third.refresh_token)
    assert later.refresh_token != fourth.refresh_token
