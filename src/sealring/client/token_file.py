"""Tokens in a file that several processes share: one lock, whole files only, readable by its owner alone.

A file is written beside its place, synced, and renamed over it: a reader finds the old tokens or the new ones, whole,
after a kill -9 at any moment too. The rename is synced before the new refresh token is used: if a power cut brought the
old one back after that, the server would take it for a stolen copy. The lock is `flock` on a file of its own, since the
other is replaced; the kernel frees it when its holder is killed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from sealring.client.tokens import Tokens
from sealring.errors import ConfigurationError
from sealring.forks import watch_forks

try:
    import fcntl
except ImportError:  # Windows: it renames no open file and has no flock
    fcntl = None  # type: ignore[assignment,unused-ignore]

MODE = 0o600
_OTHERS = 0o077
_LONGEST_FILE = 1 << 20


class FileTokens:
    """Tokens in one file, for the processes of one user on one machine.

    Beside the file stand `<name>.lock`, which stays, and for moments `<name>.new`. Missing folders are made (mode 700).

    Args:
        path: of the file, on a local disk; a symbolic link is followed.

    Raises:
        ConfigurationError: `path` is a folder; or this is Windows, which has no `fcntl`: keep tokens in memory there,
            or write a `TokenStore`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     FileTokens(f"{folder}/session.json").save(Tokens(access_token="a", refresh_token="r", expires_in=1800))
    ...     print(FileTokens(f"{folder}/session.json").load().refresh_token)
    r
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if fcntl is None:
            raise ConfigurationError(
                "FileTokens needs fcntl, which this system lacks", "use MemoryTokens, or a TokenStore of your own"
            )
        self._path = Path(os.path.realpath(Path(path).expanduser()))
        if self._path.is_dir():
            raise ConfigurationError(f"{self._path} is a folder", "name a file in it, such as tokens.json")
        self._lock: int | None = None
        watch_forks(self)

    def __repr__(self) -> str:
        return f"FileTokens({str(self._path)!r})"

    def load(self) -> Tokens:
        """Return the file's tokens; `Tokens()` when there is no file.

        Raises:
            ConfigurationError: others may read the file, or it is not one of ours.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(FileTokens(f"{folder}/session.json").load())
        Tokens(no session)
        """
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return Tokens()
        with os.fdopen(file, "rb") as opened:
            if os.fstat(file).st_mode & _OTHERS:
                raise ConfigurationError(f"others may read the token file {self._path}", f"chmod 600 {self._path}")
            text = opened.read(_LONGEST_FILE)
        try:
            found = msgspec.json.decode(text, type=dict[str, Any])
            if not found.keys() <= set(Tokens.__struct_fields__):  # of another program: it must never be overwritten
                raise msgspec.ValidationError
            return msgspec.convert(found, Tokens)
        except msgspec.DecodeError:
            raise ConfigurationError(
                f"the token file {self._path} is not one that FileTokens wrote", "delete it and log in"
            ) from None

    def save(self, tokens: Tokens) -> None:
        """Replace the file; on disk when this returns. An `OSError` leaves the old one.

        Args:
            tokens: what the file holds from now on.

        Raises:
            ConfigurationError: as `load`: a file that is not one of ours is never overwritten.

        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "session.json")
        ...     FileTokens(file).save(Tokens(access_token="a", refresh_token="r", expires_in=1800))
        ...     print(oct(file.stat().st_mode & 0o777), file.read_text())
        0o600 {"access_token":"a","refresh_token":"r","expires_in":1800}
        """
        self.load()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_name(f"{self._path.name}.new")
        with suppress(FileNotFoundError):  # of a process that was killed, or planted: never written into
            new.unlink()
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
        with os.fdopen(file, "wb") as opened:
            opened.write(msgspec.json.encode(tokens))
            opened.flush()
            os.fsync(file)
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def try_lock(self) -> bool:
        """See `TokenStore.try_lock`; an `OSError` where the lock file cannot be made.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     one, two = FileTokens(f"{folder}/session.json"), FileTokens(f"{folder}/session.json")
        ...     print(one.try_lock(), two.try_lock())
        ...     one.unlock()
        True False
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self._path.with_name(f"{self._path.name}.lock")
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
        try:
            # of this open file, not of the process as lockf's: two threads exclude each other too
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        except BaseException:
            os.close(file)
            raise
        self._lock = file
        return True

    def unlock(self) -> None:
        """See `TokenStore.unlock`.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = FileTokens(f"{folder}/session.json")
        ...     print(store.try_lock(), store.unlock(), store.try_lock())
        ...     store.unlock()
        True None True
        """
        file, self._lock = self._lock, None
        if file is not None:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing would not, if this process has forked since
            os.close(file)

    def forked(self) -> None:
        """Close the parent's lock in the child. Unlocking it here would take it from the parent.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = FileTokens(f"{folder}/session.json")
        ...     locked = file.try_lock()
        ...     file.forked()
        """
        file, self._lock = self._lock, None
        if file is not None:
            os.close(file)
