"""Where tokens are kept: the interface, and the memory of one process."""

from __future__ import annotations

import threading
from typing import Protocol

from sealring.client.tokens import Tokens
from sealring.forks import watch_forks


class TokenStore(Protocol):
    """One session's tokens. `Auth` calls `save` only while it holds the lock, and refreshes only what it loaded then.

    Two holders of one refresh token that refresh without this lock can end the session: the server takes the slower
    one's token for a stolen copy. So the lock covers every process that shares the tokens, and ends with the process
    that holds it.

    >>> class OneProcess:
    ...     tokens, locked = Tokens(), False
    ...     def load(self):
    ...         return self.tokens
    ...     def save(self, tokens):
    ...         self.tokens = tokens
    ...     def try_lock(self):
    ...         was_free, self.locked = not self.locked, True
    ...         return was_free
    ...     def unlock(self):
    ...         self.locked = False
    >>> from sealring.client import Auth
    >>> Auth("https://app.example.com/auth", store=OneProcess())
    Auth('https://app.example.com/auth')
    """

    def load(self) -> Tokens:
        """Return what was saved last; `Tokens()` when nothing was."""

    def save(self, tokens: Tokens) -> None:
        """Keep `tokens` instead, whole or not at all, and durably: no crash afterwards brings older ones back.

        Args:
            tokens: what `load` returns from now on.
        """

    def try_lock(self) -> bool:
        """Take the lock if it is free, without waiting; return whether it was."""

    def unlock(self) -> None:
        """Give the lock back. Called by the holder only, perhaps from another thread. Never waits."""


class MemoryTokens:
    """Tokens in the memory of this process, for as long as it runs. Several `Auth` may share one.

    A forked child starts without them: two processes with one refresh token would look like a theft. The child logs in
    by itself, or both use `FileTokens`.

    >>> from sealring.client import Auth
    >>> store = MemoryTokens()
    >>> Auth("https://app.example.com/auth", store=store), Auth("https://app.example.com/auth", store=store)
    (Auth('https://app.example.com/auth'), Auth('https://app.example.com/auth'))
    """

    def __init__(self) -> None:
        self._tokens = Tokens()
        self._lock = threading.Lock()
        watch_forks(self)

    def load(self) -> Tokens:
        """See `TokenStore.load`.

        >>> MemoryTokens().load()
        Tokens(no session)
        """
        return self._tokens

    def save(self, tokens: Tokens) -> None:
        """See `TokenStore.save`; durable for as long as this process runs.

        Args:
            tokens: what `load` returns from now on.

        >>> store = MemoryTokens()
        >>> store.save(Tokens(access_token="a", refresh_token="r", expires_in=1800))
        >>> store.load().refresh_token
        'r'
        """
        self._tokens = tokens

    def try_lock(self) -> bool:
        """See `TokenStore.try_lock`.

        >>> store = MemoryTokens()
        >>> store.try_lock(), store.try_lock()
        (True, False)
        """
        return self._lock.acquire(blocking=False)

    def unlock(self) -> None:
        """See `TokenStore.unlock`.

        >>> store = MemoryTokens()
        >>> store.try_lock(), store.unlock(), store.try_lock()
        (True, None, True)
        """
        self._lock.release()

    def forked(self) -> None:
        """Forget the parent's session in the child, which has no thread that could hold the lock.

        >>> store = MemoryTokens()
        >>> store.save(Tokens(refresh_token="r", device="d"))
        >>> store.forked()
        >>> store.load().device, store.load().refresh_token
        ('d', None)
        """
        self._tokens = self._tokens.without_session()
        self._lock = threading.Lock()
