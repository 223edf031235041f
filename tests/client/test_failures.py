"""Failures log nobody out: an outage, a lost answer, a full disk, a locked store; and nothing shows a token."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealring.client import Auth, FileTokens, LoggedOut, MemoryTokens, Tokens, Unavailable, UnexpectedAnswer
from tests.client.losing_proxy import losing_proxy
from tests.client.scripted import TOKENS, Received, Reply, Scripted, problem, scripted
from tests.client.variants import ClientClock, Driven, Variant
from tests.serving import PASSWORD, ServedThread

OLD = Tokens(access_token="access-1", refresh_token="refresh-1", expires_in=600, obtained_at=ClientClock().wall)


class Service:
    """An auth service that answers what it is told to, and tokens when that is used up; and a resource."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def __call__(self, received: Received) -> Reply:
        if received.path == "/x":
            return Reply(200, {"token": received.fields.get("authorization")})
        return self.replies.pop(0) if self.replies else Reply(200, TOKENS)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def peer(service: Service) -> Iterator[Scripted]:
    with scripted(service) as running:
        yield running


@pytest.fixture
def clock() -> ClientClock:
    return ClientClock()


@pytest.fixture
def store() -> MemoryTokens:
    store = MemoryTokens()
    store.save(OLD)
    return store


@pytest.fixture
def http(variant: Variant, peer: Scripted, store: MemoryTokens, clock: ClientClock) -> Iterator[Driven]:
    """A client whose token is good for ten minutes; it waits at most for two seconds."""
    auth = Auth(f"{peer.url}/auth", store=store, clock=clock, max_wait=2)
    with variant.client(auth, peer.url) as made:
        assert made.get("/x").json() == {"token": "Bearer access-1"}
        yield made


def test_a_request_waits_for_as_long_as_the_service_says(http: Driven, service: Service, clock: ClientClock) -> None:
    clock.pass_seconds(600)
    service.replies = [problem(503, "stale", **{"Retry-After": "1"}), problem(429, "throttled")]
    assert http.get("/x").json() == {"token": "Bearer access-2"}
    assert http.refreshes() == 3


def test_longer_than_it_may_wait_it_says_so_and_keeps_the_tokens(
    http: Driven, service: Service, store: MemoryTokens, clock: ClientClock
) -> None:
    clock.pass_seconds(600)
    service.replies = [problem(503, "overloaded", **{"Retry-After": "3"})]
    with pytest.raises(Unavailable) as caught:
        http.get("/x")
    assert caught.value.retry_after == 3
    assert store.load() == OLD
    assert http.get("/x").json() == {"token": "Bearer access-2"}


@pytest.mark.parametrize(
    "reply",
    [
        problem(503, "stale", **{"Retry-After": "1"}),
        problem(404, "not_found"),
        problem(409, "refresh_superseded"),
        Reply(401, {"code": "session_ended"}),
    ],
    ids=lambda reply: str(reply.status),
)
def test_while_the_token_is_accepted_no_failure_of_a_refresh_matters(
    http: Driven, service: Service, clock: ClientClock, reply: Reply
) -> None:
    service.replies = [reply]
    clock.pass_seconds(575)
    for _ in range(3):
        assert http.get("/x").json() == {"token": "Bearer access-1"}
    assert http.refreshes() == 1, "and it is not asked again at once"


def test_some_seconds_later_it_is_refreshed_again_before_it_expires(
    http: Driven, service: Service, clock: ClientClock
) -> None:
    service.replies = [problem(503, "stale")]
    clock.pass_seconds(575)
    http.get("/x")
    clock.pass_seconds(5)
    assert http.get("/x").json() == {"token": "Bearer access-2"}


@pytest.mark.parametrize(
    "reply",
    [Reply(401, {"code": "session_ended"}), problem(401, "missing_credential"), problem(404, "not_found"), Reply(200)],
    ids=["not a problem", "another code", "wrong path", "no tokens"],
)
def test_what_is_no_answer_of_ours_keeps_the_tokens(
    http: Driven, service: Service, store: MemoryTokens, clock: ClientClock, reply: Reply
) -> None:
    clock.pass_seconds(600)
    service.replies = [reply]
    with pytest.raises(UnexpectedAnswer) as caught:
        http.get("/x")
    assert caught.value.status == reply.status
    assert store.load() == OLD
    assert http.get("/x").json() == {"token": "Bearer access-2"}


def test_a_logout_that_is_not_confirmed_keeps_the_tokens(
    http: Driven, service: Service, store: MemoryTokens, variant: Variant
) -> None:
    auth = http.client.auth
    for reply, error in (
        (problem(503, "overloaded"), Unavailable),
        (problem(429, "throttled"), Unavailable),
        (problem(400, "invalid_request"), UnexpectedAnswer),
        (problem(401, "missing_credential"), UnexpectedAnswer),
        (Reply(200, TOKENS), UnexpectedAnswer),
    ):
        service.replies = [reply]
        with pytest.raises(error):
            http.logout(auth)
        assert store.load() == OLD
    with variant.client(auth, "http://127.0.0.1:9"):
        service.replies = [problem(401, "session_ended")]
        http.logout(auth)
    assert store.load() == Tokens()


def test_a_store_that_another_holds_is_waited_for_and_then_said(
    http: Driven, store: MemoryTokens, clock: ClientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.pass_seconds(600)
    assert store.try_lock()
    before, monotonic = clock.steady_seconds, iter(range(1000))
    monkeypatch.setattr(clock, "steady", lambda: before + next(monotonic) / 10)
    with pytest.raises(Unavailable, match="locked"):
        http.get("/x")
    store.unlock()
    assert http.get("/x").json() == {"token": "Bearer access-2"}


class FullDisk(MemoryTokens):
    """A store that cannot keep what it is given."""

    def save(self, tokens: Tokens) -> None:
        if tokens.access_token == "access-2":
            raise OSError(28, "No space left on device")
        super().save(tokens)


def test_tokens_that_cannot_be_kept_are_not_used(variant: Variant, peer: Scripted, clock: ClientClock) -> None:
    store = FullDisk()
    store.save(OLD)
    clock.pass_seconds(600)
    with variant.client(Auth(f"{peer.url}/auth", store=store, clock=clock), peer.url) as http:
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                http.get("/x")
    assert peer.paths() == ["/auth/refresh"] * 2
    assert {one.body for one in peer.received} == {b'{"refresh_token":"refresh-1"}'}


def test_a_dead_server_is_the_librarys_own_error_and_keeps_the_tokens(
    variant: Variant, store: MemoryTokens, clock: ClientClock
) -> None:
    clock.pass_seconds(600)
    auth = Auth("http://127.0.0.1:9/auth", store=store, clock=clock)
    with variant.client(auth, "http://127.0.0.1:9") as http:
        for _ in range(2):
            with pytest.raises(variant.library.ConnectError):
                http.get("/x")
        with pytest.raises(variant.library.ConnectError):
            http.logout(auth)
    assert store.load() == OLD


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
def test_r1_lost_refreshes_log_nobody_out(variant: Variant, served: ServedThread, lost: str) -> None:
    """Each second refresh, over a real network that loses it, for a day of sessions."""
    clock, store = ClientClock(), MemoryTokens()
    with losing_proxy(int(served.url.rpartition(":")[2]), **{lost: 2}) as proxy:
        auth = Auth(f"{proxy.url}/auth", store=store, clock=clock)
        with variant.client(auth, proxy.url) as http:
            user = http.register(auth)
            failed = 0
            for _ in range(12):
                clock.pass_seconds(1800)
                served.pass_seconds(1800)
                while True:
                    try:
                        assert http.get("/orders").json() == {"subject": user.id}
                        break
                    except variant.library.TransportError:
                        failed += 1
                        served.pass_seconds(60)
            assert failed == proxy.lost >= 10


def test_i15_no_log_and_no_repr_shows_a_token_or_a_password(
    variant: Variant, served: ServedThread, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    clock, store = ClientClock(), FileTokens(tmp_path / "tokens.json")
    auth = Auth(f"{served.url}/auth", store=store, clock=clock)
    seen: list[Tokens] = []
    with variant.client(auth, served.url) as http:
        user = http.register(auth)
        for _ in range(2):
            seen.append(store.load())
            clock.pass_seconds(1800)
            served.pass_seconds(1800)
            http.get("/orders")
        seen.append(store.load())
        served.run(served.auth.revoke_subject(user.id))
        with pytest.raises(LoggedOut) as caught:
            http.get("/orders")
    shown = f"{caplog.text} {caught.value} {auth!r} {store!r} {seen!r} {user!r} {auth._session._held!r}"
    assert "the session is over: session_ended" in shown
    assert PASSWORD not in shown
    for tokens in seen:
        for secret in (tokens.access_token, tokens.refresh_token, tokens.device):
            assert secret
            assert secret not in shown
