"""examples/services: an issuer and three services that only verify, started by one command from nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.browser.test_examples import Example, running
from tests.plain_http import TRUST_NOBODY
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import PASSWORD, bearer, fresh_name

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("npm")]

SEEN_WITHIN_SECONDS = 15.0
LISTED_WITHIN_SECONDS = 120.0
"""By a service that reads the status list, which it keeps for half a minute."""


class Services:
    """The four, as a client reaches them."""

    def __init__(self, issuer: str, orders: str, stock: str, invoices: str) -> None:
        self.http = httpx2.Client(trust_env=False, verify=TRUST_NOBODY, timeout=10)
        self.issuer = issuer
        self.of = {"orders": orders, "stock": stock, "invoices": invoices}

    def register(self) -> str:
        body = {"username": fresh_name(), "password": PASSWORD}
        token: str = self.http.post(f"{self.issuer}/auth/register", json=body).json()["access_token"]
        return token

    def statuses(self, headers: dict[str, str]) -> dict[str, int]:
        return {name: self.http.get(f"{url}/", headers=headers).status_code for name, url in self.of.items()}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    required_program("npm")
    ports = {name: free_port() for name in ("issuer", "orders", "stock", "invoices")}
    at = Services(*(f"http://127.0.0.1:{port}" for port in ports.values()))
    found = Example(page=f"{at.of['stock']}/readyz", api=at.of["orders"], notes="")
    folder: Path = tmp_path_factory.mktemp("services")
    chosen = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    with running("services", found, folder, installs=False, **chosen):
        yield at
    at.http.close()


def until(done: Callable[[], bool], within: float = SEEN_WITHIN_SECONDS) -> None:
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def all_of(status: int) -> dict[str, int]:
    return dict.fromkeys(("orders", "stock", "invoices"), status)


def test_every_service_refuses_a_session_that_was_ended_at_the_issuer(services: Services) -> None:
    token, other = services.register(), services.register()
    until(lambda: services.statuses(bearer(token)) == all_of(200))
    assert services.http.post(f"{services.issuer}/auth/logout", headers=bearer(token)).status_code == 204
    until(lambda: services.statuses(bearer(token)) | {"invoices": 401} == all_of(401))
    until(lambda: services.statuses(bearer(token)) == all_of(401), LISTED_WITHIN_SECONDS)
    assert services.statuses(bearer(other)) == all_of(200)


def test_none_knows_a_stranger_or_a_token_that_was_changed(services: Services) -> None:
    token = services.register()
    assert services.statuses({}) == all_of(401)
    assert services.statuses(bearer(token[:-2])) == all_of(401)


def test_a_raised_epoch_makes_the_tokens_of_a_subject_stale_where_the_feed_is_followed(services: Services) -> None:
    token = services.register()
    until(lambda: services.statuses(bearer(token)) == all_of(200))
    change = {"current": PASSWORD, "new": "another " + PASSWORD}
    answer = services.http.post(f"{services.issuer}/auth/password", json=change, headers=bearer(token))
    assert answer.is_success
    until(lambda: services.statuses(bearer(token)) | {"invoices": 401} == all_of(401))
