"""The declared life of access tokens: when it is declared, what it covers, when a longer one is used."""

from __future__ import annotations

import pytest

from sealring.errors import StoreUnavailable
from sealring.issuer.access_ttl import LEASE_SECONDS, AccessTtl
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.store.memory import MemoryStore
from tests.clocks import START, FrozenClock
from tests.nodes import a_node

pytestmark = pytest.mark.anyio

HEARD = 10


class Counting(MemoryStore):
    """A store that counts declarations."""

    declared = 0

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        self.declared += 1
        return await super().declare_access_ttl(seconds, now=now, signs_until=signs_until)


async def test_n1_nothing_is_signed_before_the_declaration_or_beyond_it() -> None:
    clock = FrozenClock()
    ttl = AccessTtl(MemoryStore(clock.now_ms), 600, heard_seconds=HEARD, node=a_node(clock))
    with pytest.raises(StoreUnavailable):
        ttl.at(START)
    await ttl.declare()
    assert ttl.at(START + LEASE_SECONDS - 1) == 600
    with pytest.raises(StoreUnavailable):
        ttl.at(START + LEASE_SECONDS)


async def test_a_declaration_is_renewed_when_half_of_it_is_over() -> None:
    clock = FrozenClock()
    store = Counting(clock.now_ms)
    ttl = AccessTtl(store, 600, heard_seconds=HEARD, node=a_node(clock))
    for passed, declared in ((0, 1), (LEASE_SECONDS // 2 - 1, 1), (1, 2), (1, 2)):
        clock.pass_seconds(passed)
        await ttl.declare()
        assert store.declared == declared
    assert ttl.at(START + LEASE_SECONDS + LEASE_SECONDS // 2 - 1) == 600


@pytest.mark.parametrize(("known", "declared"), [(0, 1), (599, 2), (600, 1), (3600, 1)])
async def test_n1_f7_it_is_declared_again_when_the_store_knows_less(known: int, declared: int) -> None:
    clock = FrozenClock()
    store = Counting(clock.now_ms)
    node = a_node(clock)
    node.use_access_ttl(known)
    ttl = AccessTtl(store, 600, heard_seconds=HEARD, node=node)
    await ttl.declare()
    await ttl.declare()
    assert store.declared == declared
    assert ttl.longest == max(known, 600)
