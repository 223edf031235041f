"""A key set that another issuer publishes over HTTP, kept fresh in the background (RFC 7517 §5).

The shell around `sealring.jwt.remote_keys`, which decides when to fetch and what to hold. Here is the I/O: https
only (http on loopback), no redirect, no proxy, bounded size and time. Nothing is ever fetched inside a
verification: an unknown kid is refused at once and only wakes the background.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from sealring.errors import KeyRefused, Unavailable
from sealring.jwt.key_set import KeySet
from sealring.jwt.remote_keys import (
    MOST_BYTES,
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

TIMEOUT_SECONDS = 5.0
_LONGEST_SLEEP = 3600.0
_log = logging.getLogger("sealring.remote_keys")


class _Held:
    """The state of one remote set, shared by verifying threads and the one that fetches."""

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._state = RemoteKeySet()
        self._lock = threading.Lock()

    @property
    def keys(self) -> KeySet:
        """The keys that may be used now; empty before the first fetch and past the end of the set."""
        return keys_at(self._state, time.monotonic())

    def __call__(self, header: dict[str, Any]) -> KeySet:
        """Answer as a key resolver: the set at hand. A kid that is not in it asks for a fetch."""
        keys = self.keys
        kid = header.get("kid")
        if kid is not None and keys.get(kid) is None and is_fetch_due(self._state, time.monotonic(), unknown_kid=True):
            self._wake()
        return keys

    def _wake(self) -> None:
        raise NotImplementedError

    def _fetch(self, *, forced: bool = False) -> bool:
        """Fetch if it is due (or `forced`) and nobody else does; tell whether the set is a new one."""
        with self._lock:
            began = time.monotonic()
            if self._state.fetching or not (forced or is_fetch_due(self._state, began, unknown_kid=self._is_woken())):
                return False
            self._state = fetch_began(self._state, began)
        try:
            body, cache_control = fetch(self._url)
            keys = read_key_set(body)
        except BaseException as error:
            self._state = fetch_failed(self._state)
            if isinstance(error, KeyRefused):
                raise Unavailable(f"key set: {error}") from None
            raise
        # counted from the start of the fetch: what was withdrawn while it ran is not fresh
        self._state = fetch_succeeded(self._state, began, keys, max_age_of(cache_control))
        return True

    def _is_woken(self) -> bool:
        raise NotImplementedError

    def _seconds_to_next(self) -> float:
        return min(max(next_fetch_at(self._state) - time.monotonic(), 1.0), _LONGEST_SLEEP)


class RemoteKeys(_Held):
    """A remote key set with a thread that keeps it fresh. Give it to a `jwt.Verifier` as its keys.

    Args:
        url: of the JWK Set, https, or http on loopback.

    `start` fetches once, raises `Unavailable` if that fails, and leaves a daemon thread; `close` ends it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Fetch the set and keep it fresh from now on."""
        self._fetch(forced=True)
        self._thread = threading.Thread(target=self._run, name="sealring-remote-keys", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """End the thread; the keys at hand stay usable until their end."""
        self._closing.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(2 * TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        self._woken.set()

    def _is_woken(self) -> bool:
        return self._woken.is_set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._woken.wait(self._seconds_to_next())
            if self._closing.is_set():
                return
            try:
                self._fetch()
            except Unavailable as error:
                _log.warning("%s; the last good set serves until its end", error)
            self._woken.clear()


class AsyncRemoteKeys(_Held):
    """The same for an event loop: `async with AsyncRemoteKeys(url) as keys`. The fetch itself runs in a thread."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        """Fetch the set and keep it fresh from now on; raises `Unavailable` when the first fetch fails."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._fetch, forced=True)
        self._task = asyncio.create_task(self._run(), name="sealring-remote-keys")
        return self

    async def close(self) -> None:
        """End the task; the keys at hand stay usable until their end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _wake(self) -> None:
        if self._loop is not None:  # verifications may run in other threads
            self._loop.call_soon_threadsafe(self._woken.set)

    def _is_woken(self) -> bool:
        return self._woken.is_set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._seconds_to_next())
            try:
                await asyncio.to_thread(self._fetch)
            except Unavailable as error:
                _log.warning("%s; the last good set serves until its end", error)
            self._woken.clear()


def fetch(url: SplitResult) -> tuple[bytes, str | None]:
    """Body and Cache-Control of a 200 answer, within `TIMEOUT_SECONDS` once connected; raises `Unavailable`."""
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection = _connection(url)
    limit = None
    try:
        connection.connect()
        # timeouts of sockets count from byte to byte: only this ends an answer that drips. The socket is taken
        # now, since the connection lets go of it when the answer begins
        limit = threading.Timer(TIMEOUT_SECONDS, _cut, [connection.sock])
        limit.daemon = True
        limit.start()
        connection.request("GET", path, headers={"Accept": "application/jwk-set+json, application/json"})
        response = connection.getresponse()
        if response.status != http.client.OK:  # a redirect would let the answerer choose another place
            raise Unavailable(f"key set: answer {response.status}")
        body = response.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise Unavailable(f"key set: longer than {MOST_BYTES} bytes")
        if response.length:  # cut short
            raise Unavailable("key set: incomplete answer")
        return body, response.getheader("Cache-Control")
    except (OSError, http.client.HTTPException) as error:
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
    if parts.username is not None or parts.password is not None or parts.fragment or not host:
        raise ValueError("a key set's URL has a host, no user and no fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("a key set's URL is https, or http on loopback")
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
