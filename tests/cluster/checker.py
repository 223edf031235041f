"""Proves promises from a history, with no knowledge of how they are kept (design, I1 to I8 and I12).

It only ever claims what is certain. A request counts as made no sooner than it started, a revocation as acknowledged
no sooner than its answer came; an operation without an answer forbids nothing and excuses everything that it might have
done from the moment it started. So a history of an honest cluster passes whatever the machine's speed.

    I1  a check of what was revoked, started S after the acknowledgement or later, is not ok, on any node
    I2  on the acknowledging node, not ok at once
    I3  one refresh token, used more than once within G, has one successor
    I4  a replayed token is refused, and its session stands in the audit log and ends
    I5  what has ended is not refreshed; a token that was refused is not accepted S later, nor on that node ever
    I6  every acknowledged session and every acknowledged end is in the store when all is over
    I7  after a password change: the old one opens nothing, and nothing that it opened lives on
    I9  nothing is answered by a 500
    I12 (and "503, never 401"): a live session's tokens are never refused
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.cluster.history import Operation, Remains

Law = Literal["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9", "I12"]


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the operations that show it."""

    law: Law
    words: str
    evidence: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class _Death:
    """From `at` on (acknowledged) a token or a session is dead; `law` says why."""

    at: float
    cause: Operation
    law: Law


class _Story:
    """The history, sorted by what it is about."""

    def __init__(self, history: Sequence[Operation]) -> None:
        self.history = sorted(history, key=lambda operation: operation.start)
        self.births = {operation.session: operation for operation in self.history if _begins(operation)}
        self.minted: dict[str, Operation] = {}
        self.endings: dict[str, list[Operation]] = defaultdict(list)
        self.of_subject: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.history:
            if operation.token and operation.kind != "check":
                self.minted.setdefault(operation.token, operation)
            if operation.kind in {"end", "replay"}:
                self.endings[operation.session].append(operation)
            if operation.kind in {"end_subject", "stale_subject", "change_password"}:
                self.of_subject[operation.subject].append(operation)

    def deaths_of_session(self, session: str) -> Iterator[_Death]:
        """What certainly ended it."""
        for ending in self.endings[session]:
            if _did(ending):
                yield _Death(ending.end, ending, "I1")
        birth = self.births.get(session)
        if birth is None:
            return
        for ending in self.of_subject[birth.subject]:
            if ending.outcome != "ok" or ending.kind == "stale_subject" or ending.session == session:
                continue
            if birth.end <= ending.start:
                yield _Death(ending.end, ending, "I1")
            elif birth.kind == "log_in" and birth.password == ending.password and ending.kind == "change_password":
                yield _Death(ending.end, ending, "I7")  # whichever of the two was first, this password opens nothing

    def deaths_of_token(self, token: str, session: str) -> Iterator[_Death]:
        """What certainly made it worthless: the end of its session, or a raised epoch."""
        yield from self.deaths_of_session(session)
        minted = self.minted.get(token)
        if minted is None:
            return
        for raised in self.of_subject[minted.subject]:
            if raised.outcome == "ok" and minted.end <= raised.start:
                yield _Death(raised.end, raised, "I1")

    def may_be_over(self, session: str, subject: str, *, by: float) -> bool:
        """Whether anything that was begun by then might have ended this session, a 503 included (P5)."""
        return any(
            ending.start <= by
            for ending in [*self.endings[session], *self.of_subject[subject]]
            if ending.kind != "stale_subject" and (ending.session != session or ending.kind in {"end", "replay"})
        )

    def may_be_stale(self, subject: str, *, by: float) -> bool:
        """Whether anything that was begun by then might have raised the subject's epoch."""
        return any(raised.start <= by for raised in self.of_subject[subject])


def _begins(operation: Operation) -> bool:
    return operation.kind in {"start", "log_in"} and operation.outcome == "ok"


def _did(ending: Operation) -> bool:
    """An end was carried out, or the session is found to have ended: both are an acknowledgement."""
    return ending.outcome == "ok" if ending.kind == "end" else ending.outcome == "refused"


def check(history: Sequence[Operation], *, staleness: float, retry_window: float) -> list[Violation]:
    """Every broken promise that this history proves.

    Args:
        history: in any order.
        staleness: S, seconds.
        retry_window: G, seconds.
    """
    story = _Story(history)
    return [
        *_dead_tokens(story, staleness),
        *_dead_sessions(story),
        *_successors(story, retry_window),
        *_replays(story),
        *_returns(story, staleness),
        *_old_passwords(story),
        *(Violation("I9", f"a server error ({use.code})", (use,)) for use in history if use.outcome == "broken"),
        *_live(story),
    ]


def _dead_tokens(story: _Story, staleness: float) -> Iterator[Violation]:
    for use in story.history:
        if use.kind != "check" or use.outcome != "ok":
            continue
        for death in story.deaths_of_token(use.token, use.session):
            if use.start >= death.at + staleness:
                yield Violation(death.law, "a dead token was accepted", (death.cause, use))
                break
            if use.node == death.cause.node and use.start >= death.at:
                yield Violation("I2", "the node that acknowledged a revocation accepted its token", (death.cause, use))
                break


def _dead_sessions(story: _Story) -> Iterator[Violation]:
    for use in story.history:
        if use.kind == "refresh" and use.outcome == "ok":
            for death in story.deaths_of_session(use.session):
                if use.start >= death.at:
                    law: Law = "I7" if death.law == "I7" else "I5"
                    yield Violation(law, "an ended session was refreshed", (death.cause, use))


def _successors(story: _Story, retry_window: float) -> Iterator[Violation]:
    """The window runs from the first use, which may have gone unanswered: a later one may be given a fresh child."""
    opened: dict[str, float] = {}
    answered: dict[str, Operation] = {}
    for use in story.history:
        if use.kind != "refresh":
            continue
        if use.end < opened.setdefault(use.used, use.start) + retry_window and use.outcome == "ok":
            first = answered.setdefault(use.used, use)
            if use.successor != first.successor:
                yield Violation("I3", "one refresh token has two successors", (first, use))


def _replays(story: _Story) -> Iterator[Violation]:
    for use in story.history:
        if use.kind == "replay" and use.outcome == "ok":
            yield Violation("I4", "a token long superseded was accepted", (use,))


def _returns(story: _Story, staleness: float) -> Iterator[Violation]:
    refused: dict[str, list[Operation]] = defaultdict(list)
    for use in story.history:
        if use.kind != "check":
            continue
        if use.outcome == "refused":
            refused[use.token].append(use)
        elif use.outcome == "ok":
            for earlier in refused[use.token]:
                bound = 0 if earlier.node == use.node else staleness
                if use.start >= earlier.end + bound:
                    yield Violation("I5", "a token that had been refused was accepted", (earlier, use))
                    break


def _old_passwords(story: _Story) -> Iterator[Violation]:
    for changes in story.of_subject.values():
        for change in changes:
            if change.kind != "change_password" or change.outcome != "ok":
                continue
            for use in story.history:
                if (
                    use.kind == "log_in"
                    and use.outcome == "ok"
                    and (use.subject, use.password) == (change.subject, change.password)
                    and use.start >= change.end
                ):
                    yield Violation("I7", "the old password opened a session", (change, use))


def _live(story: _Story) -> Iterator[Violation]:
    for use in story.history:
        if use.outcome != "refused" or use.kind not in {"check", "refresh"}:
            continue
        if story.may_be_over(use.session, use.subject, by=use.end):
            continue
        if use.kind == "check" and story.may_be_stale(use.subject, by=use.end):
            continue
        birth = story.births.get(use.session)
        yield Violation("I12", f"a live session was refused ({use.code})", (use,) if birth is None else (birth, use))


def check_remains(history: Sequence[Operation], remains: Remains) -> list[Violation]:
    """Every acknowledged operation that the store has lost (I6), and every reuse that it has not recorded (I4)."""
    story = _Story(history)
    found = []
    for session, birth in story.births.items():
        deaths = list(story.deaths_of_session(session))
        if session not in remains.sessions:
            found.append(Violation("I6", "an acknowledged session is not there", (birth,)))
        elif deaths and not remains.sessions[session]:
            found.append(Violation("I6", "an acknowledged end is not there", (deaths[0].cause,)))
    found += [
        Violation("I4", "a reuse is not in the audit log", (use,))
        for use in story.history
        if use.kind == "replay" and use.code == "refresh_reused" and use.session not in remains.reused
    ]
    return found


def tally(history: Iterable[Operation]) -> dict[str, int]:
    """How often each kind of operation ended how: a run that proves nothing shows here."""
    counts: dict[str, int] = defaultdict(int)
    for operation in history:
        counts[f"{operation.kind} {operation.outcome}"] += 1
    return dict(sorted(counts.items()))
