"""What is true of each example of docs/moving, saved as its reader saves it, in the folder that it was saved in.

A script of `scenarios` knows how its old library makes a user and tokens. It runs in a process of its own, where Django
may be configured, and calls `keep_promises` with them.
"""

from __future__ import annotations

import importlib
import io
import json
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from sealring.cli import main

ROOT = Path(__file__).parents[2]
PASSWORD = "hunter22"
"""Shorter than a new one may be here: the old application accepted it."""
ORDERS = "/orders"


class Client(Protocol):
    """httpx, or Starlette's test client."""

    @property
    def get(self) -> Callable[..., Any]:
        """A request."""

    @property
    def post(self) -> Callable[..., Any]:
        """A request."""


def wsgi(app: Any) -> httpx.Client:
    """A client of a WSGI application."""
    return httpx.Client(transport=httpx.WSGITransport(app), base_url="http://127.0.0.1:8000")


def import_users() -> None:
    """Export and import as the page says, in this process."""
    with Path("users.jsonl").open("w", encoding="utf-8") as out, redirect_stdout(out):
        runpy.run_path("export_users.py")
    assert import_again() == "1 account imported, 0 there already\n"


def import_again() -> str:
    """Import the file; what the command prints."""
    printed = io.StringIO()
    with redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        main(["users", "import", "users.jsonl"])
    assert ended.value.code in {None, 0}, printed.getvalue()
    return printed.getvalue()


def made_by_the_old_project(script: str) -> list[str]:
    """The words that this script prints with the argument `old`: Django is configured once in a process."""
    done = subprocess.run([sys.executable, script, "old"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@contextmanager
def node_application() -> Iterator[str]:
    """The URL of `old_app.mjs`, which prints its port."""
    process = subprocess.Popen(["node", "old_app.mjs"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def stored_hash(username: str) -> str:
    """As it stands in the store."""
    with sqlite3.connect("sealring.db") as db:
        row = db.execute("SELECT password_hash FROM accounts WHERE name = ?", (username,)).fetchone()
    return str(row[0])


def bearer(token: str) -> dict[str, str]:
    """The Authorization field."""
    return {"Authorization": f"Bearer {token}"}


def load(name: str) -> Any:
    """A file of the page, as a module."""
    sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def keep_promises(
    client: Client, *, subject: str, username: str, token: str, refused: dict[str, str], hash_starts: str
) -> None:
    """Hold the application after the move to what the page says.

    Args:
        client: of the new application.
        subject: the id of the user.
        username: their username.
        token: an access token of the old application.
        refused: other tokens that the old library made, and what they are: none may pass.
        hash_starts: how the imported hash begins.
    """
    here = {"orders of": subject}
    answer = client.get(ORDERS, headers=bearer(token))
    assert (answer.status_code, answer.json()) == (200, here), answer.text
    assert client.get(ORDERS).status_code == 401
    assert client.get("/auth/me", headers=bearer(token)).status_code == 401, "an old token has no session"
    head, claims, signature = token.split(".")
    refused = refused | {"a damaged signature": f"{head}.{claims}.{signature[:-4]}AAAA"}
    for what, other in refused.items():
        assert client.get(ORDERS, headers=bearer(other)).status_code == 401, what

    assert stored_hash(username).startswith(hash_starts)
    wrong = {"username": username, "password": "hunter23"}
    assert client.post("/auth/login", json=wrong).status_code == 401
    assert stored_hash(username).startswith(hash_starts)
    for _ in range(2):
        answer = client.post("/auth/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        assert stored_hash(username).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    new = answer.json()["access_token"]
    answer = client.get(ORDERS, headers=bearer(new))
    assert (answer.status_code, answer.json()) == (200, here), answer.text
    assert client.get("/auth/me", headers=bearer(new)).json()["id"] == subject

    assert client.post("/auth/logout", headers=bearer(new)).status_code == 204
    assert client.get(ORDERS, headers=bearer(new)).status_code == 401
    assert client.get(ORDERS, headers=bearer(token)).status_code == 200, "nobody can revoke an old token"
    print(json.dumps({"moved": username}))  # noqa: T201 - the test reads it
