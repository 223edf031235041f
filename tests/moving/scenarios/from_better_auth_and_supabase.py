"""docs/moving/better-auth-and-supabase.md, against Better Auth in Node."""

from __future__ import annotations

import os

import httpx
from fastapi.testclient import TestClient

from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load, node_application

EMAIL = "ada@example.com"
COOKIES = {"Sec-Fetch-Site": "same-origin"}

with node_application() as url:
    os.environ["BETTER_AUTH_URL"] = url
    with httpx.Client(base_url=f"{url}/api/auth", headers={"Origin": url}) as browser:
        body = {"email": EMAIL, "password": PASSWORD, "name": "Ada"}
        signed_up = browser.post("/sign-up/email", json=body)
        assert signed_up.status_code == 200, signed_up.text
        subject = signed_up.json()["user"]["id"]
        token = browser.get("/token").json()["token"]
    import_users()

    with TestClient(load("accept").app) as client:
        assert client.get("/orders", headers=bearer(token)).json() == {"orders of": subject}
        assert client.get("/orders").status_code == 401

    with TestClient(load("app").app, base_url="http://127.0.0.1:8000") as client:
        body = {"token": token}
        assert client.post("/exchange", json=body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post("/exchange", json={"token": token[:-4]}, headers=COOKIES).status_code == 401
        answer = client.post("/exchange", json=body, headers=COOKIES)
        assert answer.status_code == 200, answer.text
        assert client.get("/orders").json() == {"orders of": subject}
        client.cookies.clear()
        keep_promises(
            client, subject=subject, username=EMAIL, token=token, refused={}, hash_starts="$scrypt-nfkc$ln=14,r=16,p=1$"
        )
