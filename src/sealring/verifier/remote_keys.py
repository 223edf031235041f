"""Key sets that other issuers publish over HTTP, fetched again in the background (RFC 7517 §5).

`sealring.jwt.remote_key_set` decides when to fetch and which keys to use; the I/O is here: https only (http on
loopback), no redirect, no proxy, bounded size and time. A verification never fetches: it refuses an unknown kid at
once and wakes the thread.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from sealring.errors import KeyRefused, Unavailable
from sealring.forks import stop_watching, watch_forks
from sealring.jwt.key_set import KeySet
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
from sealring.rate_limits.networks import is_loopback

TIMEOUT_SECONDS = 5.0
_MAX_SLEEP_SECONDS = 3600.0
_log = logging.getLogger("sealring.remote_keys")


class RemoteKeys:
    """A remote key set that a thread keeps fresh. Give it to a `jwt.Verifier` as its keys.

    `start` (or `with`) fetches the set once and starts the thread; `close` ends it, and the current keys stay usable
    until their end. In an event loop `async with` does the same without blocking it. A process that forks after
    `start` may use the keys on both sides: the child starts a thread of its own.

    Args:
        url: of the JWK Set, https, or http on loopback.

    Raises:
        ValueError: any other URL.

    Source: RFC 7517 §5.

    >>> from sealring import jwt
    >>> keys = RemoteKeys("https://issuer.example.com/.well-known/jwks.json")
    >>> verifier = jwt.Verifier(keys, issuer="https://issuer.example.com", audience="https://api.example.com")
    >>> len(keys.keys)  # not started yet
    0
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._state = RemoteKeySet()
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

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
            body, cache_control = fetch(self._url)
            keys = read_key_set(body)
        except BaseException as error:
            self._state = fetch_failed(self._state)
            if isinstance(error, KeyRefused):
                raise Unavailable(f"key set: {error}") from None
            raise
        # counted from the start of the fetch: a key that was withdrawn meanwhile must not count as fresh
        self._state = fetch_succeeded(self._state, began, keys, max_age_of(cache_control))

    def _seconds_to_next(self) -> float:
        return min(max(next_fetch_at(self._state) - time.monotonic(), 1.0), _MAX_SLEEP_SECONDS)


def fetch(url: SplitResult) -> tuple[bytes, str | None]:
    """Return body and Cache-Control of a 200 answer, within `TIMEOUT_SECONDS` once connected; raises `Unavailable`."""
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection = _connection(url)
    limit = None
    try:
        connection.connect()
        # a socket's timeout starts again with every byte: only this timer ends an answer that drips. It gets the
        # socket now, since the connection drops it when the answer begins
        limit = threading.Timer(TIMEOUT_SECONDS, _cut, [connection.sock])
        limit.daemon = True
        limit.start()
        connection.request("GET", path, headers={"Accept": "application/jwk-set+json, application/json"})
        response = connection.getresponse()
        if response.status != http.client.OK:  # a redirect would let the other side choose the address
            raise Unavailable(f"key set: answer {response.status}")
        body = response.read(MAX_BYTES + 1)  # one byte more than `read_key_set` accepts
        if response.length:
            raise Unavailable(f"key set: answer incomplete, or longer than {MAX_BYTES} bytes")
        return body, response.getheader("Cache-Control")
    except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: a host name that IDNA refuses
        raise Unavailable(f"key set: {type(error).__name__}") from None
    finally:
        if limit is not None:
            limit.cancel()
        connection.close()


def _connection(url: SplitResult) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        return http.client.HTTPSConnection(
            host, url.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(host, url.port, timeout=TIMEOUT_SECONDS)


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username is not None or parts.fragment or not host:  # a password comes with a username, maybe an empty one
        raise ValueError("a key set's URL has a host, no user and no fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("a key set's URL is https, or http on loopback")
    return parts
