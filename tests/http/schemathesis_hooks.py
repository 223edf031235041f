"""For schemathesis: whoever asks is logged in, though generated requests log them out and delete their account."""

from __future__ import annotations

import os
from typing import Any

import httpx2
import schemathesis
from schemathesis.core import media_types

from tests.serving import PASSWORD, bearer, register

media_types.JSON_MEDIA_TYPES = frozenset({("text", "json")})  # application/jwt, the feed's, is no JSON

NAME = "schemathesis"
URL = os.environ["SERVED_AT"]


@schemathesis.auth(refresh_interval=None)
class LoggedIn:
    """An access token that is good when it is asked for."""

    def __init__(self) -> None:
        self._client = httpx2.Client(base_url=URL, timeout=30, trust_env=False)
        self._token = str(register(self._client, NAME)["access_token"])

    def get(self, _case: Any, _context: Any) -> str:
        if self._client.get("/auth/me", headers=bearer(self._token)).status_code != 200:
            answer = self._client.post("/auth/login", json={"username": NAME, "password": PASSWORD})
            logged_in = answer.json() if answer.status_code == 200 else register(self._client, NAME)
            self._token = str(logged_in["access_token"])
        return self._token

    def set(self, case: Any, data: str, _context: Any) -> None:
        case.headers = {**(case.headers or {}), **bearer(data)}
