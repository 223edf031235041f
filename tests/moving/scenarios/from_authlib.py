"""docs/moving/authlib.md, against Authlib's ResourceProtector, joserfc and bcrypt."""

from __future__ import annotations

import time

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load, wsgi

old = load("old_app")
body = {"username": "ada", "password": PASSWORD}
client = wsgi(old.app)
assert client.post("/users", json=body).status_code == 201
token = client.post("/login", json=body).json()["access_token"]
assert client.get("/orders", headers=bearer(token)).json() == {"orders of": "1"}
claims = {"iss": "https://shop.example", "sub": "1", "scope": "orders:read", "exp": int(time.time()) + 60}
import_users()
keep_promises(
    wsgi(load("app").app),
    subject="1",
    username="ada",
    token=token,
    refused={
        "expired": jwt.encode({"alg": "RS256"}, claims | {"exp": int(time.time()) - 1}, old.key),
        "of another issuer": jwt.encode({"alg": "RS256"}, claims | {"iss": "https://other.example"}, old.key),
        "of another key": jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048)),
    },
    hash_starts="$2b$10$",
)
