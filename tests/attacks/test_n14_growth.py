"""N14: what one client can make grow (accounts, sessions, revocations, audit lines) is bounded; no typo ends all."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.serving import ServedThread, bearer, cheap_sealring, problem, register, serve_in_thread


@pytest.fixture(scope="module")
def site() -> Iterator[ServedThread]:
    with serve_in_thread(cheap_sealring(session_cap=3)) as served:
        yield served


@pytest.fixture
def client(site: ServedThread) -> Iterator[httpx2.Client]:
    with site.client() as client:
        yield client


@pytest.mark.parametrize("query", ["Keep=current", "keep_current=1", "keep=current&x=1", "KEEP=current", "%6beep2=x"])
def test_n14_an_unknown_parameter_ends_nothing(client: httpx2.Client, query: str) -> None:
    token = register(client)["access_token"]
    answer = client.delete(f"/auth/sessions?{query}", headers=bearer(token))
    assert problem(answer) == (400, "unknown_parameter")
    assert client.get("/auth/me", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/register"),
        ("POST", "/auth/login"),
        ("POST", "/auth/refresh"),
        ("POST", "/auth/logout"),
        ("DELETE", "/auth/sessions/x"),
        ("POST", "/auth/password"),
    ],
)
def test_n14_a_route_that_changes_something_refuses_parameters_that_it_does_not_read(
    client: httpx2.Client, method: str, path: str
) -> None:
    token = register(client)["access_token"]
    answer = client.request(method, f"{path}?x=1", headers=bearer(token))
    assert problem(answer) == (400, "unknown_parameter")


@pytest.mark.parametrize("path", ["/auth/me", "/auth/sessions", "/auth/.well-known/jwks.json", "/auth/client.js"])
def test_a_look_with_a_query_is_answered(client: httpx2.Client, path: str) -> None:
    token = register(client)["access_token"]
    assert client.get(f"{path}?v=1", headers=bearer(token)).status_code == 200


def test_a_log_out_with_an_empty_body_names_what_is_missing(client: httpx2.Client) -> None:
    answer = client.post("/auth/logout", json={})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "refresh_token", "reason": "field required"}]


def test_n14_the_token_endpoint_ignores_them_as_rfc_6749_asks(client: httpx2.Client) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": register(client)["refresh_token"]}
    assert client.post("/auth/token?x=1", data=form).status_code == 200


def test_n14_a_parameter_of_the_hosts_own_dependency_is_known() -> None:
    async def tenant(tenant: str = "") -> str:
        return tenant

    app = FastAPI()
    app.include_router(cheap_sealring().router(), dependencies=[Depends(tenant)])
    with TestClient(app) as http:
        assert problem(http.post("/auth/logout?tenant=a")) == (401, "missing_credential")
        assert problem(http.post("/auth/logout?tenan=a")) == (400, "unknown_parameter")


def test_n14_nobody_ends_the_others_without_end(site: ServedThread, client: httpx2.Client) -> None:
    tokens = register(client)
    for _ in range(10):
        answer = client.delete("/auth/sessions?keep=current", headers=bearer(tokens["access_token"]))
        assert answer.status_code == 204
        tokens = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    full = client.delete("/auth/sessions?keep=current", headers=bearer(tokens["access_token"]))
    assert problem(full) == (429, "throttled")
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200
    site.pass_seconds(int(full.headers["retry-after"]))
    again = client.delete("/auth/sessions?keep=current", headers=bearer(tokens["access_token"]))
    assert again.status_code == 204


def test_n14_the_cap_of_sessions_is_a_setting(site: ServedThread) -> None:
    async def scenario() -> int:
        for _ in range(5):
            await site.auth.start_session("42")
        return len(await site.auth.issuer.sessions.list("42"))

    assert site.run(scenario()) == 3


def test_n14_registrations_have_a_limit_of_their_own() -> None:
    with serve_in_thread(cheap_sealring(throttle_registration="2/1h")) as site, site.client() as client:
        register(client)
        register(client)
        body = {"username": "one-more", "password": "correct horse battery staple"}
        refused = client.post("/auth/register", json=body)
        assert problem(refused) == (429, "throttled")
        site.pass_seconds(int(refused.headers["retry-after"]))
        assert client.post("/auth/register", json=body).status_code == 201


@pytest.mark.anyio
async def test_n14_audit_lines_are_kept_as_long_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FrozenClock()
    store = MemoryStore(clock.now_ms)
    auth = cheap_sealring(store, clock, audit_retention="2d", poll_interval=59, max_staleness=60)
    kept: list[int] = []

    async def purge(*, now: int, audit_seconds: int) -> None:
        assert now == clock.now_ms() // 1000
        kept.append(audit_seconds)
        raise StopAsyncIteration

    monkeypatch.setattr("sealring.issuer.maintenance.EVERY_SECONDS", 0)
    monkeypatch.setattr(store, "purge", purge)
    await auth.open()
    try:
        assert auth.parts.maintenance._task is not None
        with pytest.raises(StopAsyncIteration):
            await auth.parts.maintenance._task
    finally:
        await auth.close()
    assert kept == [2 * 86_400]
