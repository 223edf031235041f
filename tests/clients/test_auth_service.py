"""The server of docs/how-to/auth-service.md as it stands there: Express and jose beside `sealring serve --no-demo`."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from sealring import jwt
from tests.npm import installed
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import START_WITHIN_SECONDS, ServedProcess, bearer, register, start

pytestmark = pytest.mark.xdist_group("npm")

PACKAGE = Path(__file__).parent / "express"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "auth-service.md"
SNIPPET = re.compile(r"^```js\n// server\.js\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass
class Shop:
    """The application, and the auth service beside it."""

    auth: ServedProcess
    url: str

    def orders(self, token: str | None) -> httpx2.Response:
        return httpx2.get(f"{self.url}/orders", headers={} if token is None else bearer(token), timeout=30)


@contextmanager
def serving(folder: Path) -> Iterator[Shop]:
    (script,) = SNIPPET.findall(PAGE.read_text(encoding="utf-8"))
    (folder / "server.js").write_text(script)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(installed(PACKAGE))
    node, port = required_program("node"), free_port()
    auth = start(folder, "--no-demo", SEALRING_DEFAULT_SCOPES="orders:read")
    process = subprocess.Popen(
        [str(node), "server.js"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "ISSUER": auth.url, "PORT": str(port)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not _answers(url):
            assert process.poll() is None, "the application has ended"
            assert time.monotonic() < deadline, "the application does not answer"
            time.sleep(0.05)
        yield Shop(auth, url)
    finally:
        process.kill()
        process.wait(30)
        auth.kill()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving(tmp_path_factory.mktemp("shop")) as both:
        yield both


def _answers(url: str) -> bool:
    try:
        httpx2.get(url, timeout=5)
    except httpx2.TransportError:
        return False
    return True


def test_an_access_token_opens_the_application_until_the_session_ends(shop: Shop) -> None:
    with shop.auth.client() as client:
        tokens = register(client)
        token = tokens["access_token"]
        assert shop.orders(token).json() == {"orders of": tokens["user"]["id"]}
        assert client.post("/auth/logout", headers=bearer(token)).status_code == 204
    refused = shop.orders(token)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_nobody_and_a_forger_are_refused(shop: Shop) -> None:
    with shop.auth.client() as client:
        token = register(client)["access_token"]
    anonymous = shop.orders(None)
    assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, "Bearer")
    read = jwt.peek(token)
    forged = jwt.sign(
        dict(read.claims), jwt.Key.generate("ES256"), typ="at+jwt", header={"kid": read.header["kid"]}, issued_at=False
    )
    for bad in (forged, token[:-8] + "AAAAAAAA", "forged.token.here"):
        assert shop.orders(bad).status_code == 401


def test_while_the_auth_service_is_away_nothing_is_allowed(tmp_path: Path) -> None:
    with serving(tmp_path) as shop:
        with shop.auth.client() as client:
            token = register(client)["access_token"]
        assert shop.orders(token).status_code == 200
        shop.auth.kill()
        assert shop.orders(token).status_code == 503
