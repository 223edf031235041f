"""Nodes as tests want them: a state on some clock, a follower over some source, a store whose writes are in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sealring import jwt
from sealring.issuer.commit import CommittingStore, OnEvent
from sealring.store.protocol import Store
from sealring.verifier.clock import Clock
from sealring.verifier.follower import Follower
from sealring.verifier.node_state import NodeState
from sealring.verifier.source import Source, VerifyingKeys
from tests.clocks import FrozenClock


def a_node(clock: Clock | None = None, *, max_staleness: float = 5) -> NodeState:
    return NodeState(FrozenClock() if clock is None else clock, max_staleness=max_staleness)


def follow(
    source: Source, clock: Clock, *, max_staleness: float = 5, poll_interval: float = 0.5, leeway: float = 5
) -> Follower:
    node = a_node(clock, max_staleness=max_staleness)
    return Follower(source, node, poll_interval=poll_interval, leeway=leeway)


def committing(store: object, node: NodeState | None = None, listeners: Sequence[OnEvent] = ()) -> CommittingStore:
    """A store as use cases hold it; `object`, for some tests put a stand-in round theirs."""
    return CommittingStore(cast("Store", store), a_node() if node is None else node, listeners)


class NoKeys:
    """A ring that is empty."""

    async def read_verifying(self) -> VerifyingKeys:
        return VerifyingKeys(jwt.KeySet([]), 0)
