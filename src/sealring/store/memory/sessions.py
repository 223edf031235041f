"""Sessions in memory, and the epochs of their subjects."""

from __future__ import annotations

from dataclasses import replace

from sealring.revocation.entry import Entry
from sealring.sessions.refresh import renew
from sealring.sessions.revocation import EndSession
from sealring.sessions.session import EndCause, Session
from sealring.store.protocol import FINISHED_SESSION_SECONDS
from sealring.store.records import StatusIndexTaken
from sealring.store.revocation_log import draft_entry
from sealring.store.rows import MOVING_NAMES, PROOF_NAMES


class MemorySessions:
    """Both tables: a subject has an epoch whether it has sessions or not."""

    def __init__(self) -> None:
        self.rows: dict[str, Session] = {}
        self.epochs: dict[str, int] = {}

    def epoch(self, subject: str) -> int:
        """The subject's epoch; 0 for one whose epoch was never raised."""
        return self.epochs.get(subject, 0)

    def live(self, subject: str | None, now: int) -> list[Session]:
        """Live sessions of the subject, or of everybody; newest first."""
        live = (
            session
            for session in self.rows.values()
            if subject in {None, session.subject} and session.ended_at is None and _within_limits(session, now)
        )
        return sorted(live, key=lambda session: (session.created_at, session.id), reverse=True)

    def ended_status_indexes(self) -> list[int]:
        """The status indexes of sessions that were ended."""
        ended = (session.status_index for session in self.rows.values() if session.ended_at is not None)
        return [index for index in ended if index is not None]

    def start(self, session: Session, *, cap: int, replaces: str | None) -> list[tuple[Session, EndCause]]:
        """Put a session in, and end what it replaces and what is one too many; what ended, and why."""
        index = session.status_index
        if index is not None and any(other.status_index == index for other in self.rows.values()):
            raise StatusIndexTaken
        now = session.created_at
        ended: list[tuple[Session, EndCause]] = []
        replaced = None if replaces is None else self.rows.get(replaces)
        if replaced is not None and replaced.ended_at is None:
            ended.append((replaced, "replaced"))
        others = [other for other in self.live(session.subject, now) if other is not replaced]
        ended += [(other, "over_cap") for other in others[max(0, cap - 1) :]]
        self.rows[session.id] = session
        for other, cause in ended:
            self._end(other, cause, now)
        return ended

    def advance(self, before: Session, after: Session) -> bool:
        """Compare-and-swap."""
        if not self._unmoved(before):
            return False
        moved = {name: getattr(after, name) for name in MOVING_NAMES}
        self.rows[before.id] = replace(self.rows[before.id], **moved)
        return True

    def reauthenticate(self, session: Session) -> bool:
        """Put what was proved, if the session is there, live and the subject's."""
        row = self.rows.get(session.id)
        if row is None or row.ended_at is not None or row.subject != session.subject:
            return False
        self.rows[row.id] = replace(row, **{name: getattr(session, name) for name in PROOF_NAMES})
        return True

    def bind(self, before: Session, after: Session) -> bool:
        """Put a device key in, if the session lives and has the binding that it had."""
        row = self.rows.get(before.id)
        if row is None or row.ended_at is not None or row.device_bound_at != before.device_bound_at:
            return False
        self.rows[before.id] = replace(row, device_jwk=after.device_jwk, device_bound_at=after.device_bound_at)
        return True

    def end_one(self, revocation: EndSession, now: int) -> bool:
        """End one session, if it is there, live, unmoved and the subject's."""
        session = self.rows.get(revocation.id)
        if (
            session is None
            or session.ended_at is not None
            or revocation.subject not in {None, session.subject}
            or (revocation.unmoved is not None and not self._unmoved(revocation.unmoved))
        ):
            return False
        self._end(session, revocation.cause, now)
        return True

    def end_subject(self, subject: str, cause: EndCause, keep: str | None, now: int) -> tuple[Entry, int]:
        """Raise the epoch and end the subject's sessions, all but `keep`; the entry, and how many ended."""
        theirs = [session for session in self.rows.values() if session.subject == subject]
        ending = [session for session in theirs if session.ended_at is None and session.id != keep]
        for session in ending:
            self._end(session, cause, now)
        return self.raise_epoch(subject), len(ending)

    def raise_epoch(self, subject: str) -> Entry:
        """Raise the epoch, and the entry that says so."""
        epoch = self.epochs[subject] = self.epoch(subject) + 1
        return draft_entry("subject", subject, epoch=epoch)

    def renew(self, subject: str, kept: str | None, now: int) -> None:
        """Kill every refresh token of a session that goes on: see `sealring.sessions.refresh.renew`."""
        session = None if kept is None else self.rows.get(kept)
        if session is not None and session.subject == subject and (renewed := renew(session, now * 1000)) is not None:
            self.rows[session.id] = renewed

    def end_all(self, now: int) -> None:
        """After a restore: end every session, and raise every epoch that there is."""
        self.epochs = {subject: epoch + 1 for subject, epoch in self.epochs.items()}
        for session in list(self.rows.values()):
            if session.ended_at is None:
                self._end(session, "store_restored", now)

    def purge(self, now: int) -> None:
        """Forget the sessions that have been finished for long enough."""
        long_ago = now - FINISHED_SESSION_SECONDS
        self.rows = {
            session.id: session
            for session in self.rows.values()
            if _within_limits(session, long_ago) and (session.ended_at is None or session.ended_at > long_ago)
        }

    def _end(self, session: Session, cause: EndCause, now: int) -> None:
        self.rows[session.id] = replace(session, ended_at=now, ended_by=cause)

    def _unmoved(self, before: Session) -> bool:
        row = self.rows.get(before.id)
        return (
            row is not None
            and row.ended_at is None
            and (row.generation, row.minted_ms, row.child_minted_ms)
            == (before.generation, before.minted_ms, before.child_minted_ms)
        )


def _within_limits(session: Session, now: int) -> bool:
    return now < session.expires_at and now < session.last_seen_at + session.idle_seconds
