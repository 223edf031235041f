"""`GET /live`: what a page may ask every few seconds, since no look costs a read of the store."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from sealring.accounts.account import Account
from sealring.errors import StoreUnavailable
from sealring.sessions.session import Session
from sealring.store.memory import MemoryStore
from sealring.store.records import SessionRecord
from tests.clocks import FrozenClock
from tests.serving import bearer, cheap_sealring, problem

pytestmark = pytest.mark.anyio


class Unreadable(MemoryStore):
    """A store that fails every read that a request may make, once it is `shut`."""

    shut = False

    async def read_session(self, session_id: str) -> SessionRecord | None:
        self._refuse()
        return await super().read_session(session_id)

    async def find_account(self, *, id: str | None = None, canonical_name: str | None = None) -> Account | None:
        self._refuse()
        return await super().find_account(id=id, canonical_name=canonical_name)

    async def list_sessions(
        self,
        subject: str | None,
        *,
        now: int,
        limit: int = 1000,
        identity: str | None = None,
        provider_session: str | None = None,
    ) -> list[Session]:
        self._refuse()
        return await super().list_sessions(
            subject, now=now, limit=limit, identity=identity, provider_session=provider_session
        )

    def _refuse(self) -> None:
        if self.shut:
            raise StoreUnavailable("shut")


async def test_a_look_reads_no_store_and_sees_the_end() -> None:
    clock = FrozenClock()
    store = Unreadable(clock.now_ms)
    auth = cheap_sealring(store, clock)
    app = FastAPI()
    app.include_router(auth.router())
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8000") as client,
    ):
        issued = await auth.start_session("42")
        token = bearer(issued.access_token.text)
        store.shut = True
        assert problem(await client.get("/auth/me", headers=token)) == (503, "unavailable")
        for _ in range(3):
            look = await client.get("/auth/live", headers=token)
            assert (look.status_code, look.content) == (204, b"")
            assert look.headers["cache-control"] == "no-store"
        assert problem(await client.get("/auth/live")) == (401, "missing_credential")
        store.shut = False
        await auth.revoke_session(issued.session.id)
        store.shut = True
        assert problem(await client.get("/auth/live", headers=token)) == (401, "invalid_token")
