"""What it costs to refresh a session that is bound to its device: `scripts/bench devices`.

CPU of one request at the ASGI door, in turns: `POST /auth/refresh` of a session that is not bound, and `POST
/auth/device/refresh` with a proof. The browser's own signature is made beside the clock. Target: at most 1.3 times.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import tempfile
import time
from http import HTTPStatus
from typing import Any

from bench.report import Report, Table, add_json_option
from sealring import Sealring, jwt
from sealring.authentication.client_info import ClientInfo
from sealring.store.memory import MemoryStore
from sealring.testing.devices import registration

SECRET = "kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only"
SITE = "https://shop.example"
NAMES = {
    "access": "__Host-sealring_access",
    "session": "__Host-sealring_session",
    "refresh": "__Secure-sealring_refresh",
}
REFRESHES = 60
PLAIN, PROVED, ASKED = "not bound", "bound, with a proof", "bound, with the request for a challenge"
TARGET = 1.3
Fields = list[tuple[bytes, bytes]]


class Browser:
    """Cookies, and a key if the session is bound."""

    def __init__(self, auth: Sealring, *, bound: bool) -> None:
        self.auth = auth
        self.app = auth.asgi()
        self.bound = bound
        self.key = jwt.Key.generate("ES256")
        self.session_id = ""
        self.cookies: dict[str, str] = {}

    async def log_in(self) -> None:
        request = {"type": "http", "method": "POST", "path": "/login", "headers": []}
        issued = await self.auth.start_session("42", request=request, delivery="cookie")
        self.session_id = issued.session.id
        if self.bound:
            proof = registration(self.auth, issued, self.key)
            issued = await self.auth.issuer.sessions.bind(issued.refresh_token, proof, client=ClientInfo(""))
        self.keep(self.auth.delivery.deliver(issued, "cookie", refresh_path="/auth").headers)

    def keep(self, headers: Fields) -> None:
        for name, value in headers:
            if name == b"set-cookie":
                cookie, _, text = value.partition(b";")[0].decode().partition("=")
                self.cookies[cookie] = text

    def proof(self) -> str:
        challenge = self.auth.issuer.sessions.devices.challenge(self.session_id, now=int(time.time()))
        return jwt.sign({"jti": challenge}, self.key, typ="dbsc+jwt", issued_at=False)

    async def ask(self, path: str, *fields: tuple[bytes, bytes]) -> tuple[int, Fields]:
        shown = [NAMES["session"], NAMES["refresh"]]  # the access cookie is gone: that is why a browser refreshes
        cookies = "; ".join(f"{name}={self.cookies[name]}" for name in shown)
        own = [(b"host", b"shop.example"), (b"origin", SITE.encode()), (b"sec-fetch-site", b"same-origin")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/auth{path}",
            "root_path": "/auth",
            "query_string": b"",
            "headers": [*own, (b"content-length", b"0"), (b"cookie", cookies.encode()), *fields],
            "client": ("192.0.2.1", 4711),
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], sent[0]["headers"]

    async def refresh(self, *, asks: bool = False) -> float:
        """CPU seconds of one refresh."""
        named = (b"sec-secure-session-id", self.session_id.encode())
        proof = (b"secure-session-response", self.proof().encode()) if self.bound else None
        began = time.process_time()
        if asks:
            status, _ = await self.ask("/device/refresh", named)
            check(status, HTTPStatus.FORBIDDEN)
        status, headers = await (self.ask("/refresh") if proof is None else self.ask("/device/refresh", named, proof))
        seconds = time.process_time() - began
        check(status, HTTPStatus.OK)
        self.keep(headers)
        return seconds


def check(status: int, wanted: HTTPStatus) -> None:
    """Nothing is measured of a request that was refused."""
    if status != wanted:
        raise RuntimeError(f"status {status}, not {wanted}")


async def measure(url: str, store: MemoryStore | None, rounds: int) -> dict[str, list[float]]:
    auth = Sealring(
        secret=SECRET,
        database_url=url,
        store=store,
        issuer=SITE,
        device_binding="prefer",
        retry_window=0,
        access_ttl="10m",
    )
    values: dict[str, list[float]] = {PLAIN: [], PROVED: [], ASKED: []}
    async with auth.lifespan():
        plain, bound = Browser(auth, bound=False), Browser(auth, bound=True)
        for browser in (plain, bound):
            await browser.log_in()
            await browser.refresh()
        for _ in range(rounds):
            sums = dict.fromkeys(values, 0.0)
            for _ in range(REFRESHES):
                sums[PLAIN] += await plain.refresh()
                sums[PROVED] += await bound.refresh()
                sums[ASKED] += await bound.refresh(asks=True)
            for name, seconds in sums.items():
                values[name].append(seconds / REFRESHES * 1e6)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    add_json_option(parser)
    arguments = parser.parse_args()
    report = Report(arguments.json)
    with tempfile.TemporaryDirectory() as folder:
        for title, url, store in (("memory", "", MemoryStore()), ("SQLite", f"sqlite:///{folder}/bench.db", None)):
            values = asyncio.run(measure(url or "sqlite:///unused.db", store, arguments.rounds))
            ratios = {
                name: sorted(one / plain for one, plain in zip(values[name], values[PLAIN], strict=True))
                for name in (PROVED, ASKED)
            }
            for name, found in ratios.items():
                middle = found[len(found) // 2]
                print(f"{title}: {name}: {middle:.2f} ({found[0]:.2f}..{found[-1]:.2f}) of one that is not bound")
            targets = {PROVED: TARGET} if title == "SQLite" else None
            report.add(Table.of(f"devices-{title.lower()}", title, "µs CPU", values, targets=targets))


if __name__ == "__main__":
    main()
