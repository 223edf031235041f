"""docs/moving/express.md, against jsonwebtoken, bcryptjs and Express; with `recorded`, against what they wrote once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import httpx
from fastapi.testclient import TestClient

from sealring import jwt
from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load, node_application

KEY = jwt.Key.from_secret(os.environ["TOKEN_SECRET"], "HS256")
CLAIMS = {"id": 1, "username": "ada"}
HASH = "$2b$10$0ZiUsiAdL7ui3OLk8GKdOuWGx0ic2g06iI9ZSWISRFNqev6F26Xr6"
"""Of `PASSWORD`, by bcryptjs 3.0.3."""

if sys.argv[1:] == ["recorded"]:
    Path("users.json").write_text(json.dumps([CLAIMS | {"password": HASH}]))
    token = jwt.sign(CLAIMS, KEY, expires_in="1800s")
else:
    with node_application() as url:
        body = {"username": "ada", "password": PASSWORD}
        token = httpx.post(f"{url}/api/createNewUser", json=body).json()
        assert httpx.get(f"{url}/orders", headers=bearer(token)).json() == {"orders of": "1"}
import_users()
with TestClient(load("app").app, base_url="http://127.0.0.1:8000") as client:
    keep_promises(
        client,
        subject="1",
        username="ada",
        token=token,
        refused={
            "expired": jwt.sign(CLAIMS, KEY, expires_in=1, now=1_700_000_000),
            "without an end": jwt.sign(CLAIMS, KEY),
            "of another user claim": jwt.sign({"sub": "1"}, KEY, expires_in=60),
        },
        hash_starts="$2b$10$",
    )
