"""A node that cannot reach its store: what it has serves for S, then 503 for all, then it recovers (design D7, F4)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from sealring.errors import StoreUnavailable
from sealring.revocation.feed import FeedPage
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.serving import ServedThread, bearer, cheap_sealring, problem, register, serve_in_thread


class Reachable(MemoryStore):
    """A store whose feed can be cut off."""

    cut = False

    async def load_feed(self, after: int | None) -> FeedPage:
        if self.cut:
            raise StoreUnavailable("cut off")
        return await super().load_feed(after)


@pytest.fixture
def served() -> Iterator[ServedThread]:
    clock = FrozenClock()
    with serve_in_thread(cheap_sealring(Reachable(clock.now_ms), clock)) as served:
        yield served


@pytest.fixture
def client(served: ServedThread) -> Iterator[httpx2.Client]:
    with served.client() as client:
        yield client


def test_f4_stale_is_503_for_everybody_and_heals_without_a_restart(served: ServedThread, client: httpx2.Client) -> None:
    store, clock = served.auth.store, served.auth.clock
    assert isinstance(store, Reachable)
    assert isinstance(clock, FrozenClock)
    token = register(client)["access_token"]
    served.run(served.auth.follower.poll())
    store.cut = True
    clock.pass_seconds(5)
    assert client.get("/orders", headers=bearer(token)).status_code == 200, "within the bound it serves what it holds"
    assert client.get("/readyz").status_code == 200
    clock.pass_seconds(0.1)
    for path in ("/orders", "/auth/me", "/auth/sessions", "/readyz"):
        for credential in (bearer(token), bearer("no.good.token")):
            answer = client.get(path, headers=credential)
            assert problem(answer) == (503, "stale"), "never 401: nobody is logged out by an outage"
            assert int(answer.headers["retry-after"]) >= 1
            assert "www-authenticate" not in answer.headers
    assert client.get("/orders").status_code == 401, "who sends no credential needs no fresh word"
    assert client.get("/healthz").status_code == 200, "the process is alive"
    assert client.post("/auth/logout", headers=bearer(token)).status_code == 503
    store.cut = False
    assert served.run(served.auth.follower.poll())
    assert client.get("/readyz").status_code == 200
    assert client.get("/orders", headers=bearer(token)).status_code == 200


def test_a_revocation_during_the_outage_holds_after_it(served: ServedThread, client: httpx2.Client) -> None:
    store, clock = served.auth.store, served.auth.clock
    assert isinstance(store, Reachable)
    assert isinstance(clock, FrozenClock)
    tokens = register(client)
    store.cut = True
    clock.pass_seconds(6)
    # the refresh token needs no follower: its session is read from the store
    assert client.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert client.get("/orders", headers=bearer(tokens["access_token"])).status_code == 503
    store.cut = False
    served.run(served.auth.follower.poll())
    assert problem(client.get("/orders", headers=bearer(tokens["access_token"]))) == (401, "invalid_token")
