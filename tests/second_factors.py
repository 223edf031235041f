"""A user with an authenticator app, before a host: what the tests of second factors do again and again."""

from __future__ import annotations

from typing import Any

import httpx2
import pyotp

from sealring import Sealring
from tests.clocks import FrozenClock
from tests.conformance.hosts import transport_of
from tests.serving import PASSWORD, bearer

BASE = "http://127.0.0.1:8000"
STEP = 30


class AppUser:
    """One user with a browser or a program, and a phone."""

    def __init__(self, auth: Sealring, app: Any, name: str = "ann") -> None:
        self.auth, self.app, self.name = auth, app, name
        self.client = httpx2.AsyncClient(transport=transport_of(app), base_url=BASE)
        self.phone: pyotp.TOTP | None = None
        self.access = ""
        self.tokens: dict[str, Any] = {}

    @property
    def now(self) -> int:
        return self.auth.clock.now_ms() // 1000

    async def pass_seconds(self, seconds: int) -> None:
        """Let time pass, and the node hear that nothing happened meanwhile."""
        assert isinstance(self.auth.clock, FrozenClock)
        self.auth.clock.pass_seconds(seconds)
        await self.auth.follower.poll()

    def code(self, at: int | None = None) -> str:
        assert self.phone is not None
        return self.phone.at(self.now if at is None else at)

    async def ask(self, method: str, path: str, **body: Any) -> httpx2.Response:
        headers = bearer(self.access) if self.access else {}
        answer = await self.client.request(method, f"/auth/{path}", headers=headers, json=body or None)
        renewed = answer.json() if answer.status_code == 200 else {}
        self.access = renewed.get("tokens", renewed).get("access_token", self.access)
        return answer

    async def post(self, path: str, **body: Any) -> httpx2.Response:
        return await self.ask("POST", path, **body)

    async def login(self) -> httpx2.Response:
        """The password; 200 or what the next step needs."""
        self.access = ""
        answer = await self.post("login", username=self.name, password=PASSWORD)
        self.tokens = answer.json()
        return answer

    async def second(self, code: str, *, method: str = "totp", **more: Any) -> httpx2.Response:
        """The next step of the login."""
        return await self.post(f"login/{method}", pending=self.tokens["pending"], response={"code": code, **more})

    async def enroll(self) -> httpx2.Response:
        """The app, by a session that has just begun."""
        started = await self.post("totp/start")
        assert started.status_code == 200, started.text
        self.scan(started.json())
        return await self.post("totp/confirm", enrollment=started.json()["enrollment"], code=self.code())

    def scan(self, shown: dict[str, str]) -> None:
        """The QR code."""
        phone = pyotp.parse_uri(shown["uri"])
        assert isinstance(phone, pyotp.TOTP)
        assert phone.secret == shown["secret"]
        self.phone = phone

    async def again(self, *, code: str | None = None) -> httpx2.Response:
        """Prove both factors again."""
        answer = await self.post("reauthenticate/password", response={"password": PASSWORD})
        if answer.status_code == 200:
            return answer
        pending = answer.json()["pending"]
        return await self.post(
            "reauthenticate/totp", pending=pending, response={"code": self.code() if code is None else code}
        )
