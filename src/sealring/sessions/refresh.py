"""What a refresh does: the state machine of design D5, as one table.

Pure: (row, token, now) gives a `Decision`; the shell carries it out by one compare-and-swap and asks
again when the row has moved. First comes the token's relation to the row, then `TABLE`. Generations
order; times only tell siblings apart, so two rotations in one second, or a clock set back between
them, change nothing (R6). Of all tokens ever minted, only the confirmed one and its children are
alive; whoever comes with another is an old copy, save the confirmed one's parent for a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, assert_never

from sealring.sessions.lifetimes import Limit, over_cause
from sealring.sessions.refresh_token import RefreshToken
from sealring.sessions.session import Session


@dataclass(frozen=True, slots=True)
class Mint:
    """Swap the row to `after` if it still is what was read; then, and only then, hand out `child`."""

    child: RefreshToken
    after: Session


@dataclass(frozen=True, slots=True)
class Repeat:
    """Hand out `child`, which was minted before; write nothing."""

    child: RefreshToken


@dataclass(frozen=True, slots=True)
class Superseded:
    """A request in flight lost its race (409): mint nothing, revoke nothing."""


@dataclass(frozen=True, slots=True)
class Reused:
    """A dead token came back (401): end the session if the row still is what was read."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A limit has come (401): end the session if the row still is what was read, before a clock set back hides it."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Ended:
    """The session was ended before (401)."""


Decision = Mint | Repeat | Superseded | Reused | Expired | Ended

Relation = Literal["confirmed", "child", "parent", "unrelated"]
"""What a token is to the row: its own pair; minted from that; what that was minted from; anything else."""

Step = Literal["repeat", "mint", "confirm", "supersede", "end"]
"""Hand out the same child; a fresh child; make the token the confirmed one and mint its child; 409; reuse."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: what to do within the retry window after an event, and what otherwise."""

    window_opens: Literal["last child minted", "token confirmed"] | None
    within: Step
    otherwise: Step


TABLE: Final[Mapping[Relation, Rule]] = MappingProxyType(
    {
        "confirmed": Rule("last child minted", within="repeat", otherwise="mint"),
        "child": Rule(None, within="confirm", otherwise="confirm"),
        "parent": Rule("token confirmed", within="supersede", otherwise="end"),
        "unrelated": Rule(None, within="end", otherwise="end"),
    }
)


def decide_refresh(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """Decide what becomes of a refresh token whose MAC was good (design D5).

    Args:
        session: the row as it was read; nothing may be done unless it still is so when written.
        token: what was presented, of this session.
        now_ms: Unix milliseconds.
        retry_window_ms: G; 0 is the strict mode, in which no two requests are ever given the same child.

    Raises:
        ValueError: the token is of another session.
    """
    if token.session_id != session.id:
        raise ValueError("token must be of this session")
    cause = over_cause(session, now_ms // 1000)
    if cause is not None:
        return Ended() if cause == "ended" else Expired(cause)
    rule = TABLE[relation_of(token, session)]
    opened_ms = session.child_minted_ms if rule.window_opens == "last child minted" else session.confirmed_ms
    step = rule.within if _within(retry_window_ms, now_ms, opened_ms) else rule.otherwise
    match step:
        case "repeat":
            return _repeat(session)
        case "mint":
            return _mint(session, now_ms, strict=retry_window_ms == 0)
        case "confirm":
            return _confirm(session, token, now_ms)
        case "supersede":
            return Superseded()
        case "end":
            return Reused()
    assert_never(step)


def relation_of(token: RefreshToken, session: Session) -> Relation:
    """Tell what a token of this session is to what the row confirms.

    Every field that the row knows must agree, so a token of a dead branch is never taken for a live
    one of its generation.
    """
    ahead = token.generation - session.generation
    if ahead == 0 and (token.minted_ms, token.parent_minted_ms) == (session.minted_ms, session.parent_minted_ms):
        return "confirmed"
    # every child of the confirmed token, not its last alone: of two tabs whose answers crossed, or of one that
    # comes back late, either may be the first to go on
    if ahead == 1 and token.parent_minted_ms == session.minted_ms:
        return "child"
    # exactly one generation back: a window that lets grandparents in is one that a fast thief keeps open
    if ahead == -1 and token.minted_ms == session.parent_minted_ms:
        return "parent"
    # a sibling of the confirmed token, an older one, or one ahead of a store that went back in time (R8)
    return "unrelated"


def renew(session: Session, now_ms: int) -> Session | None:
    """The row of a session that goes on after a password change; None when it is over.

    Every refresh token of before is dead from here on, copies in other hands too. The one that was handed out last
    counts as the parent of the new one: a request that was in flight with it gets 409 within the retry window, and the
    session does not end for it. All others are unrelated to the row. The new token is for the caller to hand out, by
    `token_of`.
    """
    if over_cause(session, now_ms // 1000) is not None:
        return None
    has_child = session.child_minted_ms is not None
    return replace(
        session,
        generation=session.generation + (2 if has_child else 1),
        minted_ms=now_ms,
        parent_minted_ms=session.child_minted_ms if has_child else session.minted_ms,
        confirmed_ms=now_ms,
        child_minted_ms=None,
        last_seen_at=now_ms // 1000,
    )


def token_of(session: Session) -> RefreshToken:
    """The refresh token that the row confirms."""
    return RefreshToken(session.id, session.generation, session.minted_ms, session.parent_minted_ms)


def _within(retry_window_ms: int, now_ms: int, opened_ms: int | None) -> bool:
    # On both sides of the event, and short of the window itself. Nodes' clocks differ by seconds, so what a
    # neighbour did "in three seconds" is as fresh as what it did three seconds ago. A clock set back by more
    # than G leaves the window at once, instead of staying inside until it has caught up: an hour of repeated
    # children would be an hour in which a thief goes unseen. Entering a window a second time revives nothing,
    # for all that it decides is same child or fresh child, 409 or end. And with G = 0 nothing is ever within.
    return opened_ms is not None and abs(now_ms - opened_ms) < retry_window_ms


def _repeat(session: Session) -> Repeat:
    if session.child_minted_ms is None:
        raise ValueError("no child was minted")
    return Repeat(_child_of(session, session.child_minted_ms))


def _mint(session: Session, now_ms: int, *, strict: bool) -> Mint:
    # With a window, a fresh child comes at least G from the last one, so the two differ; should a clock that was
    # set back hit the very millisecond of an earlier sibling, the child is that sibling again, as alive as it was.
    # Without one, mint times decide nothing and simply rise, so that no two askers are ever given one token.
    child_minted_ms = now_ms
    if strict and session.child_minted_ms is not None:
        child_minted_ms = max(now_ms, session.child_minted_ms + 1)
    after = replace(session, child_minted_ms=child_minted_ms, last_seen_at=now_ms // 1000)
    return Mint(_child_of(after, child_minted_ms), after)


def _confirm(session: Session, token: RefreshToken, now_ms: int) -> Mint:
    after = replace(
        session,
        generation=token.generation,
        minted_ms=token.minted_ms,
        parent_minted_ms=token.parent_minted_ms,
        confirmed_ms=now_ms,
        child_minted_ms=now_ms,
        last_seen_at=now_ms // 1000,
    )
    return Mint(_child_of(after, now_ms), after)


def _child_of(session: Session, minted_ms: int) -> RefreshToken:
    return RefreshToken(session.id, session.generation + 1, minted_ms, session.minted_ms)
