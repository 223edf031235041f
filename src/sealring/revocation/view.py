"""The set of revocations, as checked on every request: no I/O, no lock, no clock.

Sessions, subjects and keys are kept apart (design D6). Up to `EXACT_SESSIONS` dead sessions stand by
their text, as an ordinary node needs; from there on they stand in a compact set, and stay there
until all have expired. Adding is idempotent and order does not matter (F3): nothing that is dead comes back, an
epoch only rises, and an entry goes only when every token that it can concern has expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, assert_never

from sealring.revocation.compact_set import CompactSet
from sealring.revocation.entry import Entry
from sealring.revocation.expiring_set import ExpiringSet

EXACT_SESSIONS: Final = 1 << 16
"""About 8 MB, which an ordinary node never reaches; packing begins with a filter of 32 MiB."""

_MOVED_AT_ONCE: Final = 1
"""Sessions that follow into the compact set with each one that is added to it: nobody waits for the move."""

RevokedBy = Literal["session", "subject", "key"]


class RevocationView:
    """All live revocations. One thread writes (`add`, `forget`); any number may ask meanwhile.

    >>> view = RevocationView()
    >>> view.add([Entry(1, "random", "subject", "42", epoch=3, expires_at=2_000)])
    >>> view.cause("sid", "42", 2, "kid"), view.cause("sid", "42", 3, "kid")
    ('subject', None)
    """

    __slots__ = ("_compact", "_exact", "_keys", "_revoked_keys", "_sessions", "_subject_marks", "_subjects")

    def __init__(self) -> None:
        self._exact = ExpiringSet()
        self._subjects = ExpiringSet()
        self._revoked_keys = ExpiringSet()
        # read on every request, so without a step in between
        self._sessions = self._exact.marks
        self._subject_marks = self._subjects.marks
        self._keys = self._revoked_keys.marks
        self._compact: CompactSet | None = None

    def __len__(self) -> int:
        """Entries held."""
        compact = self._compact
        return (
            len(self._sessions) + len(self._subject_marks) + len(self._keys) + (0 if compact is None else len(compact))
        )

    def cause(self, session_id: str, subject: str, epoch: int, kid: str) -> RevokedBy | None:
        """Return which revocation covers an access token with these claims; none when it is live.

        Args:
            session_id: `sid`.
            subject: `sub`.
            epoch: the token's `epoch`.
            kid: the key that signed it.
        """
        # each test for emptiness spares the ordinary request a hash look-up
        if self._sessions and session_id in self._sessions:
            return "session"
        compact = self._compact
        if compact is not None and session_id in compact:
            return "session"
        if self._subject_marks:
            mark = self._subject_marks.get(subject)
            if mark is not None and epoch < mark[0]:
                return "subject"
        if self._keys and kid in self._keys:
            return "key"
        return None

    def add(self, entries: Iterable[Entry]) -> None:
        """Put revocations in force, at about a microsecond each: feed a long page in pieces."""
        for entry in entries:
            match entry.kind:
                case "session":
                    self._add_session(entry.target, entry.expires_at)
                case "subject":
                    self._subjects.add(entry.target, entry.expires_at, entry.epoch)
                case "key":
                    self._revoked_keys.add(entry.target, entry.expires_at)
                case _:
                    assert_never(entry.kind)

    def forget(self, now: int) -> None:
        """Let go of entries that have expired at `now` (Unix seconds), a few milliseconds' worth: call it often."""
        self._exact.forget(now)
        self._subjects.forget(now)
        self._revoked_keys.forget(now)
        if self._compact is not None:
            self._compact.forget(now)
            if not len(self._compact):
                self._compact = None

    def _add_session(self, session_id: str, expires_at: int) -> None:
        if self._compact is None and len(self._sessions) < EXACT_SESSIONS:
            self._exact.add(session_id, expires_at)
            return
        compact = self._compact = self._compact if self._compact is not None else CompactSet()
        compact.add(session_id, expires_at)
        for moved, kept_until in self._exact.hand_over(_MOVED_AT_ONCE):
            compact.add(moved, kept_until)
