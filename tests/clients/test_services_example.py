"""examples/services: an issuer and two services that only verify, started by one command from nothing."""

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


class Services:
    """The three, as a client reaches them."""

    def __init__(self, issuer: str, orders: str, stock: str) -> None:
        self.http = httpx2.Client(trust_env=False, verify=TRUST_NOBODY, timeout=10)
        self.issuer = issuer
        self.of = {"orders": orders, "stock": stock}

    def register(self) -> str:
        body = {"username": fresh_name(), "password": PASSWORD}
        token: str = self.http.post(f"{self.issuer}/auth/register", json=body).json()["access_token"]
        return token

    def statuses(self, headers: dict[str, str]) -> dict[str, int]:
        return {name: self.http.get(f"{url}/", headers=headers).status_code for name, url in self.of.items()}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    required_program("npm")
    issuer, orders, stock = (free_port() for _ in range(3))
    at = Services(*(f"http://127.0.0.1:{port}" for port in (issuer, orders, stock)))
    found = Example(page=f"{at.of['stock']}/readyz", api=at.of["orders"], notes="")
    folder: Path = tmp_path_factory.mktemp("services")
    with running("services", found, folder, ISSUER_PORT=str(issuer), ORDERS_PORT=str(orders), STOCK_PORT=str(stock)):
        yield at
    at.http.close()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SEEN_WITHIN_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_both_services_refuse_a_session_that_was_ended_at_the_issuer(services: Services) -> None:
    token = services.register()
    until(lambda: services.statuses(bearer(token)) == {"orders": 200, "stock": 200})
    assert services.http.post(f"{services.issuer}/auth/logout", headers=bearer(token)).status_code == 204
    until(lambda: services.statuses(bearer(token)) == {"orders": 401, "stock": 401})


def test_neither_knows_a_stranger_or_a_token_that_was_changed(services: Services) -> None:
    token = services.register()
    assert services.statuses({}) == {"orders": 401, "stock": 401}
    assert services.statuses(bearer(token[:-2])) == {"orders": 401, "stock": 401}


def test_a_raised_epoch_makes_the_tokens_of_a_subject_stale_in_both(services: Services) -> None:
    token = services.register()
    until(lambda: services.statuses(bearer(token)) == {"orders": 200, "stock": 200})
    change = {"current": PASSWORD, "new": "another " + PASSWORD}
    answer = services.http.post(f"{services.issuer}/auth/password", json=change, headers=bearer(token))
    assert answer.is_success
    until(lambda: services.statuses(bearer(token)) == {"orders": 401, "stock": 401})
