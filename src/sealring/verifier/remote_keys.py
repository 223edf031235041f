"""Key sets that other issuers publish over HTTP, fetched again in the background (RFC 7517 §5).

`sealring.jwt.remote_key_set` decides when to fetch and which keys to use, `issuer_metadata` where they are; the
thread is here, and `http_document` fetches. A verification never fetches: it refuses an unknown kid at once and wakes
the thread. Only `RemoteKeys.verify` waits for it, where an async caller asks.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import SplitResult

from sealring.errors import KeyRefused, Unavailable, UnknownKey
from sealring.forks import stop_watching, watch_forks
from sealring.jwt.durations import Duration, named_duration
from sealring.jwt.key_set import KeySet, known_algorithms
from sealring.jwt.remote_key_set import (
    MAX_BYTES,
    RemoteKeySet,
    fetch_began,
    fetch_failed,
    fetch_succeeded,
    is_fetch_due,
    keys_at,
    max_age_of,
    next_fetch_at,
    read_key_set,
)
from sealring.jwt.verifier import Verifier
from sealring.verifier.http_document import TIMEOUT_SECONDS, FetchOptions, checked_url, fetch
from sealring.verifier.issuer_metadata import metadata_urls, read_jwks_uri

T = TypeVar("T")

_MAX_SLEEP_SECONDS = 3600.0
_ASK_METADATA_AFTER_SECONDS = 24 * 3600  # an issuer that moves its keys announces that by its metadata
_JWKS, _JSON = "application/jwk-set+json, application/json", "application/json"
_log = logging.getLogger("sealring.remote_keys")


class RemoteKeysOptions(TypedDict, total=False):
    """The options of `RemoteKeys`, which says what they mean."""

    algorithms: Collection[str] | None
    kid_optional: bool
    headers: Mapping[str, str] | None
    ssl_context: ssl.SSLContext | None
    allow_http: bool
    max_bytes: int


class RemoteKeys:
    """A remote key set that a thread keeps fresh. Give it to a `jwt.Verifier` as its keys.

    `start` (or `with`) fetches the set once and starts the thread; `close` ends it, and the current keys stay usable
    until their end. In an event loop `async with` does the same without blocking it. A process that forks after
    `start` may use the keys on both sides: the child starts a thread of its own.

    Args:
        url: of the JWK Set, https, or http on loopback. `from_issuer` finds it by the issuer's name.
        algorithms: what the keys may be used for: names for keys without `alg`, and all others are skipped. Without
            it, an RSA key without `alg` is for RS256.
        kid_optional: whether a token without `kid` is verified with the only key of its algorithm (OpenID Connect
            Core §10.1).
        headers: request fields, such as `User-Agent` (`sealring` when left out) or a credential.
        ssl_context: certificate authorities of your own; it must verify certificates and host names.
        allow_http: whether http is allowed everywhere: inside one machine or one cluster, where nobody else can answer.
        max_bytes: the longest document, 256 KiB when left out.

    Raises:
        ValueError, TypeError: any other URL, or a wrong option.

    Source: RFC 7517 §5.

    >>> from sealring import jwt
    >>> keys = RemoteKeys("https://issuer.example.com/.well-known/jwks.json")
    >>> verifier = jwt.Verifier(keys, issuer="https://issuer.example.com", audience="https://api.example.com")
    >>> len(keys.keys)  # not started yet
    0
    """

    def __init__(
        self,
        url: str,
        *,
        algorithms: Collection[str] | None = None,
        kid_optional: bool = True,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_http: bool = False,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._options = FetchOptions(
            headers={} if headers is None else headers,
            ssl_context=ssl_context,
            allow_http=allow_http,
            max_bytes=max_bytes,
        )
        if not isinstance(kid_optional, bool):
            raise TypeError("kid_optional must be True or False")
        self._algorithms, self._kid_optional = known_algorithms(algorithms), kid_optional
        self._given = checked_url("a key set", url, allow_http=allow_http)
        self._issuer: str | None = None
        self._found: SplitResult | None = None
        self._asked_metadata_at = 0.0
        self._state = RemoteKeySet()
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._fetched: Future[None] = Future()
        self._thread: threading.Thread | None = None

    @classmethod
    def from_issuer(cls, issuer: str, **options: Unpack[RemoteKeysOptions]) -> Self:
        """Return the keys of an issuer, whose metadata say where they are.

        Args:
            issuer: exactly as in its metadata and in `iss` of its tokens. `/.well-known/openid-configuration` below it
                is asked (OpenID Connect Discovery §4), then `/.well-known/oauth-authorization-server` (RFC 8414 §3).
            options: those of `RemoteKeys`.

        The metadata are asked for again once a day, and after a fetch that failed. An issuer on https that names keys
        on http is refused. `headers` go to the origin of the issuer alone.

        Raises:
            ValueError, TypeError: no such URL, or a wrong option.

        >>> keys = RemoteKeys.from_issuer("https://accounts.example.com")
        >>> len(keys.keys)  # not started yet
        0
        """
        keys = cls(issuer, **options)
        if keys._given.query:
            raise ValueError("an issuer's URL has no query")  # RFC 8414 §2
        keys._issuer = issuer
        return keys

    @property
    def keys(self) -> KeySet:
        """The keys that may be used now; empty before the first fetch and past the end of the set."""
        return keys_at(self._state, time.monotonic())

    def __call__(self, header: dict[str, Any]) -> KeySet:
        """Return the current set, as a key resolver. A kid that is not in it asks for a fetch in the background."""
        keys = self.keys
        kid = header.get("kid")
        if kid is not None and keys.get(kid) is None and is_fetch_due(self._state, time.monotonic(), unknown_kid=True):
            self._woken.set()
        return keys

    async def verify(self, verifier: Verifier[T], token: str, *, wait: Duration = "2s") -> T:
        """Return what `verifier.verify(token)` returns; where the kid is unknown, wait for one fetch of the keys.

        So the first token after a rotation that nobody announced is accepted. All who wait share one fetch, and there
        is one in 30 seconds: between them an unknown kid is refused at once, so invented names cost nothing.

        Args:
            verifier: one that has these keys.
            token: the compact text.
            wait: at most so long.

        Returns:
            The Token, or what the verifier's `project` made of it.

        Raises:
            TokenError: as `verifier.verify`.

        >>> from sealring import jwt
        >>> keys = RemoteKeys.from_issuer("https://accounts.example.com")
        >>> verifier = jwt.Verifier(keys, issuer="https://accounts.example.com", audience="orders")
        >>> async def user_of(token):
        ...     return (await keys.verify(verifier, token)).claims["sub"]
        """
        seconds = named_duration("wait", wait)
        fetched, keys = self._fetched, self._state.keys
        try:
            return verifier.verify(token)
        except UnknownKey:
            state = self._state
            if state.keys is keys:  # no fetch ended meanwhile
                due = is_fetch_due(state, time.monotonic(), unknown_kid=True)
                if self._thread is None or not (state.fetching or due):
                    raise
                self._woken.set()
                with suppress(TimeoutError):
                    # shielded: one caller that goes away must not end the waiting of the others
                    await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(fetched)), seconds)
        return verifier.verify(token)

    def start(self) -> Self:
        """Fetch the set and keep it fresh from now on.

        Raises:
            Unavailable: this first fetch failed.
            RuntimeError: it is started already.

        >>> keys = RemoteKeys("http://127.0.0.1:9/jwks.json")  # nobody listens there
        >>> keys.start()
        Traceback (most recent call last):
        sealring.errors.Unavailable: key set: ConnectionRefusedError
        """
        if self._thread is not None:
            raise RuntimeError("these remote keys are started already")
        self._fetch(forced=True)
        self._start_thread()
        return self

    def close(self) -> None:
        """End the thread; the current keys stay usable until their end. `start` may follow.

        >>> RemoteKeys("https://issuer.example.com/.well-known/jwks.json").close()  # it need not be started
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            stop_watching(self)
            self._closing.set()
            self._woken.set()
            thread.join(2 * TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def _start_thread(self) -> None:
        self._lock, self._woken, self._closing = threading.Lock(), threading.Event(), threading.Event()
        self._fetched = Future()
        self._thread = threading.Thread(target=self._run, name="sealring-remote-keys", daemon=True)
        self._thread.start()
        watch_forks(self)

    def forked(self) -> None:
        """Start a thread in a forked child: the parent's is not there, and any lock may be held."""
        self._state = fetch_failed(self._state)  # a fetch that was under way is the parent's
        self._start_thread()

    def _run(self) -> None:
        woken, closing = self._woken, self._closing
        while not closing.is_set():
            woken.wait(self._seconds_to_next())
            if closing.is_set():
                return
            try:
                self._fetch()
            except Unavailable as error:
                _log.warning("%s; the last good key set is used until its end", error)
            except Exception:  # noqa: BLE001  # if the thread ended here, the keys would silently never be fetched again
                _log.exception("key set: the fetch failed; the last good key set is used until its end")
            finally:
                fetched, self._fetched = self._fetched, Future()
                fetched.set_result(None)
            woken.clear()

    def _fetch(self, *, forced: bool = False) -> None:
        """Fetch if it is due (or `forced`) and no other fetch runs."""
        with self._lock:
            began = time.monotonic()
            due = forced or is_fetch_due(self._state, began, unknown_kid=self._woken.is_set())
            if self._state.fetching or not due:
                return
            self._state = fetch_began(self._state, began)
        try:
            body, cache_control = fetch(self._key_set_url(began), self._options, accept=_JWKS, named=self._given)
            keys = read_key_set(
                body, max_bytes=self._options.max_bytes, algorithms=self._algorithms, kid_optional=self._kid_optional
            )
        except BaseException as error:
            self._state, self._found = fetch_failed(self._state), None
            if isinstance(error, KeyRefused | Unavailable):
                raise Unavailable(f"key set: {error}") from None
            raise
        # counted from the start of the fetch: a key that was withdrawn meanwhile must not count as fresh
        self._state = fetch_succeeded(self._state, began, keys, max_age_of(cache_control))

    def _key_set_url(self, now: float) -> SplitResult:
        """Return the address of the keys, from the metadata where an issuer was given."""
        if self._issuer is None:
            return self._given
        if self._found is None or now >= self._asked_metadata_at + _ASK_METADATA_AFTER_SECONDS:
            uri = read_jwks_uri(self._metadata(), self._issuer)
            try:
                # http only where the issuer itself is on http: metadata must not lead from https to a plain connection
                found = checked_url("a key set", uri, allow_http=self._options.allow_http)
                if found.scheme != self._given.scheme and found.scheme == "http":
                    raise ValueError("the metadata of an issuer on https name keys on http")  # noqa: TRY301
            except ValueError as error:
                raise KeyRefused(str(error)) from None
            self._found, self._asked_metadata_at = found, now
        return self._found

    def _metadata(self) -> bytes:
        openid, oauth = metadata_urls(self._given)
        try:
            return fetch(openid, self._options, accept=_JSON, named=self._given)[0]
        except Unavailable as first:
            try:
                return fetch(oauth, self._options, accept=_JSON, named=self._given)[0]
            except Unavailable:
                raise first from None

    def _seconds_to_next(self) -> float:
        return min(max(next_fetch_at(self._state) - time.monotonic(), 1.0), _MAX_SLEEP_SECONDS)
