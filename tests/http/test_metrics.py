"""What is counted, over HTTP: refusals by their true cause, events, freshness; and nothing that a client sent."""

from __future__ import annotations

from typing import get_args

import anyio
import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry

from sealring import ConnectionEnded, Sealring
from sealring.store.memory import MemoryStore
from sealring.verifier.open_connections import EndedBy
from tests.clocks import FrozenClock
from tests.serving import SECRET

pytestmark = pytest.mark.anyio


async def test_refusals_events_and_freshness_are_counted() -> None:
    registry = CollectorRegistry()
    clock = FrozenClock()
    auth = Sealring(secret=SECRET, store=MemoryStore(clock.now_ms), clock=clock, metrics=registry)
    assert auth.metrics is not None
    app = FastAPI()
    app.include_router(auth.router())
    app.include_router(auth.metrics_router())
    async with auth.lifespan(), AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        issued = await auth.start_session("42")
        bearer = {"Authorization": f"Bearer {issued.access_token.text}"}
        assert (await client.get("/auth/sessions", headers=bearer)).status_code == 200
        await auth.revoke_session(issued.session.id)
        for _ in range(2):
            assert (await client.get("/auth/sessions", headers=bearer)).status_code == 401
        assert (await client.get("/auth/sessions", headers={"Authorization": "Bearer s3cret"})).status_code == 401
        assert await auth.follower.poll()
        text = (await client.get("/metrics")).text
    assert 'sealring_refusals_total{cause="session",code="revoked"} 2.0' in text
    assert 'sealring_refusals_total{cause="",code="malformed"} 1.0' in text
    assert 'sealring_events_total{kind="session_started"} 1.0' in text
    assert 'sealring_events_total{kind="session_ended"} 1.0' in text
    assert "sealring_fresh 1.0" in text
    assert "sealring_feed_number 1.0" in text
    assert "s3cret" not in text


async def test_open_connections_are_read_and_their_ends_counted_by_cause() -> None:
    registry = CollectorRegistry()
    clock = FrozenClock()
    auth = Sealring(secret=SECRET, store=MemoryStore(clock.now_ms), clock=clock, metrics=registry)

    def read(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    async with auth.lifespan():
        assert read("sealring_open_connections") == 0
        assert {cause: read("sealring_connections_ended_total", cause=cause) for cause in get_args(EndedBy)} == (
            dict.fromkeys(get_args(EndedBy), 0)
        ), "from 0: a counter that begins with its first event hides it from rate()"
        issued = await auth.start_session("42")
        principal = auth.verify(issued.access_token.text)
        async with auth.while_live(principal):
            assert read("sealring_open_connections") == 1

        async def two_until_revoked() -> None:
            async with auth.while_live(principal), auth.while_live(principal):
                assert read("sealring_open_connections") == 2
                await auth.revoke_session(issued.session.id)
                await anyio.sleep_forever()

        with pytest.raises(ConnectionEnded):
            await two_until_revoked()
        assert read("sealring_open_connections") == 0
        assert read("sealring_connections_ended_total", cause="session") == 2
        assert read("sealring_connections_ended_total", cause="subject") == 0, "what closes by itself is not counted"


async def test_without_a_registry_nothing_is_counted() -> None:
    auth = Sealring(secret=SECRET, store=MemoryStore())
    assert auth.metrics is None
    assert auth.refused is None
