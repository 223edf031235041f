"""docs/moving/fastapi-users.md, against fastapi-users: by bearer, and by cookie."""

from __future__ import annotations

import os

from fastapi.testclient import TestClient
from fastapi_users.jwt import generate_jwt

from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load

EMAIL = "ada@example.com"
old = load("old_app")
form = {"username": EMAIL, "password": PASSWORD}
with TestClient(old.app) as client:
    subject = client.post("/auth/register", json={"email": EMAIL, "password": PASSWORD}).json()["id"]
    token = client.post("/auth/jwt/login", data=form).json()["access_token"]
    assert client.post("/auth/cookie/login", data=form).status_code == 204
    cookie = client.cookies["fastapiusersauth"]
    assert client.get("/orders", headers=bearer(token)).json() == {"orders of": subject}
import_users()
secret = os.environ["SECRET"]
claims = {"sub": subject, "aud": ["fastapi-users:auth"]}
with TestClient(load("app").app, base_url="http://127.0.0.1:8000") as client:
    client.cookies.set("fastapiusersauth", cookie, domain="127.0.0.1")
    assert client.get("/orders").status_code == 401, "an old cookie is not read by a guard"
    answer = client.post("/exchange", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    answer = client.post("/exchange", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200, answer.text
    assert "fastapiusersauth" not in client.cookies
    assert client.get("/orders").json() == {"orders of": subject}
    assert client.post("/exchange", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 401
    client.cookies.clear()
    keep_promises(
        client,
        subject=subject,
        username=EMAIL,
        token=token,
        refused={
            "expired": generate_jwt(claims, secret, -1),
            "without an end": generate_jwt(claims, secret),
            "to reset a password": generate_jwt(claims | {"aud": "fastapi-users:reset"}, secret, 60),
        },
        hash_starts="$argon2id$v=19$m=65536,t=3,p=4$",
    )
