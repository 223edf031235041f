"""`Auth`: the session as an authentication scheme of httpx2 and httpx, sync and async."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, overload

from sealring.client.answers import is_refused_token
from sealring.client.caller import Caller, answer_of
from sealring.client.clock import Clock, SystemClock
from sealring.client.libraries import auth_classes, is_async, is_replayable
from sealring.client.origins import origin_of, read_base, read_origin
from sealring.client.session import ClientSession
from sealring.client.steps import Read, Send, Steps, drive, drive_async
from sealring.client.token_store import MemoryTokens, TokenStore
from sealring.client.tokens import User

if TYPE_CHECKING:
    import httpx
    import httpx2

    from sealring.client.prover import Prover
    from sealring.jwt import Key

    class _LibraryAuth(httpx2.Auth, httpx.Auth):  # type: ignore[misc]  # of each its own Request
        pass
else:
    _LibraryAuth = type("_LibraryAuth", auth_classes(), {"__doc__": "What the clients of both libraries accept."})

_STORE = ("load", "save", "try_lock", "unlock")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 §9.2.1: sent again after a redirect too."""
Fields: TypeAlias = Mapping[str, Any]
"""A JSON object."""


class SyncClient(Protocol):
    """A `Client` of httpx2 or httpx."""

    def close(self) -> None:
        """As there."""


class AsyncClient(Protocol):
    """An `AsyncClient` of httpx2 or httpx."""

    async def aclose(self) -> None:
        """As there."""


class Auth(_LibraryAuth):
    """A session with Sealring, as the `auth=` of a `Client` or `AsyncClient` of httpx2 or httpx.

    One object serves any number of clients, threads and event loops (asyncio). Requests to other origins pass
    untouched, redirects included, and so does a request with an Authorization field of its own. A request without a
    session raises `LoggedOut`; with `auth=None` it is sent without one.

    Args:
        url: of the auth routes, such as `https://app.example.com/auth`; https, or http on loopback.
        store: where the tokens are kept; by default in memory.
        origins: that get the access token beside the one of `url`, such as `https://api.example.com`.
        max_wait: the longest that one request waits for a refresh, seconds.
        clock: for tests.
        key: a private key (`jwt.Key`) to which the session is bound (DPoP): its tokens are worth nothing without it.
            Make it once, and keep it as long as the tokens. Needs a server with `SEALRING_DPOP`.

    Raises:
        TypeError, ValueError: an argument of another form.

    >>> Auth("https://app.example.com/auth", origins=["https://api.example.com"])
    Auth('https://app.example.com/auth')
    """

    def __init__(
        self,
        url: str,
        *,
        store: TokenStore | None = None,
        origins: Iterable[str] = (),
        max_wait: float = 30.0,
        clock: Clock | None = None,
        key: Key | None = None,
    ) -> None:
        if isinstance(origins, str):
            raise TypeError("origins must be a list of strings, not one string")
        if not isinstance(url, str):
            raise TypeError("url must be text, such as 'https://app.example.com/auth'")
        lacking = [name for name in _STORE if store is not None and not callable(getattr(store, name, None))]
        if lacking:
            raise TypeError(f"store must be a TokenStore, such as MemoryTokens() or FileTokens(path): no {lacking[0]}")
        if isinstance(max_wait, bool) or not isinstance(max_wait, int | float):
            raise TypeError("max_wait must be a number of seconds")
        if not (math.isfinite(max_wait) and max_wait >= 0):
            raise ValueError("max_wait must be seconds, zero or more")
        self._url, own = read_base(url)
        self._origins = frozenset({own, *(read_origin("origins", one) for one in origins)})
        kept = MemoryTokens() if store is None else store
        clock = SystemClock() if clock is None else clock
        self._session = ClientSession(self._url, kept, max_wait, clock)
        self._prover: Prover | None = None
        if key is not None:
            from sealring.client.prover import Prover  # noqa: PLC0415 - who has no key, loads no signatures

            self._prover = Prover(key, clock)

    def __repr__(self) -> str:
        return f"Auth({self._url!r})"

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Send `request` with the access token, refreshed when that is due; as the libraries call it.

        Args:
            request: of httpx2 or httpx.

        Yields:
            Requests to send, a refresh among them; the library sends back each response.

        Raises:
            LoggedOut: the session has ended, or there is none.
            RefreshSuperseded, Unavailable, UnexpectedAnswer: no token could be brought; the session may go on.

        >>> import time
        >>> import httpx2
        >>> from sealring.client import MemoryTokens, Tokens
        >>> store = MemoryTokens()
        >>> store.save(Tokens(access_token="a", refresh_token="r", expires_in=1800, obtained_at=time.time()))
        >>> session = Auth("https://app.example.com/auth", store=store)
        >>> next(session.auth_flow(httpx2.Request("GET", "https://app.example.com/orders"))).headers["Authorization"]
        'Bearer a'
        """
        return drive(self._authenticated(request))

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """See `auth_flow`; for a `Client`.

        Args:
            request: of httpx2 or httpx.

        >>> import httpx2
        >>> request = httpx2.Request("GET", "https://elsewhere.example/")
        >>> sent = next(Auth("https://app.example.com/auth").sync_auth_flow(request))
        >>> "Authorization" in sent.headers
        False
        """
        return drive(self._authenticated(request))

    def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """See `auth_flow`; for an `AsyncClient`.

        Args:
            request: of httpx2 or httpx.

        >>> import httpx2
        >>> request = httpx2.Request("GET", "https://elsewhere.example/")
        >>> sent = await anext(Auth("https://app.example.com/auth").async_auth_flow(request))
        >>> "Authorization" in sent.headers
        False
        """
        return drive_async(self._authenticated(request))

    @overload
    def login(self, client: AsyncClient, username: str, password: str) -> Coroutine[Any, Any, User | None]: ...
    @overload
    def login(self, client: SyncClient, username: str, password: str) -> User | None: ...
    def login(self, client: Any, username: str, password: str) -> Any:
        """Log in through `client` and keep the tokens; to be awaited with an `AsyncClient`.

        The tokens of an earlier session are replaced. That session lives on: `logout` ends it.

        Args:
            client: a `Client` or `AsyncClient` of httpx2 or httpx.
            username: as it was typed.
            password: as it was typed.

        Returns:
            The account, as the server describes it; None where it does not.

        Raises:
            WrongCredentials: username or password is wrong.
            SecondFactorRequired: one more factor is needed; the next step goes to `login_at`.
            Throttled, Unavailable: try again in `retry_after` seconds.
            UnexpectedAnswer: any other answer; or `url` is not that of the auth routes.

        >>> import httpx2
        >>> from sealring.testing import InMemorySealring
        >>> server = InMemorySealring()
        >>> account = server.sync().accounts.create("ada", "correct horse battery")
        >>> with httpx2.Client(transport=httpx2.WSGITransport(server.wsgi())) as client:
        ...     session = Auth("http://127.0.0.1")
        ...     session.login(client, "ada", "correct horse battery").username
        ...     client.get("http://127.0.0.1/me", auth=session).status_code
        'ada'
        200
        """
        return self.login_at(client, "/login", {"username": username, "password": password})

    @overload
    def login_at(self, client: AsyncClient, path: str, fields: Fields) -> Coroutine[Any, Any, User | None]: ...
    @overload
    def login_at(self, client: SyncClient, path: str, fields: Fields) -> User | None: ...
    def login_at(self, client: Any, path: str, fields: Fields) -> Any:
        """Log in at another route that answers with tokens, such as `/register` or the second step of a login.

        Args:
            client: as for `login`.
            path: below `url`, with a slash first.
            fields: the JSON body.

        Returns:
            As `login`.

        Raises:
            ValueError: `path` does not begin with a slash.
            WrongCredentials, SecondFactorRequired, Throttled, Unavailable, UnexpectedAnswer: as `login`.

        >>> import httpx2
        >>> from sealring.testing import InMemorySealring
        >>> server = InMemorySealring()
        >>> with httpx2.Client(transport=httpx2.WSGITransport(server.wsgi())) as client:
        ...     fields = {"username": "ada", "password": "correct horse battery"}
        ...     Auth("http://127.0.0.1").login_at(client, "/register", fields).username
        'ada'
        """
        if not path.startswith("/"):
            raise ValueError("path must begin with a slash")
        return _run(client, self._session.begin(self._caller(client), path, dict(fields)))

    @overload
    def logout(self, client: AsyncClient) -> Coroutine[Any, Any, None]: ...
    @overload
    def logout(self, client: SyncClient) -> None: ...
    def logout(self, client: Any) -> Any:
        """End the session everywhere and forget its tokens; to be awaited with an `AsyncClient`.

        The tokens are kept, and this raises, where the server does not confirm the end.

        Args:
            client: as for `login`.

        Raises:
            Unavailable: try again in `retry_after` seconds.
            UnexpectedAnswer: neither done nor ended already.

        >>> import httpx2
        >>> from sealring.testing import InMemorySealring
        >>> server, session = InMemorySealring(), Auth("http://127.0.0.1")
        >>> with httpx2.Client(transport=httpx2.WSGITransport(server.wsgi())) as client:
        ...     user = session.login_at(client, "/register", {"username": "ada", "password": "correct horse battery"})
        ...     session.logout(client)
        ...     answer = client.get("http://127.0.0.1/me", auth=session)
        Traceback (most recent call last):
        sealring.client.errors.LoggedOut: the token store holds no session: log in
        """
        return _run(client, self._session.end(self._caller(client)))

    def _authenticated(self, request: Any) -> Steps[None]:
        if not self._is_ours(request.url) or "Authorization" in request.headers:
            yield Send(request)
            return
        token = yield from self._session.access(self._caller(request))
        response = yield from self._send(request, token)
        sent = response.request  # another one, after a redirect
        if response.status_code not in {401, 403} or sent.headers.get("Authorization") != self._credential(token):
            return
        yield Read(response)  # a request that waits for a refresh must not keep a connection that the refresh needs
        if not is_refused_token(answer_of(response)):
            return
        if is_replayable(request) and (sent is request or request.method in SAFE):
            token = yield from self._session.renew(self._caller(request), token)
            yield from self._send(request, token)
        else:  # not refreshed here: the caller would get the last answer of this flow, which is the refresh's
            self._session.refuse(token)

    def _send(self, request: Any, token: str) -> Steps[Any]:
        """Send a request with the token, and with a proof where there is a key; again, where the server says how."""
        request.headers["Authorization"] = self._credential(token)
        if self._prover is None:
            return (yield Send(request))
        self._prover.prove(request, token)
        response = yield Send(request)
        self._prover.take_nonce(response)
        sent = response.request
        if response.status_code != 401 or "Authorization" not in sent.headers:  # noqa: PLR2004 - RFC 9110 §15.5.2
            return response
        yield Read(response)
        # a proof is of one URL: where the request was redirected, the one for the first URL does not do
        is_elsewhere = sent is not request and sent.method in SAFE and self._is_ours(sent.url)
        if not is_elsewhere and not (
            is_replayable(sent) and self._prover.must_prove_again(response, answer_of(response))
        ):
            return response
        self._prover.prove(sent, token)
        response = yield Send(sent)
        self._prover.take_nonce(response)
        return response

    def _credential(self, token: str) -> str:
        return f"Bearer {token}" if self._prover is None else f"DPoP {token}"

    def _caller(self, thing: Any) -> Caller:
        return Caller.of(thing, self._prover)

    def _is_ours(self, url: Any) -> bool:
        return origin_of(url.scheme, url.raw_host.decode("ascii"), url.port) in self._origins


def _run(client: Any, steps: Steps[Any]) -> Any:
    """Carry out steps through a client; what they return, or a coroutine of that."""
    return _send_async(client, steps) if is_async(client) else _send(client, steps)


def _send(client: Any, steps: Steps[Any]) -> Any:
    flow, response = drive(steps), None
    try:
        while True:
            try:
                request = flow.send(response)
            except StopIteration as done:
                return done.value
            response = client.send(request, auth=None, follow_redirects=False)
    finally:
        flow.close()


async def _send_async(client: Any, steps: Steps[Any]) -> Any:
    came: list[Any] = []

    def kept() -> Steps[None]:  # an asynchronous generator returns nothing
        came.append((yield from steps))

    flow, response = drive_async(kept()), None
    try:
        while True:
            try:
                request = await flow.asend(response)
            except StopAsyncIteration:
                return came[0]
            response = await client.send(request, auth=None, follow_redirects=False)
    finally:
        await flow.aclose()
