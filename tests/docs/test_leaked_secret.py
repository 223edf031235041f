"""docs/reference/commands.md, "At 3 a.m.": what to do when the root secret has leaked, done as it stands there."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from sealring import jwt
from sealring.errors import ConfigurationError
from sealring.sessions.refresh_token import RefreshToken, RefreshTokenCodec
from sealring.settings.root_secret import RootSecret
from sealring.signing_keys.encryption import KeyEncryption
from tests.serving import PASSWORD, SEALRING, bearer, environment, problem, register, start

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "leaked-secret.md").read_text(encoding="utf-8")
STEPS = (
    "**1. Stop the servers**", "**2. Put a fresh secret before the old one.**", "sealring restored --yes",
    "**4. Take the old secret out.**", "**5. Start the servers.**",
)  # fmt: skip


def sealring(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*SEALRING, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


class Thief:
    """Whoever has the old secret and a copy of the database."""

    def __init__(self, secret: str, database: Path) -> None:
        root = RootSecret.parse(secret)
        self._refresh_tokens = RefreshTokenCodec(root.derive("refresh token"))
        key_encryption = KeyEncryption(root.derive("signing keys at rest"))
        with closing(sqlite3.connect(database)) as db:
            rows = db.execute("SELECT kid, encrypted FROM signing_keys").fetchall()
        self.keys = [
            jwt.Key.from_jwk(json.loads(key_encryption.unwrap(encrypted, kid=kid)[0])) for kid, encrypted in rows
        ]

    def access_tokens(self, like: str) -> list[str]:
        """The same token with another life, signed with every key."""
        claims = jwt.peek(like).claims | {"iat": int(time.time()), "exp": int(time.time()) + 600}
        return [jwt.sign(claims, key, typ="at+jwt") for key in self.keys]

    def child(self, parent: RefreshToken) -> str:
        """A refresh token that the server might have minted from this one."""
        return self._refresh_tokens.encode(
            RefreshToken(parent.session_id, parent.generation + 1, parent.minted_ms + 1, parent.minted_ms)
        )


def is_let_in(client: httpx2.Client, access_token: str) -> bool:
    answer = client.get("/auth/me", headers=bearer(access_token))
    assert answer.status_code == 200 or problem(answer) == (401, "invalid_token")
    return answer.status_code == 200


def opened(refresh_token: str, secret: str) -> RefreshToken:
    return RefreshTokenCodec(RootSecret.parse(secret).derive("refresh token")).decode(refresh_token)


def test_a_leaked_root_secret_is_replaced_as_the_page_says(tmp_path: Path) -> None:
    said = " ".join(PAGE.split())
    assert re.search(".*".join(map(re.escape, STEPS)), said), "the page has other steps than this test"
    env = tmp_path / ".env"

    served = start(tmp_path)
    with served.client() as client:
        before = register(client, "ada")
    [old] = re.findall(r"^SEALRING_SECRET=(\S+)$", env.read_text(), re.MULTILINE)
    thief = Thief(old, tmp_path / "sealring.db")
    forged = [before["access_token"], *thief.access_tokens(before["access_token"])]
    assert len(forged) == 3
    with served.client() as client:
        assert all(is_let_in(client, token) for token in (forged[0], forged[1])), "they would be good otherwise"
    served.stop()

    fresh = sealring(tmp_path, "secret").strip()
    env.write_text(f"SEALRING_SECRET={fresh},{old}\n")
    sealring(tmp_path, "restored", "--yes")
    env.write_text(f"SEALRING_SECRET={fresh}\n")
    assert "WRONG" not in sealring(tmp_path, "check")

    served = start(tmp_path)
    try:
        with served.client() as client:
            assert not any(is_let_in(client, token) for token in forged)
            forged_child = thief.child(opened(before["refresh_token"], old))
            for text in (before["refresh_token"], forged_child):
                refused = client.post("/auth/refresh", json={"refresh_token": text})
                assert problem(refused)[0] == 401
            answer = client.post("/auth/login", json={"username": "ada", "password": PASSWORD})
            assert answer.status_code == 200
            assert is_let_in(client, answer.json()["access_token"])
            forged_child = thief.child(opened(answer.json()["refresh_token"], fresh))
            refused = client.post("/auth/refresh", json={"refresh_token": forged_child})
            assert problem(refused) == (401, "invalid_token"), "the old secret makes nothing of the new session"
            with pytest.raises(ConfigurationError):
                Thief(old, tmp_path / "sealring.db")
            renewed = client.post("/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
            assert renewed.status_code == 200
    finally:
        served.kill()
