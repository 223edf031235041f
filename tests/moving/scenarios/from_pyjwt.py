"""docs/moving/pyjwt.md, against PyJWT and pwdlib."""

from __future__ import annotations

import os
import time

import jwt
from fastapi.testclient import TestClient

from tests.moving.moved import PASSWORD, bearer, import_again, import_users, keep_promises, load, stored_hash

old = load("old_app")
form = {"username": "ada", "password": PASSWORD}
with TestClient(old.app) as client:
    assert client.post("/users", data=form).status_code == 201
    token = client.post("/token", data=form).json()["access_token"]
    assert client.get("/orders", headers=bearer(token)).json() == {"orders of": "1"}
import_users()
secret = os.environ["SECRET_KEY"]
with TestClient(load("app").app, base_url="http://127.0.0.1:8000") as client:
    keep_promises(
        client,
        subject="1",
        username="ada",
        token=token,
        refused={
            "expired": jwt.encode({"sub": "1", "exp": time.time() - 1}, secret),
            "without an end": jwt.encode({"sub": "1"}, secret),
            "of another key": jwt.encode({"sub": "1", "exp": time.time() + 60}, secret[::-1]),
            "unsigned": jwt.encode({"sub": "1", "exp": time.time() + 60}, "", algorithm="none"),
        },
        hash_starts="$argon2id$v=19$m=65536,t=3,p=4$",
    )
assert import_again() == "0 accounts imported, 1 there already\n"
assert stored_hash("ada").startswith("$argon2id$v=19$m=19456,"), "a second import sets no password back"
