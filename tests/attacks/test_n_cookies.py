"""N3, N4, N5 at the ASGI door: planted and left-behind cookies, and log-outs that show several sessions.

What a browser lets a sibling host plant is tried with a real one in `tests/browser/test_sibling_host.py`; here is
what the server makes of what arrives.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from sealring.authentication.client_info import ClientInfo
from tests.attacks.test_c_cookies import ACCESS, DEVICE, HELD, JSON, PASSWORD, REFRESH, SAME, Browser, Site
from tests.clocks import FrozenClock
from tests.serving import cheap_sealring

Field = tuple[bytes, bytes]


@pytest.fixture(scope="module")
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(scope="module")
def site(clock: FrozenClock) -> Iterator[Site]:
    auth = cheap_sealring(
        clock=clock,
        issuer="https://example.com",
        cookie_secure="on",
        access_ttl="60s",
        session_idle="1h",
        max_staleness=3600.0,
    )
    with asyncio.Runner() as runner:
        site = Site(runner, auth)
        yield site
        runner.run(site.auth.close())


def jar(*cookies: tuple[bytes, bytes]) -> Field:
    return b"cookie", b"; ".join(b"%s=%s" % cookie for cookie in cookies)


def own(browser: Browser, *, refresh: bytes | None = None) -> list[tuple[bytes, bytes]]:
    """What the browser itself holds, as if its access cookie had run out."""
    return [(HELD, browser.held), (REFRESH, refresh or browser.refresh)]


def refresh(site: Site, *cookies: tuple[bytes, bytes], proof: Field = SAME) -> tuple[int, str]:
    reply = site.call("POST", "/auth/refresh", jar(*cookies), proof)
    return reply.status, reply.json.get("code") or site_session(site, reply.set_cookies[ACCESS])


def site_session(site: Site, access: bytes) -> str:
    return str(site.me(jar((ACCESS, access))).json["session"]["id"])


def alive(site: Site, session_id: str) -> bool:
    return site.run(site.auth.issuer.sessions.read(session_id)) is not None


JUNK = b"sealring_rt1_junk"


@pytest.mark.parametrize("place", ["before ours", "after ours"])
@pytest.mark.parametrize("kind", ["another session", "junk", "a crowd"])
def test_n3_beside_a_planted_refresh_cookie_our_own_counts(site: Site, kind: str, place: str) -> None:
    victim, attacker = site.register(), site.register()
    planted = {
        "another session": [(REFRESH, attacker.refresh)],
        "junk": [(REFRESH, JUNK)],
        "a crowd": [(REFRESH, JUNK), (REFRESH, attacker.refresh)] * 60,
    }[kind]
    cookies = [*planted, *own(victim)] if place == "before ours" else [*own(victim), *planted]
    assert refresh(site, *cookies) == (200, victim.session)
    assert alive(site, attacker.session)


@pytest.mark.parametrize("held", ["none", "the victim's", "junk", "another key's", "two"])
def test_n3_a_refresh_cookie_without_the_session_cookie_of_its_session_does_nothing(site: Site, held: str) -> None:
    victim, attacker = site.register(), site.register()
    texts = {
        "none": [],
        "the victim's": [victim.held],
        "junk": [b"x"],
        "another key's": [attacker.held[:-1] + (b"A" if attacker.held[-1:] != b"A" else b"B")],
        "two": [victim.held, attacker.held],
    }[held]
    reply = site.call(
        "POST", "/auth/refresh", jar(*((HELD, text) for text in texts), (REFRESH, attacker.refresh)), SAME
    )
    assert (reply.status, reply.code) == (401, "refresh_unbound")
    assert not reply.set_cookies  # a late refusal would take the log-in of another tab along
    assert alive(site, attacker.session)
    assert alive(site, victim.session)
    healed = site.log_in(1, jar(*((HELD, text) for text in texts), (REFRESH, attacker.refresh)))
    assert refresh(site, (REFRESH, attacker.refresh), *own(healed)) == (200, healed.session)


def test_n3_a_log_in_ends_no_session_that_was_planted(site: Site) -> None:
    attacker = site.register()
    site.register(jar((REFRESH, attacker.refresh)))
    assert alive(site, attacker.session)


def test_n3_the_csrf_token_of_an_open_page_is_no_proof_for_a_planted_session(site: Site) -> None:
    victim, attacker = site.register(), site.register()
    for cookies in ([(REFRESH, attacker.refresh)], own(attacker)):
        status, code = refresh(site, *cookies, proof=(b"x-csrf-token", victim.csrf))
        assert (status, code) in {(401, "refresh_unbound"), (403, "csrf")}


def test_n3_a_session_cookie_of_another_use_or_session_is_not_taken(site: Site) -> None:
    victim = site.register()
    for text in (victim.session.encode(), victim.csrf, b"%s.%s" % (victim.session.encode(), victim.csrf)):
        assert refresh(site, (HELD, text), (REFRESH, victim.refresh)) == (401, "refresh_unbound")


def test_n3_a_planted_device_cookie_locks_nobody_out(site: Site) -> None:
    name = "lockedout"
    body = {"username": name, "password": PASSWORD, "delivery": "cookie"}
    device = site.call("POST", "/auth/register", JSON, SAME, body=body).set_cookies[DEVICE]
    guesses = [site.call("POST", "/auth/login", JSON, SAME, body=body | {"password": "wrong" * 4}) for _ in range(12)]
    assert guesses[-1].status == 429
    # a sibling host cannot write `__Host-`; what it can write is none of our names
    planted = [(b"__Secure-sealring_device", device[:-4] + b"AAAA"), (b"sealring_device", b"x")]
    assert site.call("POST", "/auth/login", JSON, SAME, jar(*planted, (DEVICE, device)), body=body).status == 200


def test_n5_a_refresh_cookie_of_an_earlier_path_is_healed_at_once(site: Site, clock: FrozenClock) -> None:
    browser = site.register()
    first = site.call("POST", "/auth/refresh", jar(*own(browser)), SAME)
    assert first.status == 200  # by the cookie at the old path; the answer sets one at the new path
    newer = first.set_cookies[REFRESH]
    for _ in range(3):
        cookies = [*own(browser, refresh=newer), (REFRESH, browser.refresh)]
        replies = [site.call("POST", "/auth/refresh", jar(*order), SAME) for order in (cookies, cookies[::-1])]
        assert [reply.status for reply in replies] == [200, 200]
        newer = replies[-1].set_cookies[REFRESH]
        clock.pass_seconds(15)


def test_n5_after_a_log_in_the_cookie_of_an_earlier_path_is_nothing(site: Site) -> None:
    earlier = site.register()
    browser = site.log_in(1, earlier.cookies)
    assert not alive(site, earlier.session)
    assert refresh(site, (REFRESH, earlier.refresh), *own(browser)) == (200, browser.session)


State = Literal["none", "same", "other", "ended", "expired", "junk"]
STATES: tuple[State, ...] = ("none", "same", "other", "ended", "expired", "junk")


@dataclass
class Tokens:
    session: str
    access: bytes
    refresh: bytes
    held: bytes


def start(site: Site) -> Tokens:
    issued = site.run(site.auth.issuer.new_sessions.start("subject", client_id="test", client=ClientInfo("")))
    assert issued is not None
    held = site.auth.parts.delivery.session_cookies.encode(issued.session.id)
    return Tokens(issued.session.id, issued.access_token.text.encode(), issued.refresh_token.encode(), held.encode())


def start_and_expire(site: Site, clock: FrozenClock) -> Tokens:
    """A session whose access token has expired; itself it has not."""
    tokens = start(site)
    clock.pass_seconds(120)
    site.run(site.auth.follower.poll())
    return tokens


def end(site: Site, tokens: Tokens) -> None:
    site.run(site.auth.issuer.sessions.end(tokens.session, cause="logout"))


@dataclass
class Case:
    """One request: each credential that it shows is of a session of its own, unless it is of the same one."""

    fields: list[Field]
    body: dict[str, str] | None
    sessions: list[Tokens]


def make_case(site: Site, spent: Tokens, states: tuple[State, State, State, State], *, bound: bool) -> Case:
    same = start(site)
    shown: list[Tokens | None] = []
    for state in states:
        tokens = {"same": same, "expired": spent, "none": None, "junk": Tokens("", b"a.b.c", JUNK, b"x")}.get(state)
        if state in {"other", "ended"}:
            tokens = start(site)
            if state == "ended":
                end(site, tokens)
        shown.append(tokens)
    bearer, access, refresh, body = shown
    cookies = [] if access is None else [(ACCESS, access.access)]
    if refresh is not None:
        cookies += [(HELD, refresh.held), (REFRESH, refresh.refresh)] if bound else [(REFRESH, refresh.refresh)]
    fields = [SAME, *([jar(*cookies)] if cookies else [])]
    if bearer is not None:
        fields.append((b"authorization", b"Bearer " + bearer.access))
    if body is not None:
        fields.append(JSON)
    sessions = [tokens for tokens in shown if tokens is not None and tokens.session]
    return Case(fields, None if body is None else {"refresh_token": body.refresh.decode()}, sessions)


@pytest.mark.parametrize("binding", ["bound", "unbound"])
@pytest.mark.parametrize("bearer", STATES)
def test_n4_204_leaves_no_session_alive_and_a_refusal_ends_none(
    site: Site, clock: FrozenClock, bearer: State, binding: str
) -> None:
    spent = start_and_expire(site, clock)
    for access, refresh, body in itertools.product(STATES, repeat=3):
        states = (bearer, access, refresh, body)
        case = make_case(site, spent, states, bound=binding == "bound")
        before = [alive(site, tokens.session) for tokens in case.sessions]
        reply = site.call("POST", "/auth/logout", *case.fields, body=case.body)
        after = [alive(site, tokens.session) for tokens in case.sessions]
        if reply.status == 204:
            assert case.sessions, states
            assert not any(after), states
            if "expired" in states:
                spent = start_and_expire(site, clock)
        else:
            assert reply.status in {400, 401}, states
            assert after == before, states


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("same", "none", "none", "none"), 204),
        (("none", "same", "none", "none"), 204),
        (("none", "none", "same", "none"), 204),
        (("none", "none", "none", "same"), 204),
        (("none", "same", "same", "none"), 204),
        (("same", "none", "same", "same"), 204),
        (("none", "junk", "same", "none"), 204),
        (("none", "same", "junk", "none"), 204),
        (("none", "none", "same", "ended"), 400),
        (("same", "none", "none", "other"), 204),
        (("same", "none", "none", "ended"), 204),
        (("ended", "none", "none", "same"), 400),
        (("expired", "none", "none", "same"), 400),
        (("expired", "none", "none", "expired"), 204),
        (("same", "same", "none", "none"), 400),
        (("same", "none", "other", "none"), 400),
        (("none", "none", "same", "other"), 400),
        (("none", "same", "none", "other"), 400),
        (("none", "same", "other", "none"), 204),
        (("ended", "none", "none", "none"), 401),
        (("none", "none", "none", "ended"), 204),
        (("none", "none", "none", "junk"), 401),
        (("none", "none", "none", "none"), 401),
    ],
    ids=str,
)
def test_n4_by_example(site: Site, clock: FrozenClock, states: tuple[State, State, State, State], status: int) -> None:
    spent = start_and_expire(site, clock)
    case = make_case(site, spent, states, bound=True)
    assert site.call("POST", "/auth/logout", *case.fields, body=case.body).status == status


def test_n4_a_planted_cookie_keeps_no_log_out_from_its_effect(site: Site) -> None:
    victim, attacker = site.register(), site.register()
    planted = [(REFRESH, attacker.refresh), (REFRESH, JUNK)]
    reply = site.call("POST", "/auth/logout", jar(*planted, *own(victim)), (b"x-csrf-token", victim.csrf))
    assert reply.status == 204
    assert not alive(site, victim.session)


def test_n4_the_cookies_of_a_log_out_need_their_proof(site: Site) -> None:
    victim = site.register()
    for cookies in (victim.cookies, jar((HELD, victim.held)), jar((REFRESH, victim.refresh)), victim.access_cookie):
        for proof in ([], [(b"x-csrf-token", site.register().csrf)]):
            reply = site.call("POST", "/auth/logout", cookies, *proof)
            assert (reply.status, reply.code) == (403, "csrf")
    assert alive(site, victim.session)


def test_n4_the_session_cookie_alone_logs_out(site: Site) -> None:
    browser = site.register()  # whose other cookies were evicted
    assert site.call("POST", "/auth/logout", jar((HELD, browser.held)), SAME).status == 204
    assert not alive(site, browser.session)


def test_n4_ending_all_sessions_by_bearer_leaves_the_cookies_of_another_session(site: Site) -> None:
    mine, other = site.register(), site.register()
    bearer = (b"authorization", b"Bearer " + mine.access)
    reply = site.call("DELETE", "/auth/sessions", bearer, jar(*own(other)))
    assert (reply.status, reply.set_cookies) == (204, {})


def test_n4_a_stale_node_still_logs_out_by_what_needs_no_verifying(site: Site) -> None:
    clock = FrozenClock()
    stale = Site(site.runner, cheap_sealring(clock=clock, issuer="https://example.com", cookie_secure="on"))
    browser, other = stale.register(), stale.register()
    stale.run(stale.auth.follower.stop())
    clock.pass_seconds(60)
    bearer = (b"authorization", b"Bearer " + browser.access)
    body = {"refresh_token": other.refresh.decode()}
    for reply in (
        stale.call("POST", "/auth/logout", browser.access_cookie, SAME),
        stale.call("POST", "/auth/logout", bearer, JSON, body=body),
    ):
        assert (reply.status, reply.code) == (503, "stale")
    assert alive(stale, browser.session)
    assert alive(stale, other.session)
    assert stale.call("POST", "/auth/logout", browser.cookies, SAME).status == 204
    assert not alive(stale, browser.session)
    stale.run(stale.auth.close())


def test_n3_the_live_route_says_that_page_and_cookies_are_of_two_sessions(site: Site) -> None:
    page, cookies = site.register(), site.register()
    assert site.call("GET", "/auth/live", cookies.access_cookie, (b"x-csrf-token", cookies.csrf)).status == 204
    assert site.call("GET", "/auth/live", cookies.access_cookie).status == 204
    reply = site.call("GET", "/auth/live", cookies.access_cookie, (b"x-csrf-token", page.csrf))
    assert (reply.status, reply.code) == (403, "csrf")
