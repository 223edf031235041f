"""Where a verifier reads keys and revocations: two questions and a hint, whatever stands behind them.

A source is asked in the background only, never while a request waits, and a question writes nothing. The issuer's
store is one (`sealring.issuer.store_source`); an issuer over HTTP can be another without a line of change elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sealring import jwt
from sealring.revocation.feed import FeedPage

if TYPE_CHECKING:
    from sealring.verifier.node_state import NodeState
    from sealring.verifier.relay import FeedRelay


@dataclass(frozen=True, slots=True)
class VerifyingKeys:
    """The keys that verify now, and the version of the set: `FeedPage.keys_version` when they were read."""

    keys: jwt.KeySet
    version: int


class Source(Protocol):
    """What a follower asks."""

    async def load(self, after: int | None) -> FeedPage:
        """Revocations after the cursor, or all live ones.

        Raises:
            Unavailable: no answer; the node's lag grows.
        """

    async def keys(self) -> VerifyingKeys:
        """The keys that verify now. Asked when `FeedPage.keys_version` has moved.

        Raises:
            Unavailable: no answer.
        """

    async def wait_for_change(self) -> None:
        """Return when a poll may find something: soon after a revocation, for no reason, or never.

        It is only a hint: a node that gets none, false ones or errors here keeps every promise (F12).

        Raises:
            Unavailable: the source of hints cannot be reached.
        """


@runtime_checkable
class HoldsConnections(Protocol):
    """A source that keeps something open between two questions."""

    def close(self) -> None:
        """Let go of it; the next question, in another event loop maybe, opens it again."""

    def forked(self) -> None:
        """In a child, leave it to the parent."""


@runtime_checkable
class Relayable(Protocol):
    """A source that reads a signed feed, which others may have too."""

    def relay(self, node: NodeState) -> FeedRelay:
        """What passes it on, as this node accepts it."""
