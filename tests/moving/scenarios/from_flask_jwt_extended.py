"""docs/moving/flask-jwt-extended.md, against Flask-JWT-Extended and Werkzeug."""

from __future__ import annotations

from datetime import timedelta

from flask_jwt_extended import create_access_token

from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load, wsgi

old = load("old_app")
body = {"username": "ada", "password": PASSWORD}
client = wsgi(old.app)
assert client.post("/users", json=body).status_code == 201
tokens = client.post("/login", json=body).json()
assert client.get("/orders", headers=bearer(tokens["access_token"])).json() == {"orders of": "1"}
with old.app.app_context():
    expired = create_access_token("1", expires_delta=timedelta(seconds=-1))
    endless = create_access_token("1", expires_delta=False)
import_users()
keep_promises(
    wsgi(load("app").app),
    subject="1",
    username="ada",
    token=tokens["access_token"],
    refused={"a refresh token": tokens["refresh_token"], "expired": expired, "without an end": endless},
    hash_starts="$scrypt$ln=15,r=8,p=1$",
)
