"""What a refresh does: the state machine of design D5, as one table.

Pure: (row, token, now) gives a `Decision`; the shell applies it by one compare-and-swap and decides
again when the row has changed. First comes the token's relation to the row, then `TABLE`. Generations
order; times only distinguish siblings, so two rotations in one second, or a clock set back between
them, change nothing (R6). Of all tokens ever minted, only the confirmed one and its children are
valid. Every other token is an old copy, except the confirmed token's parent, for a moment.
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
    """Swap the row to `after` if it has not changed since it was read; then, and only then, issue `child`."""

    child: RefreshToken
    after: Session


@dataclass(frozen=True, slots=True)
class Repeat:
    """Issue `child` again, which was minted before, once the store confirms the row; change nothing."""

    child: RefreshToken


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another request refreshed first (409): mint nothing, revoke nothing."""


@dataclass(frozen=True, slots=True)
class Reused:
    """An old token was used again (401): end the session if the row has not changed since it was read."""


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit was reached (401): end the session if the row has not changed, before a clock set back hides it."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Ended:
    """The session was ended before (401)."""


Decision = Mint | Repeat | Superseded | Reused | LimitReached | Ended

Relation = Literal["confirmed", "child", "parent", "unrelated"]
"""The token's relation to the row: the confirmed one, its child, its parent, or anything else."""

Step = Literal["repeat", "mint", "confirm", "supersede", "end"]
"""Issue the same child; issue a new child; confirm the token and mint its child; 409; end for reuse."""


@dataclass(frozen=True, slots=True)
class RefreshRule:
    """One line of the table: what to do within the retry window after an event, and what otherwise."""

    window_opens: Literal["last child minted", "token confirmed"] | None
    within: Step
    otherwise: Step


TABLE: Final[Mapping[Relation, RefreshRule]] = MappingProxyType(
    {
        "confirmed": RefreshRule("last child minted", within="repeat", otherwise="mint"),
        "child": RefreshRule(None, within="confirm", otherwise="confirm"),
        "parent": RefreshRule("token confirmed", within="supersede", otherwise="end"),
        "unrelated": RefreshRule(None, within="end", otherwise="end"),
    }
)


def decide_refresh(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """Decide what happens to a refresh token with a good MAC (design D5).

    Args:
        session: the row as it was read; apply the decision only if the row is unchanged when written.
        token: the token presented, of this session.
        now_ms: Unix milliseconds.
        retry_window_ms: G; 0 is the strict mode: no two requests ever get the same child.

    Raises:
        ValueError: the token is of another session.
    """
    if token.session_id != session.id:
        raise ValueError("token must be of this session")
    cause = over_cause(session, now_ms // 1000)
    if cause is not None:
        return Ended() if cause == "ended" else LimitReached(cause)
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
    """Return how a token of this session relates to the confirmed token of the row.

    Every field that the row has must agree, so a token of a dead branch never counts as a live
    one of its generation.
    """
    ahead = token.generation - session.generation
    if ahead == 0 and (token.minted_ms, token.parent_minted_ms) == (session.minted_ms, session.parent_minted_ms):
        return "confirmed"
    # every child of the confirmed token, not only the last: when the answers of two tabs cross, or one is
    # late, either tab may be the first to use its token
    if ahead == 1 and token.parent_minted_ms == session.minted_ms:
        return "child"
    # exactly one generation back: if grandparents counted too, a fast thief could keep the window open
    if ahead == -1 and token.minted_ms == session.parent_minted_ms:
        return "parent"
    # a sibling of the confirmed token, an older one, or one newer than a restored store (R8)
    return "unrelated"


def renew(session: Session, now_ms: int) -> Session | None:
    """Return the row of a session that goes on after a password change; None when it is over.

    Every earlier refresh token is dead from now on, stolen copies too. The one that was issued last
    counts as the parent of the new one: a request that was in flight with it gets 409 within the retry window, and the
    session does not end for it. All others are unrelated to the row. The caller issues the new token, by
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
    """Return the confirmed refresh token of the row."""
    return RefreshToken(session.id, session.generation, session.minted_ms, session.parent_minted_ms)


def _within(retry_window_ms: int, now_ms: int, opened_ms: int | None) -> bool:
    # On both sides of the event, and short of the window itself. Nodes' clocks differ by seconds, so an event
    # of another node "in three seconds" is as recent as one three seconds ago. A clock set back by more
    # than G leaves the window at once, instead of staying inside until it has caught up: an hour of repeated
    # children would be an hour in which a thief is not detected. Entering a window a second time revives
    # nothing: it only decides between same child and new child, or 409 and end. With G = 0 nothing is within.
    return opened_ms is not None and abs(now_ms - opened_ms) < retry_window_ms


def _repeat(session: Session) -> Repeat:
    if session.child_minted_ms is None:
        raise ValueError("no child was minted")
    return Repeat(_child_of(session, session.child_minted_ms))


def _mint(session: Session, now_ms: int, *, strict: bool) -> Mint:
    # With a window, a new child is at least G away from the last one, so the two differ. If a clock that was set
    # back hits the exact millisecond of an earlier sibling, the child equals that sibling, which is as valid.
    # Without a window, mint times decide nothing and only rise, so that no two requests ever get the same token.
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
