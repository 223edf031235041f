"""What this node knows of keys and revocations, and until when it may answer: one object (design D18).

It is built first. The follower fills it, the verifier reads it on every request, and the issuer's commit step puts
into it what this node has just revoked (I2). What changes here is seen by the next reader; open connections, which do
not ask again, are ended by what changes. It does no I/O. One event loop writes; any thread may read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sealring import jwt
from sealring.revocation.entry import Entry
from sealring.revocation.view import RevocationView
from sealring.verifier.clock import Clock
from sealring.verifier.open_connections import OpenConnections

ReloadCause = Literal["first load", "incarnation", "went back", "forgotten", "digest"]

NOT_STARTED = "not open: the application needs lifespan=auth.lifespan (a mounted one has none of its own)"
"""`NodeState.last_error` of a node that nobody has opened."""

UNACKNOWLEDGED = "the store acknowledges no writes"
"""`NodeState.last_error` of a node whose store answers, and may have been left behind (F8)."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """What an access token is verified by: replaced as a whole, so that a reader compares one reference."""

    keys: jwt.KeySet
    longest_access_ttl: int
    """Seconds: no issuer signs a token that lives longer (design D19). 0 before the first load."""


class NodeState:
    """Keys, revocations and freshness of one node.

    Args:
        clock: the node's clock.
        max_staleness: S, seconds: how long after `known_until` the node may answer.
        retry_after: seconds that a refused client waits before it tries again.
    """

    __slots__ = (
        "_committed_here",
        "clock",
        "connections",
        "cursor",
        "fresh_until",
        "keys_version",
        "known_until",
        "last_error",
        "max_staleness",
        "on_applied",
        "reloads",
        "retry_after",
        "revocations",
        "trusted",
    )

    def __init__(self, clock: Clock, *, max_staleness: float, retry_after: int = 1) -> None:
        self.clock = clock
        self.max_staleness = max_staleness
        self.retry_after = retry_after
        self.trusted = Trusted(jwt.KeySet([]), 0)
        self.keys_version: int | None = None
        """Of the keys in `trusted`; None before the first load."""
        self.revocations = RevocationView()
        self.fresh_until = self.known_until = float("-inf")
        self.last_error: str | None = NOT_STARTED
        """Why the last poll was not good; none when it was."""
        self.cursor: int | None = None
        """The number of the last revocation followed; None before the first load."""
        self.reloads: dict[ReloadCause, int] = {}
        """Full loads, by cause."""
        self.connections = OpenConnections(self)
        self.on_applied: Callable[[], None] | None = None
        """Called when this node has revoked something: who passes the feed on from here reads it at once."""
        self._committed_here: list[Entry] | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether this node may answer."""
        return self.clock.steady() <= self.fresh_until

    @property
    def lag(self) -> float:
        """Seconds since the moment up to which this node knows every revocation; infinite before the first load."""
        return self.clock.steady() - self.known_until

    @property
    def longest_access_ttl(self) -> int:
        """Seconds, by the last good page of the feed; 0 before the first."""
        return self.trusted.longest_access_ttl

    # by the issuer

    def apply_revocations(self, entries: Sequence[Entry]) -> None:
        """Put revocations in force here at once: this node has just committed them (I2). The cursor stays."""
        self.follow_revocations(entries)
        if self._committed_here is not None:
            self._committed_here.extend(entries)
        if entries and self.on_applied is not None:
            self.on_applied()

    # by the issuer and the follower

    def use_keys(self, keys: jwt.KeySet, version: int) -> None:
        """Verify with the keys of that version from now on. Those that are in use already change nothing."""
        if version != self.keys_version:
            self.keys_version = version
            self.trusted = replace(self.trusted, keys=keys)

    # by the follower

    def follow_revocations(self, entries: Sequence[Entry]) -> None:
        """Put in force what the source has, and end the open connections that it covers."""
        self.revocations.add(entries)
        self.connections.apply(entries)

    def use_access_ttl(self, seconds: int) -> None:
        """Accept no token that lives longer (J10).

        The number is the store's, not a setting of this node: during a rolling change a node would refuse the tokens
        of its neighbors for ever, or until the last restart (N1).
        """
        if seconds != self.trusted.longest_access_ttl:
            self.trusted = replace(self.trusted, longest_access_ttl=seconds)

    def know_until(self, moment: float) -> None:
        """Every revocation up to that moment of the steady clock is known."""
        self.last_error = None
        self.known_until = moment
        self.fresh_until = moment + self.max_staleness

    def begin_reload(self) -> None:
        """Remember from now on what is committed here: a snapshot that is being read may lack it."""
        self._committed_here = []

    def finish_reload(self, loaded: RevocationView, cause: ReloadCause) -> None:
        """Put a full load in the place of what was known, with what was committed here meanwhile (I2)."""
        loaded.add(self._committed_here or ())
        self.revocations = loaded
        self.keys_version = None
        self.reloads[cause] = self.reloads.get(cause, 0) + 1
        self.connections.check_all()

    def end_reload(self) -> None:
        """The reload is over, finished or not."""
        self._committed_here = None

    def forget_position(self, why: str) -> None:
        """Answer nothing until everything has been loaded once more."""
        self.cursor = self._committed_here = None
        self.fresh_until = self.known_until = float("-inf")
        self.last_error = why
        self.connections.forked()
