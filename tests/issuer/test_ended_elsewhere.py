"""I2 where another node was first: a log-out tried again, or a refresh, on a node that has not heard of the end yet.

Found by the nemesis: the first try of a log-out was committed on one node and its answer lost; the second was
answered 204 by another node, which went on accepting the access token until its next poll.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sealring import Sealring
from sealring.authentication.client_info import ClientInfo
from sealring.errors import Revoked, SessionEnded
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Sealring, Sealring]]:
    """Two nodes over one store; the second polls once and then never again."""
    clock = FrozenClock()
    store = MemoryStore(clock.now_ms)
    first, second = (
        Sealring(secret="Vq3nJ8t2yZ6wLx9cRb4mKd7sPf1hGa5e", store=store, clock=clock, poll_interval=0.1)
        for _ in range(2)
    )
    await first.open()
    await second.open()
    await second.follower.stop()
    yield first, second
    await first.close()
    await second.close()


async def test_i2_a_log_out_tried_again_elsewhere_is_in_force_there(nodes: tuple[Sealring, Sealring]) -> None:
    first, second = nodes
    held = await first.start_session("42")
    await first.issuer.log_out(held.session.id, client=ClientInfo("192.0.2.1"))
    assert second.verify(held.access_token.text).subject == "42"  # has not heard yet, and has acknowledged nothing
    await second.issuer.log_out(held.session.id, client=ClientInfo("192.0.2.1"))
    with pytest.raises(Revoked):
        second.verify(held.access_token.text)


async def test_i2_a_node_that_refuses_to_refresh_an_ended_session_refuses_its_tokens(
    nodes: tuple[Sealring, Sealring],
) -> None:
    first, second = nodes
    held = await first.start_session("42")
    await first.revoke_session(held.session.id)
    with pytest.raises(SessionEnded):
        await second.refresh_session(held.refresh_token)
    with pytest.raises(Revoked):
        second.verify(held.access_token.text)


async def test_a_session_of_somebody_else_is_not_touched_by_a_try_to_end_it(nodes: tuple[Sealring, Sealring]) -> None:
    first, _ = nodes
    held = await first.start_session("42")
    assert not await first.issuer.sessions.end(held.session.id, cause="ended_by_user", subject="43")
    assert first.verify(held.access_token.text).subject == "42"
