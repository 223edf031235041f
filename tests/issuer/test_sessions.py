"""What `Sessions` does around the state machine: claims, grants, cap, limits, lost swaps, what is in force when.

The refresh attacks (R1 to R14) stand in tests/attacks/test_r_refresh.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sealring import Sealring, jwt
from sealring.authentication.client_info import ClientInfo
from sealring.errors import (
    GrantUnavailable,
    NotGranted,
    RefreshReused,
    RefreshSuperseded,
    Revoked,
    SessionEnded,
    StoreUnavailable,
    WrongCredentials,
)
from sealring.issuer.session_tokens import Issued
from sealring.issuer.sessions import SWAP_ATTEMPTS
from sealring.sessions.grant import Grant
from sealring.sessions.session import Session
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.records import LoginGuard
from tests.clocks import START, FrozenClock
from tests.logins import authenticate
from tests.serving import cheap_sealring

pytestmark = pytest.mark.anyio

HERE = ClientInfo("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
DAY = 86_400


class Desk:
    """One issuer over a store, under a clock that stands still; nothing polls."""

    def __init__(self, store: Store, clock: FrozenClock, **given: Any) -> None:
        self.clock = clock
        self.auth: Sealring = cheap_sealring(store, clock, **given)
        self.sessions = self.auth.issuer.sessions

    async def start(self, subject: str = "42", **given: Any) -> Issued:
        await self.auth.issuer.keys.load()
        issued = await self.auth.issuer.new_sessions.start(subject, client_id="http", client=HERE, **given)
        assert issued is not None
        return issued

    async def refresh(self, issued: Issued) -> Issued:
        return await self.sessions.refresh(issued.refresh_token, client=HERE)

    async def causes(self) -> list[str]:
        return [f"{event.kind}: {event.cause}" for event in await self.auth.store.read_events()]

    def dead(self, issued: Issued) -> str | None:
        """What this node says of the access token, without hearing from the store."""
        claims = claims_of(issued)
        kid = str(jwt.peek(issued.access_token.text).header["kid"])
        return self.auth.node.revocations.cause(claims["sid"], claims["sub"], claims["epoch"], kid)


def claims_of(issued: Issued) -> dict[str, Any]:
    return jwt.peek(issued.access_token.text).claims


# starting


async def test_a_session_starts_with_what_it_was_given(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    issued = await desk.start(scopes=["orders:read", "orders:write"], claims={"tenant": "t1", "roles": ["a"]})
    session = issued.session
    assert (session.device, session.address) == ("Firefox on Linux", "192.0.2.7")
    assert session.created_at == session.auth_time == session.last_seen_at == START
    assert session.expires_at == START + 90 * DAY
    claims = claims_of(issued)
    assert (claims["scope"], claims["tenant"], claims["roles"]) == ("orders:read orders:write", "t1", ["a"])
    assert (claims["iat"], claims["exp"]) == (START, START + 1800)
    assert issued.refresh_expires_at == START + 14 * DAY
    assert await store.read_session(session.id) is not None


@pytest.mark.parametrize("name", ["sub", "sid", "epoch", "exp", "iss", "aud", "jti", "scope", "cnf", "client_id"])
async def test_a_claim_of_ours_cannot_be_set_by_the_application(name: str, clock: FrozenClock) -> None:
    desk = Desk(MemoryStore(clock.now_ms), clock)
    with pytest.raises(ValueError, match=name):
        await desk.start(claims={name: "x"})
    assert await desk.sessions.list("42") == []


@pytest.mark.parametrize("scopes", ["orders:read", b"orders:read", 5, [5], ["orders:read", None]])
async def test_scopes_are_a_list_of_strings(scopes: Any, clock: FrozenClock) -> None:
    desk = Desk(MemoryStore(clock.now_ms), clock)
    with pytest.raises(TypeError, match=r'scopes must be a list of strings, as in \["orders:read"\]'):
        await desk.start(scopes=scopes)
    assert await desk.sessions.list("42") == []


async def test_a_scope_given_twice_counts_once_in_its_first_place(clock: FrozenClock) -> None:
    async def grant_for(_: Session) -> Grant:
        return Grant(["c", "a", "c"])

    desk = Desk(MemoryStore(clock.now_ms), clock, grant_for=grant_for)
    issued = await desk.start(scopes=(scope for scope in ["b", "a", "b"]))
    assert (issued.scopes, issued.session.scopes, claims_of(issued)["scope"]) == (("b", "a"), ("b", "a"), "b a")
    issued = await desk.refresh(issued)
    assert (issued.scopes, claims_of(issued)["scope"]) == (("c", "a"), "c a")


@pytest.mark.parametrize("subject", [5, None, b"42", ["42"]])
async def test_a_subject_is_text_wherever_one_is_taken(subject: Any, clock: FrozenClock) -> None:
    auth = Desk(MemoryStore(clock.now_ms), clock).auth
    try:
        for call in (auth.start_session, auth.revoke_subject, auth.refresh_claims):
            with pytest.raises(TypeError, match="subject must be text, not "):
                await call(subject)
            with pytest.raises(ValueError, match="subject must be 1 to 255"):
                await call("")
        with pytest.raises(TypeError, match="session_id must be text"):
            await auth.revoke_session(subject)
        assert [event for event in await auth.store.read_events() if "key" not in event.kind] == []
    finally:
        await auth.close()


@pytest.mark.parametrize("claims", ["tenant", [("tenant", "t1")], 5])
async def test_claims_are_a_mapping(claims: Any, clock: FrozenClock) -> None:
    with pytest.raises(TypeError, match="claims must be a mapping"):
        await Desk(MemoryStore(clock.now_ms), clock).start(claims=claims)


@pytest.mark.parametrize("value", [float("nan"), {1: "one"}, object(), "x" * 9_000])
async def test_claims_that_no_token_can_carry_leave_no_session_behind(value: Any, clock: FrozenClock) -> None:
    desk = Desk(MemoryStore(clock.now_ms), clock)
    with pytest.raises((TypeError, ValueError), match=r"tenant|8192"):
        await desk.start(claims={"tenant": value})
    assert await desk.sessions.list(None) == []


async def test_d2_the_oldest_ends_beyond_the_cap_and_says_so(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    first = last = await desk.start()
    for _ in range(50):
        desk.clock.pass_seconds(1)
        last = await desk.start()
    assert len(await desk.sessions.list("42")) == 50
    assert desk.dead(first) == "session"
    assert desk.dead(last) is None
    with pytest.raises(SessionEnded):
        await desk.refresh(first)
    assert (await desk.causes()).count("session_ended: over_cap") == 1


async def test_c1_a_log_in_ends_the_session_that_the_browser_held(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    planted = await desk.start("attacker")
    issued = await desk.start("victim", replaces=planted.session.id)
    assert issued.session.id != planted.session.id
    assert desk.dead(planted) == "session"
    record = await store.read_session(planted.session.id)
    assert record is not None
    assert record.session.ended_by == "replaced"


async def test_u13_no_session_starts_when_the_guard_does_not_hold(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    await desk.auth.issuer.keys.load()
    accounts = desk.auth.issuer.accounts
    account = await accounts.create("ada", "seven blue otters sing")
    proved = await authenticate(desk.auth.issuer.store, accounts, "ada", "seven blue otters sing", HERE)
    await accounts.disable(account.id)
    guard = LoginGuard(epoch=proved.epoch)
    with pytest.raises(WrongCredentials):
        await desk.auth.issuer.new_sessions.start(
            account.id, account=proved, client_id="http", client=HERE, guard=guard
        )
    assert await desk.sessions.list(account.id) == []


# how the user proved who they are


async def test_a_refresh_never_renews_how_and_when_the_user_proved_who_they_are(
    store: Store, clock: FrozenClock
) -> None:
    desk = Desk(store, clock)
    issued = await desk.start(amr=["pwd", "otp", "mfa", "pwd"], acr="mfa", auth_time=START - 60)
    for _ in range(3):
        claims = jwt.peek(issued.access_token.text).claims
        assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "mfa")
        assert claims["auth_time"] == START - 60
        desk.clock.pass_seconds(60)
        issued = await desk.refresh(issued)


async def test_where_nobody_says_how_the_token_says_nothing(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    claims = jwt.peek((await desk.start()).access_token.text).claims
    assert not {"amr", "acr"} & claims.keys()
    assert claims["auth_time"] == START


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"amr": "pwd"}, TypeError),
        ({"amr": 5}, TypeError),
        ({"amr": [5]}, TypeError),
        ({"amr": [""]}, ValueError),
        ({"amr": ["x" * 65]}, ValueError),
        ({"amr": [str(place) for place in range(65)]}, ValueError),
        ({"amr": ["p\0"]}, ValueError),
        ({"acr": 5}, TypeError),
        ({"acr": "x" * 65}, ValueError),
        ({"acr": "\ud800"}, ValueError),
    ],
)
async def test_an_amr_or_acr_that_cannot_be_is_the_callers_mistake(
    store: Store, clock: FrozenClock, how: dict[str, Any], error: type[Exception]
) -> None:
    desk = Desk(store, clock)
    with pytest.raises(error, match=next(iter(how))):
        await desk.start(**how)
    assert await desk.sessions.list("42") == []


# limits


async def test_i16_nothing_outlives_the_absolute_end(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock, session_max="1h", session_idle="50m")
    issued = await desk.start()
    assert (issued.access_token.expires_at, issued.refresh_expires_at) == (START + 1800, START + 3000)
    desk.clock.pass_seconds(2999)
    issued = await desk.refresh(issued)
    assert (issued.access_token.expires_at, issued.refresh_expires_at) == (START + 3600, START + 3600)
    desk.clock.pass_seconds(600)
    issued = await desk.refresh(issued)  # one second before the end
    assert claims_of(issued)["exp"] == START + 3600
    assert await desk.sessions.read(issued.session.id) is not None
    desk.clock.pass_seconds(1)
    assert await desk.sessions.read(issued.session.id) is None
    assert await desk.sessions.list("42") == []
    with pytest.raises(SessionEnded, match="absolute"):
        await desk.refresh(issued)


async def test_r11_idle_counts_from_the_last_refresh(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock, session_idle="10m")
    issued = await desk.start()
    for _ in range(5):
        desk.clock.pass_seconds(599)
        issued = await desk.refresh(issued)
    desk.clock.pass_seconds(600)
    with pytest.raises(SessionEnded, match="idle"):
        await desk.refresh(issued)
    assert await desk.sessions.list("42") == []


async def test_a_repeated_answer_lives_no_longer_than_a_first_one(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock, session_max="1h")
    issued = await desk.start()
    desk.clock.pass_seconds(3595)
    first, again = await desk.refresh(issued), await desk.refresh(issued)
    assert first.refresh_token == again.refresh_token
    assert claims_of(again)["exp"] == claims_of(first)["exp"] == START + 3600


# grants


async def test_each_refresh_asks_the_application_what_the_subject_may_do_now(store: Store, clock: FrozenClock) -> None:
    answers: list[Grant | None] = [Grant(["b"], {"tenant": "t2"}), Grant([]), None]
    asked: list[Session] = []

    async def grant_for(session: Session) -> Grant | None:
        asked.append(session)
        return answers.pop(0)

    desk = Desk(store, clock, grant_for=grant_for)
    issued = await desk.start(scopes=["a"], claims={"tenant": "t1"})
    assert asked == []
    issued = await desk.refresh(issued)
    assert (issued.scopes, claims_of(issued)["scope"], claims_of(issued)["tenant"]) == (("b",), "b", "t2")
    issued = await desk.refresh(issued)
    assert (claims_of(issued)["scope"], "tenant" in claims_of(issued)) == ("", False)
    with pytest.raises(SessionEnded, match="no longer grants"):
        await desk.refresh(issued)
    assert desk.dead(issued) == "session"
    assert [session.subject for session in asked] == ["42"] * 3


async def test_the_application_is_asked_at_the_start_for_what_it_has_not_said(store: Store, clock: FrozenClock) -> None:
    async def grant_for(session: Session) -> Grant | None:
        return None if session.subject == "43" else Grant(["b"], {"tenant": "t2"})

    desk = Desk(store, clock, grant_for=grant_for)
    issued = await desk.start()
    assert (claims_of(issued)["scope"], claims_of(issued)["tenant"]) == ("b", "t2")
    assert (issued.session.scopes, issued.session.claims) == (("b",), {"tenant": "t2"})
    issued = await desk.start(claims={"plan": "gold"})
    assert (claims_of(issued)["scope"], claims_of(issued)["plan"], "tenant" in claims_of(issued)) == (
        "b",
        "gold",
        False,
    )
    issued = await desk.start(scopes=[], claims={})
    assert (claims_of(issued)["scope"], "tenant" in claims_of(issued)) == ("", False)
    with pytest.raises(NotGranted):
        await desk.start("43")
    assert len(await desk.sessions.list("43")) == 0


async def test_the_application_is_asked_when_an_account_logs_in(store: Store, clock: FrozenClock) -> None:
    granted: list[str] | None = ["b"]

    async def grant_for(_: Session) -> Grant | None:
        return None if granted is None else Grant(granted)

    desk = Desk(store, clock, grant_for=grant_for, default_scopes=["a"])
    await desk.auth.issuer.keys.load()
    accounts = desk.auth.issuer.accounts
    await accounts.create("ada", "seven blue otters sing", scopes=("admin",))
    logged_in = await desk.auth.issuer.log_in("ada", "seven blue otters sing", client=HERE, replaces=None)
    assert claims_of(logged_in.issued)["scope"] == "b"
    granted = None
    with pytest.raises(WrongCredentials):  # to the client, no other refusal than that of a wrong password (I11)
        await desk.auth.issuer.log_in("ada", "seven blue otters sing", client=HERE, replaces=None)


@pytest.mark.parametrize(
    "make", [lambda: Grant(["a b"]), lambda: Grant("ab"), lambda: Grant([], {"sub": "root"})], ids=["a b", "ab", "sub"]
)
async def test_a_grant_that_cannot_be_is_refused_before_anything_is_written(
    make: Callable[[], Grant], clock: FrozenClock
) -> None:
    async def grant_for(_: Session) -> Grant:
        return make()

    desk = Desk(MemoryStore(clock.now_ms), clock, grant_for=grant_for)
    with pytest.raises(GrantUnavailable) as refused:
        await desk.start()
    assert isinstance(refused.value.__cause__, TypeError | ValueError)
    issued = await desk.start(scopes=[])
    with pytest.raises(GrantUnavailable):
        await desk.refresh(issued)
    record = await desk.auth.store.read_session(issued.session.id)
    assert record is not None
    assert record.session == issued.session


async def test_j18_an_accounts_other_scopes_hold_from_the_next_token_on(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    await desk.auth.issuer.keys.load()
    accounts = desk.auth.issuer.accounts
    account = await accounts.create("ada", "seven blue otters sing", scopes=("admin",))
    issued = await desk.auth.issuer.log_in("ada", "seven blue otters sing", client=HERE, replaces=None)
    assert claims_of(issued.issued)["scope"] == "admin"
    await accounts.set_scopes(account.id, ())
    assert desk.dead(issued.issued) == "subject"
    renewed = await desk.refresh(issued.issued)
    assert claims_of(renewed)["scope"] == ""
    assert desk.dead(renewed) is None


# ending


async def test_i2_an_end_is_in_force_here_when_the_call_returns(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    one, two, three = await desk.start(), await desk.start(), await desk.start()
    assert await desk.sessions.end(one.session.id, cause="logout")
    assert (desk.dead(one), desk.dead(two)) == ("session", None)
    assert await desk.sessions.end_subject("42", keep=two.session.id) == 1  # of two, one had ended before
    assert (desk.dead(two), desk.dead(three)) == ("subject", "subject")  # the kept one's token is stale, no more
    assert desk.dead(await desk.refresh(two)) is None
    assert [await desk.sessions.end_subject("42") for _ in range(2)] == [1, 0]
    with pytest.raises(SessionEnded):
        await desk.refresh(two)


async def test_an_end_that_ends_nothing_says_so(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    issued = await desk.start()
    assert not await desk.sessions.end("no such", cause="logout")
    assert not await desk.sessions.end(issued.session.id, cause="ended_by_user", subject="somebody else")
    assert desk.dead(issued) is None
    assert await desk.sessions.end(issued.session.id, cause="logout")
    assert not await desk.sessions.end(issued.session.id, cause="logout")
    assert (await desk.causes()).count("session_ended: logout") == 1


async def test_refreshed_claims_log_nobody_out(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    issued = await desk.start()
    await desk.sessions.refresh_claims("42")
    assert desk.dead(issued) == "subject"
    renewed = await desk.refresh(issued)
    assert claims_of(renewed)["epoch"] == claims_of(issued)["epoch"] + 1
    assert desk.dead(renewed) is None


async def test_i4_reuse_ends_the_session_and_the_record_says_so(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    first = await desk.start()
    second = await desk.refresh(first)
    third = await desk.refresh(second)
    with pytest.raises(RefreshSuperseded):
        await desk.refresh(first)
    desk.clock.pass_seconds(10)
    with pytest.raises(RefreshReused):
        await desk.refresh(first)
    assert desk.dead(third) == "session"
    record = await store.read_session(first.session.id)
    assert record is not None
    assert record.session.ended_by == "reuse"
    assert sum(cause.startswith("refresh_reused") for cause in await desk.causes()) == 1
    with pytest.raises(SessionEnded):
        await desk.refresh(third)


async def test_with_no_window_the_second_asker_to_go_on_ends_it(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock, retry_window=0)
    first = await desk.start()
    mine, theirs = await desk.refresh(first), await desk.refresh(first)
    assert mine.refresh_token != theirs.refresh_token
    await desk.refresh(mine)
    with pytest.raises(RefreshReused):
        await desk.refresh(theirs)


# lost swaps


class Losing(MemoryStore):
    """A store in which every swap is lost to somebody."""

    losses = 0

    async def advance_session(self, before: Session, after: Session) -> bool:  # noqa: ARG002 - the protocol's
        self.losses += 1
        return False


async def test_swaps_that_are_always_lost_end_in_503_and_write_nothing(clock: FrozenClock) -> None:
    store = Losing(clock.now_ms)
    desk = Desk(store, clock)
    issued = await desk.start()
    with pytest.raises(StoreUnavailable):
        await desk.refresh(issued)
    assert store.losses == SWAP_ATTEMPTS


async def test_concurrent_refreshes_all_succeed_with_one_successor(store: Store, clock: FrozenClock) -> None:
    desk = Desk(store, clock)
    issued = await desk.start()
    answers = await asyncio.gather(*(desk.refresh(issued) for _ in range(20)))
    assert len({answer.refresh_token for answer in answers}) == 1


# what the node says meanwhile


async def test_a_verifier_on_the_same_node_refuses_at_once(clock: FrozenClock) -> None:
    desk = Desk(MemoryStore(clock.now_ms), clock)
    await desk.auth.open()
    try:
        issued = await desk.start()
        assert desk.auth.verify(issued.access_token.text).subject == "42"
        await desk.sessions.end(issued.session.id, cause="logout")
        with pytest.raises(Revoked):
            desk.auth.verify(issued.access_token.text)
    finally:
        await desk.auth.close()
