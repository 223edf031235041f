"""A client's session: the current access token, its refresh, and its end. Generators of steps, without I/O.

The law of this file: only a 401 of the auth service with one of three codes (`answers.py`) logs anybody out. A lost
answer, a dead network, 409, 429, 5xx and a killed process keep the refresh token, and by the server's rules (design D5)
it may be used again. A refresh token is sent under the store's lock only, and never again once the server has said that
it was superseded: after the retry window that would end the session for its rightful holder.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, assert_never

from sealring.client.answers import Later, SessionOver, Superseded, Unknown, read_login, read_refresh
from sealring.client.caller import Caller
from sealring.client.clock import Clock
from sealring.client.errors import LoggedOut, UnexpectedAnswer
from sealring.client.single_flight import Flight, SingleFlight
from sealring.client.steps import Do, Join, Pause, Steps
from sealring.client.token_store import TokenStore
from sealring.client.tokens import Held, TokenAnswer, Tokens, User, hold
from sealring.errors import RefreshSuperseded, Unavailable
from sealring.forks import watch_forks

T = TypeVar("T")

EARLY_PAUSE_SECONDS = 5.0
"""Between attempts to refresh a token that is still accepted."""
OTHERS_SAVE_SECONDS = 5.0
"""How long the store may lack the tokens of who refreshed first."""
_log = logging.getLogger("sealring.client")


class ClientSession:
    """One session, as any number of clients, threads and event loops of this process share it.

    Args:
        url: of the auth routes, without a final slash.
        store: where the tokens are kept.
        max_wait: the longest that one request waits for a refresh, seconds.
        clock: expiry by its steady time, ages in files by its wall time.
    """

    def __init__(self, url: str, store: TokenStore, max_wait: float, clock: Clock) -> None:
        self._url = url
        self._store = store
        self._max_wait = max_wait
        self._clock = clock
        self._flight = SingleFlight()
        self._held: Held | None = None
        self._refused: str | None = None
        self._superseded: str | None = None
        self._early_not_before = -math.inf
        self._locked_by: Flight | None = None
        watch_forks(self)

    def access(self, caller: Caller) -> Steps[str]:
        """Return an access token that has not expired, refreshed when it is due."""
        held, now = self._held, self._clock.steady()
        if held is None or now >= held.expires_at or held.access_token == self._refused:
            return (yield from self.renew(caller, self._refused))
        if now < held.due_at or now < self._early_not_before or self._flight.is_running:
            return held.access_token
        # still accepted: the others go on with it meanwhile, and so does this request, unless it brings a new one
        self._early_not_before = now + EARLY_PAUSE_SECONDS
        try:
            return (yield from self.renew(caller, self._refused, patience=0))
        except (Unavailable, RefreshSuperseded, UnexpectedAnswer) as error:
            _log.info("a refresh before the access token expires failed: %s", error)
            return held.access_token

    def refuse(self, token: str) -> None:
        """Note that a resource refused this access token: the next request brings another."""
        self._refused = token

    def renew(self, caller: Caller, refused: str | None, *, patience: float | None = None) -> Steps[str]:
        """Return an access token other than `refused` that is not due: from the store, or by a refresh.

        Raises:
            LoggedOut: the session has ended, or there is none.
            Unavailable: no answer but "later" within `patience` seconds, by default `max_wait`.
            RefreshSuperseded: another holder refreshed, and its tokens are not in the store.
            UnexpectedAnswer: see there.
        """
        deadline = self._deadline(patience)
        give_up = min(deadline, self._clock.steady() + OTHERS_SAVE_SECONDS)
        while True:
            refresh = self._refresh(caller, refused, deadline)
            held = yield from self._alone(deadline, refresh, lambda: self._good(refused))
            if held is not None:
                return held.access_token
            if self._clock.steady() >= give_up:
                raise RefreshSuperseded("the session was refreshed elsewhere, and the token store lacks its new tokens")
            yield Pause(0.1)  # who refreshed first is about to save

    def begin(self, caller: Caller, path: str, fields: dict[str, Any]) -> Steps[User | None]:
        """Log in at `path` and keep the tokens in place of any others."""
        device = (yield Do(self._store.load)).device
        if path == "/login" and device is not None:
            fields = {"device": device} | fields
        began = self._clock.steady()
        answer = yield from caller.post(self._url, path, fields)
        tokens = read_login(path, answer, self._wall_time())
        _check_bound(tokens, caller, path)
        yield from self._alone(self._deadline(), self._save(tokens, began, device))
        return tokens.user

    def end(self, caller: Caller) -> Steps[None]:
        """Log out, and forget the tokens once the server has confirmed it."""
        yield from self._alone(self._deadline(), self._log_out(caller))

    def _alone(self, deadline: float, steps: Steps[T], enough: Callable[[], T | None] = lambda: None) -> Steps[T]:
        """Run `steps` as the only ones of all processes. After each wait, what `enough` returns may do instead."""
        while True:
            flight, is_mine = self._flight.join()
            if is_mine:
                break
            if not (yield Join(flight, max(0.0, deadline - self._clock.steady()))):
                raise Unavailable("another request is still refreshing the session")
            if (found := enough()) is not None:
                return found
        try:
            self._unlock(self._locked_by)  # by a task whose loop was closed under it
            pause = 0.01
            while not self._store.try_lock():
                if self._clock.steady() >= deadline:
                    raise Unavailable("the token store is locked by another process")
                yield Pause(pause)
                pause = min(2 * pause, 0.2)
            self._locked_by = flight
            return (yield from steps)
        finally:
            self._unlock(flight)
            self._flight.leave(flight)

    def _unlock(self, holder: Flight | None) -> None:
        if holder is not None and self._locked_by is holder:
            self._locked_by = None
            self._store.unlock()

    def forked(self) -> None:
        """Start again in a forked child, from what the store has for it."""
        self._held = self._locked_by = None

    def _refresh(self, caller: Caller, refused: str | None, deadline: float) -> Steps[Held | None]:
        """Refresh what the store holds, unless it holds better; None when that was superseded. Runs alone."""
        stored: Tokens = yield Do(self._store.load)
        self._take(stored)
        if (good := self._good(refused)) is not None:
            return good
        token = stored.refresh_token
        if token is None:
            raise LoggedOut("no_session")
        while token != self._superseded:
            began = self._clock.steady()
            answer = yield from caller.post(self._url, "/refresh", {"refresh_token": token})
            match read_refresh(answer, self._wall_time()):
                case TokenAnswer() as tokens:
                    _check_bound(tokens, caller, "/refresh")
                    return (yield from self._save(tokens, began, stored.device))
                case SessionOver(reason):
                    yield from self._forget(stored)
                    _log.warning("the session is over: %s", reason)
                    raise LoggedOut(reason)
                case Superseded():
                    self._superseded = token
                case Later(seconds):
                    if self._clock.steady() + seconds > deadline:
                        raise Unavailable("the auth service does not answer now", math.ceil(seconds))
                    yield Pause(seconds)
                case Unknown(code):
                    raise UnexpectedAnswer("/refresh", answer.status, code)
                case never:
                    assert_never(never)
        return None

    def _log_out(self, caller: Caller) -> Steps[None]:
        stored: Tokens = yield Do(self._store.load)
        if stored.refresh_token is not None:
            answer = yield from caller.post(self._url, "/logout", {"refresh_token": stored.refresh_token})
            if answer.status != 204:  # noqa: PLR2004 - RFC 9110 §15.3.5
                match read_refresh(answer, self._wall_time()):
                    case SessionOver():
                        pass
                    case Later(seconds):
                        raise Unavailable("the auth service does not answer now", math.ceil(seconds))
                    case _:
                        raise UnexpectedAnswer("/logout", answer.status)
        yield from self._forget(stored)

    def _save(self, answer: TokenAnswer, began: float, device: str | None) -> Steps[Held]:
        """Keep new tokens. Only what is on disk is used: the server counts the first use of a refresh token."""
        tokens = answer.tokens(self._clock.now() - (self._clock.steady() - began), device)
        yield Do(lambda: self._store.save(tokens))
        self._held = self._hold(tokens, age=self._clock.steady() - began)
        return self._held

    def _forget(self, stored: Tokens) -> Steps[None]:
        yield Do(lambda: self._store.save(stored.without_session()))
        self._held = None

    def _take(self, stored: Tokens) -> None:
        """Hold what the store holds; what is held already keeps its times by the steady clock."""
        if stored.access_token is None:
            self._held = None
        elif self._held is None or self._held.access_token != stored.access_token:
            self._held = self._hold(stored, age=self._clock.now() - stored.obtained_at)

    def _hold(self, tokens: Tokens, *, age: float) -> Held:
        dice = random.random()  # noqa: S311 - spreads refreshes, and keeps no secret
        return hold(tokens, age=age, steady=self._clock.steady(), dice=dice)

    def _good(self, refused: str | None) -> Held | None:
        held = self._held
        if held is None or held.access_token == refused or self._clock.steady() >= held.due_at:
            return None
        return held

    def _deadline(self, patience: float | None = None) -> float:
        return self._clock.steady() + (self._max_wait if patience is None else patience)

    def _wall_time(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)


def _check_bound(tokens: TokenAnswer, caller: Caller, path: str) -> None:
    """Keep no bearer token where the program has asked for better: its copies would be worth something.

    Raises:
        UnexpectedAnswer: the server binds nothing.
    """
    if caller.prover is not None and not tokens.is_bound:
        raise UnexpectedAnswer(path, 200, "not bound: SEALRING_DPOP is off there")
