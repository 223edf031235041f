"""What is counted, over HTTP: refusals by their true cause, events, freshness; and nothing that a client sent."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry

from sealring import Sealring
from sealring.store.memory import MemoryStore
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
        text = (await client.get("/metrics")).text
    assert 'sealring_refusals_total{cause="session",code="revoked"} 2.0' in text
    assert 'sealring_refusals_total{cause="",code="malformed"} 1.0' in text
    assert 'sealring_events_total{kind="session_started"} 1.0' in text
    assert 'sealring_events_total{kind="session_ended"} 1.0' in text
    assert "sealring_fresh 1.0" in text
    assert "sealring_feed_number 0.0" in text
    assert "s3cret" not in text


async def test_without_a_registry_nothing_is_counted() -> None:
    auth = Sealring(secret=SECRET, store=MemoryStore())
    assert auth.metrics is None
    assert auth.refused is None
