"""How long the access tokens of this process live, by agreement with every other process of the store (design D19).

A revocation is forgotten when every token that it can concern has expired, and no verifier accepts a token that lives
longer than any issuer may sign. Both need one number, the longest life in use, and settings differ between processes:
always so while a change is rolled out, and by mistake at any time (N1). So the store holds the number, and an issuer
declares its own life there before it signs with it. A declaration is a lease: it covers what is signed up to its end,
and is renewed long before. When nobody renews a life, and its last token has expired, a shorter one takes its place.

A longer life is not used at once. Other nodes read it with their next poll, and would refuse such a token until
then. A node that has not polled for the staleness bound accepts nothing anyway, so after that bound everybody who
accepts tokens knows the new life; before, tokens get the life that was known. They are good, only shorter.
"""

from __future__ import annotations

from typing import Protocol

from sealring.errors import StoreUnavailable
from sealring.sessions.access_ttl import DeclaredTtl, usable_ttl
from sealring.verifier.node_state import NodeState

LEASE_SECONDS = 3600
"""A longer lease means fewer writes; a shorter one, that a lowered setting takes effect sooner."""


class DeclaresAccessTtl(Protocol):
    """A store, used for declarations alone."""

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        """See `Store.declare_access_ttl`."""


class AccessTtl:
    """The declared life of this process's access tokens.

    Args:
        store: where it is declared.
        seconds: the life that the settings ask for.
        heard_seconds: until every node that accepts tokens has read a longer life: staleness bound + leeway.
        node: knows the longest life that the feed has named to this node.
    """

    def __init__(
        self,
        store: DeclaresAccessTtl,
        seconds: int,
        *,
        heard_seconds: int,
        node: NodeState,
    ) -> None:
        self.seconds = seconds
        self._store = store
        self._heard_seconds = heard_seconds
        self._node = node
        self._declared: tuple[DeclaredTtl, ...] = ()
        self._signs_until = 0

    async def declare(self) -> None:
        """Declare the life, or renew the declaration when half of it is over. Call before a session is read.

        The order matters: an issuer that declares first and then reads the session finds every revocation that did not
        see the declaration.

        Raises:
            StoreUnavailable: it could not be declared, so nothing may be signed.
        """
        now = self._node.clock.now_ms() // 1000
        # a follower that knows less than this process declared: the store went back in time (F7), say it again
        forgotten = 0 < self._node.longest_access_ttl < self.seconds
        if not forgotten and now < self._signs_until - LEASE_SECONDS // 2:
            return
        signs_until = now + LEASE_SECONDS
        self._declared = await self._store.declare_access_ttl(self.seconds, now=now, signs_until=signs_until)
        self._signs_until = signs_until

    def at(self, now: int) -> int:
        """The life of a token that is signed at `now` (Unix seconds).

        Raises:
            StoreUnavailable: the declaration does not cover `now`, so a revocation might not outlive the token.
        """
        if now >= self._signs_until:
            raise StoreUnavailable("the life of access tokens is not declared in the store")
        return usable_ttl(self._declared, self.seconds, now=now, heard_seconds=self._heard_seconds)

    @property
    def longest(self) -> int:
        """The longest life that this process knows of, by its own declaration or by the feed."""
        return max(self._node.longest_access_ttl, *(ttl.seconds for ttl in self._declared), 0)
