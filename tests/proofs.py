"""DPoP proofs for tests: good ones, and a client that sends them (RFC 9449)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import httpx2
from flask import Flask

from sealring import jwt
from sealring.frameworks.flask import current_principal, require
from sealring.jwt.base64url import encode
from sealring.jwt.dpop import hash_of
from sealring.jwt.strict_json import write
from sealring.testing import InMemorySealring

ORIGIN = "http://127.0.0.1:8000"
KEY = jwt.Key.generate("ES256")
OTHER = jwt.Key.generate("ES256")
PASSWORD = "analytical engine 1843"


def public_jwk(key: jwt.Key) -> dict[str, str]:
    return {name: value for name, value in key.public().to_jwk().items() if name not in {"alg", "kid"}}


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a proof for `POST /auth/token`; None leaves one out."""
    good = {"jti": secrets.token_urlsafe(16), "htm": "POST", "htu": f"{ORIGIN}/auth/token", "iat": 1_700_000_000}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(given: Mapping[str, Any], key: jwt.Key = KEY, *, typ: str = "dpop+jwt", jwk: object = ...) -> str:
    shown = public_jwk(key) if jwk is ... else jwk
    header = {"alg": key.alg, "typ": typ} | ({} if shown is None else {"jwk": shown})
    signing_input = f"{encode(write(header))}.{encode(write(given))}"  # unlike `jwt.sign`, it takes any types
    assert key.sign is not None
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


class ProvingClient:
    """Asks with proofs through a test client; it takes over each nonce, and asks once more where one is wanted."""

    def __init__(self, auth: InMemorySealring, http: Any, *, key: jwt.Key = KEY, origin: str = ORIGIN) -> None:
        self.auth = auth
        self.http = http
        self.key = key
        self.origin = origin
        self.nonce: str | None = None

    def proof(self, method: str, path: str, token: str = "", **changes: Any) -> str:
        values: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": self.origin + path,
            "iat": self.auth.clock.now_ms() // 1000,
            "nonce": self.nonce,
            "ath": hash_of(token) if token else None,
        } | changes
        return signed({name: value for name, value in values.items() if value is not None}, self.key)

    def ask(self, method: str, path: str, token: str = "", **sent: Any) -> Any:
        """Send a request with a proof, and another one where the server wants a nonce."""
        answer = self._ask_once(method, path, token, **sent)
        return self._ask_once(method, path, token, **sent) if "use_dpop_nonce" in answer.text else answer

    def _ask_once(self, method: str, path: str, token: str, **sent: Any) -> Any:
        headers = {"DPoP": self.proof(method, path, token)}
        if token:
            headers["Authorization"] = f"DPoP {token}"
        answer = self.http.request(method, path, headers=headers, **sent)
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        return answer

    def log_in(self) -> dict[str, Any]:
        """Tokens of a new account, bound to this client's key."""
        answer = self.ask("POST", "/auth/register", json={"username": f"u{secrets.token_hex(6)}", "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


def flask_client(**settings: Any) -> ProvingClient:
    """A client of a Flask application whose issuer takes proofs, with one guarded view at `/orders`."""
    auth, app = InMemorySealring(**({"dpop": "optional"} | settings)), Flask("shop")
    auth.init_app(app)

    @app.route("/orders", methods=["GET", "POST"])
    @require()
    def orders() -> str:
        return str(current_principal.subject)

    return ProvingClient(auth, httpx2.Client(transport=httpx2.WSGITransport(app), base_url=ORIGIN))
