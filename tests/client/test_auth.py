"""Login, requests, refresh and logout against a real server, by each kind of client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sealring.client import (
    Auth,
    LoggedOut,
    MemoryTokens,
    RefreshSuperseded,
    Throttled,
    Tokens,
    UnexpectedAnswer,
    WrongCredentials,
)
from tests.client.variants import Begun, ClientClock, Variant
from tests.serving import OTHER_PASSWORD, ServedThread, fresh_name

TTL = 1800


def stale(begun: Begun) -> None:
    """Make the access token one that every node refuses."""
    begun.served.run(begun.served.auth.refresh_claims(begun.user.id))


def test_a_login_gives_every_request_its_access_token(variant: Variant, served: ServedThread) -> None:
    name, auth = fresh_name(), Auth(f"{served.url}/auth")
    with variant.client(auth, served.url) as http:
        user = http.register(auth, name)
        http.logout(auth)
        again = http.login(auth, name)
        assert again is not None
        assert (again.id, again.username) == (user.id, name)
        assert http.get("/orders").json() == {"subject": user.id}


def test_without_a_session_nothing_is_sent(variant: Variant, served: ServedThread) -> None:
    auth = Auth(f"{served.url}/auth")
    with variant.client(auth, served.url) as http:
        with pytest.raises(LoggedOut, match="log in") as caught:
            http.get("/orders")
        assert caught.value.reason == "no_session"
        assert http.paths == []
        assert http.get("/orders", auth=None).status_code == 401


def test_wrong_credentials_are_said_so_and_change_nothing(begun: Begun) -> None:
    before, nobody = begun.tokens(), fresh_name()
    with pytest.raises(WrongCredentials):
        begun.http.login(begun.auth, str(begun.user.username), OTHER_PASSWORD)
    assert begun.tokens() == before
    for _ in range(10):
        with pytest.raises(WrongCredentials):
            begun.http.login(begun.auth, nobody, OTHER_PASSWORD)
    with pytest.raises(Throttled) as caught:
        begun.http.login(begun.auth, nobody, OTHER_PASSWORD)
    assert caught.value.retry_after > 0


def test_a_refused_registration_says_which_answer_it_was(begun: Begun) -> None:
    with pytest.raises(UnexpectedAnswer, match="name_taken") as caught:
        begun.http.register(begun.auth, begun.user.username)
    assert (caught.value.status, caught.value.answer_code) == (409, "name_taken")


def test_a_token_is_refreshed_a_little_before_it_expires(begun: Begun) -> None:
    first = begun.tokens()
    begun.pass_seconds(TTL - 61)
    assert begun.http.get("/orders").status_code == 200
    assert begun.http.refreshes() == 0
    begun.pass_seconds(32)
    assert begun.http.get("/orders").status_code == 200
    assert begun.http.paths[-2:] == ["/auth/refresh", "/orders"]
    assert begun.tokens().access_token != first.access_token
    assert begun.http.get("/orders").status_code == 200
    assert begun.http.refreshes() == 1


def test_a_step_of_the_wall_clock_neither_hurries_nor_delays_a_refresh(begun: Begun) -> None:
    begun.clock.wall += 10 * TTL
    assert begun.http.get("/orders").status_code == 200
    assert begun.http.refreshes() == 0
    begun.clock.wall -= 20 * TTL
    begun.pass_seconds(TTL - 10)
    assert begun.http.get("/orders").status_code == 200
    assert begun.http.refreshes() == 1


def test_after_a_refusal_of_the_token_a_request_goes_again_once_with_a_new_one(begun: Begun) -> None:
    stale(begun)
    answer = begun.http.request("POST", "/auth/password", json={"current": "not it", "new": OTHER_PASSWORD})
    assert answer.json()["code"] == "invalid_credentials", "the body came a second time, and was read"
    assert begun.http.paths == ["/auth/password", "/auth/refresh", "/auth/password"]


def test_a_streamed_body_is_not_sent_again_but_the_next_request_is_right(begun: Begun) -> None:
    def parts() -> Iterator[bytes]:
        yield b"{}"

    async def parts_async() -> AsyncIterator[bytes]:
        yield b"{}"

    stale(begun)
    streamed: Any = parts_async() if begun.http.variant.is_async else parts()
    answer = begun.http.request("POST", "/auth/password", content=streamed)
    assert answer.json()["code"] == "invalid_token"
    assert begun.http.paths == ["/auth/password"]
    assert begun.http.get("/orders").status_code == 200
    assert begun.http.paths[1:] == ["/auth/refresh", "/orders"]


def test_other_refusals_refresh_nothing(begun: Begun) -> None:
    assert begun.http.get("/auth/none").status_code == 404
    wrong = begun.http.request("POST", "/auth/password", json={"current": "not it", "new": OTHER_PASSWORD})
    assert wrong.status_code == 422
    assert begun.http.refreshes() == 0


def test_a_session_that_was_ended_is_over_and_its_tokens_are_gone(begun: Begun) -> None:
    begun.served.run(begun.served.auth.revoke_subject(begun.user.id))
    with pytest.raises(LoggedOut) as caught:
        begun.http.get("/orders")
    assert caught.value.reason == "session_ended"
    assert begun.tokens() == Tokens(device=begun.tokens().device)
    assert begun.tokens().device is not None, "the next login is still known by it"
    with pytest.raises(LoggedOut) as caught:
        begun.http.get("/orders")
    assert caught.value.reason == "no_session"


def test_a_reused_refresh_token_is_over_too(begun: Begun) -> None:
    first = begun.tokens()
    for _ in range(2):
        begun.pass_seconds(TTL)
        begun.http.get("/orders")
    begun.store.save(first)
    begun.pass_seconds(TTL)
    with pytest.raises(LoggedOut) as caught:
        begun.http.get("/orders")
    assert caught.value.reason == "refresh_reused"


def test_a_refresh_token_of_another_issuer_is_over_too(begun: Begun) -> None:
    begun.store.save(Tokens(access_token="other", refresh_token="other", expires_in=600))
    begun.pass_seconds(TTL)
    with pytest.raises(LoggedOut) as caught:
        begun.http.get("/orders")
    assert caught.value.reason == "invalid_token"
    assert begun.tokens().refresh_token is None


def test_a_logout_ends_the_session_everywhere(begun: Begun) -> None:
    token = begun.tokens().access_token
    begun.http.logout(begun.auth)
    assert begun.tokens().refresh_token is None
    again = begun.http.get("/orders", auth=None, headers={"Authorization": f"Bearer {token}"})
    assert again.json()["code"] == "invalid_token"
    begun.http.logout(begun.auth)
    assert begun.http.paths == ["/auth/logout", "/orders"]


def test_a_logout_of_a_session_that_has_ended_is_done(begun: Begun) -> None:
    begun.store.save(Tokens(access_token="other", refresh_token="other", expires_in=600))
    begun.http.logout(begun.auth)
    assert begun.tokens().refresh_token is None


def test_a_login_replaces_the_tokens_at_once(begun: Begun) -> None:
    other = fresh_name()
    begun.http.register(begun.auth, other)
    assert begun.http.get("/auth/me").json()["username"] == other


def test_the_device_of_an_earlier_session_is_sent_with_the_next_login(begun: Begun) -> None:
    device = begun.tokens().device
    assert device is not None
    begun.http.logout(begun.auth)
    sent: list[bytes] = []

    def note(request: Any) -> None:
        sent.append(request.content)

    async def note_async(request: Any) -> None:
        note(request)

    begun.http.client.event_hooks = {"request": [note_async if begun.http.variant.is_async else note]}
    begun.http.login(begun.auth, str(begun.user.username))
    assert device.encode() in sent[0]


class Overtaken:
    """A client with a copy of the tokens, while the first one has refreshed twice: its refresh token is superseded."""

    def __init__(self, begun: Begun) -> None:
        self.begun, self.store = begun, MemoryTokens()
        self.clock = ClientClock()
        self.clock.steady_seconds = begun.clock.steady_seconds
        self.store.save(begun.tokens())
        self.auth = Auth(f"{begun.served.url}/auth", store=self.store, clock=self.clock)
        for _ in range(2):
            begun.pass_seconds(TTL)
            begun.http.get("/orders")
        self.clock.pass_seconds(2 * TTL)


def test_r3_who_was_overtaken_finds_the_new_tokens_in_the_store(begun: Begun) -> None:
    late = Overtaken(begun)

    def others_save(request: Any) -> None:
        if request.url.path == "/auth/refresh":
            late.store.save(begun.tokens())

    async def others_save_async(request: Any) -> None:
        others_save(request)

    with begun.http.variant.client(late.auth, begun.served.url) as http:
        hooks = [*http.client.event_hooks["request"], others_save_async if http.variant.is_async else others_save]
        http.client.event_hooks = {"request": hooks}
        assert http.get("/orders").json() == {"subject": begun.user.id}
        assert http.refreshes() == 1


def test_r3_a_superseded_token_is_never_sent_again(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealring.client.session.OTHERS_SAVE_SECONDS", 0)
    late = Overtaken(begun)
    with begun.http.variant.client(late.auth, begun.served.url) as http:
        for _ in range(2):
            with pytest.raises(RefreshSuperseded):
                http.get("/orders")
            begun.pass_seconds(11)  # past the retry window the same token would end the session
            late.clock.pass_seconds(11)
        assert http.refreshes() == 1
        assert late.store.load().refresh_token is not None
    begun.pass_seconds(TTL)
    assert begun.http.get("/orders").status_code == 200, "the rightful holder goes on"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"url": None}, TypeError, "url must be text"),
        ({"store": "x"}, TypeError, "store must be a TokenStore"),
        ({"max_wait": -1}, ValueError, "max_wait must be seconds"),
        ({"max_wait": float("nan")}, ValueError, "max_wait must be seconds"),
        ({"max_wait": "1"}, TypeError, "max_wait must be a number"),
    ],
)
def test_an_argument_of_another_form_is_refused_where_it_is_given(
    given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Auth(**{"url": "https://app.example.com/auth"} | given)
