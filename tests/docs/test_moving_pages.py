"""Each page of docs/moving, run against the library that it comes from, in an empty folder."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sealring import TokenError, jwt
from sealring.accounts.imported import ImportedUser, draft_imported
from sealring.cli.import_file import read_lines
from tests.npm import installed
from tests.serving import environment

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "moving"
FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
SECRETS = ("SECRET_KEY", "JWT_SECRET_KEY", "SECRET", "DJANGO_SECRET_KEY", "TOKEN_SECRET")
SECRET = "a secret of the old application, long enough"

SCENARIOS = ("pyjwt", "fastapi-users", "flask-jwt-extended", "simplejwt", "authlib", "allauth")
"""Pages that a script of `tests/moving/scenarios` follows."""
SLOW = ("simplejwt", "allauth")
"""Those that take longest. Whether each page shows what its script does is asked in the ordinary run, too."""


WITH_NODE = ("express", "better-auth-and-supabase")
"""As above; what they come from runs in Node."""


def write_key_pair(folder: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    (folder / "private.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)


def files_of(page: str) -> dict[str, str]:
    return dict(FILE.findall((PAGES / f"{page}.md").read_text(encoding="utf-8")))


def follow(page: str, script: str, folder: Path, *arguments: str) -> None:
    """Save the files of the page in the folder and run a script of `scenarios` there."""
    for name, text in files_of(page).items():
        (folder / name).write_text(text, encoding="utf-8")
    write_key_pair(folder)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "moving" / "scenarios" / f"{script}.py"), *arguments],
        cwd=folder,
        env=environment(
            **dict.fromkeys(SECRETS, SECRET),
            PRIVATE_KEY_FILE="private.pem",
            PUBLIC_KEY_FILE="public.pem",
            BETTER_AUTH_SECRET=SECRET,
            SEALRING_SECRET="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use",
            PYTHONPATH=os.pathsep.join((str(folder), str(ROOT))),
            PYTHONDONTWRITEBYTECODE="1",
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["moved"], "all promises were asked"


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in SLOW else page for page in SCENARIOS]
)
def test_a_page_holds_against_the_library_that_it_comes_from(page: str, tmp_path: Path) -> None:
    follow(page, f"from_{page.replace('-', '_')}", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_NODE)
def test_a_page_holds_against_the_package_of_npm_that_it_comes_from(page: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(installed(ROOT / "tests" / "moving"))
    follow(page, f"from_{page.replace('-', '_')}", tmp_path)


def test_the_page_of_express_holds_against_what_its_packages_wrote(tmp_path: Path) -> None:
    follow("express", "from_express", tmp_path, "recorded")


@pytest.mark.slow
def test_allauth_hands_out_a_session_by_the_strategy_of_its_page(tmp_path: Path) -> None:
    follow("allauth", "from_allauth", tmp_path, "strategy")


SUPABASE = {
    "iss": "https://abcdefgh.supabase.co/auth/v1",
    "sub": "8f6b1f9e-6d5c-4f0e-9a3c-2f7f3f1f0a11",
    "aud": "authenticated",
    "role": "authenticated",
    "aal": "aal1",
    "session_id": "4b0b3c6c-6a0c-4a56-9a59-0f9f2c1b7e22",
    "email": "ada@example.com",
    "app_metadata": {"provider": "email", "providers": ["email"], "scopes": ["orders:read"]},
    "user_metadata": {"scopes": ["admin"]},
    "is_anonymous": False,
}
"""The claims of an access token of Supabase, as its documentation lists them."""


def test_the_page_of_supabase_takes_access_tokens_of_users_alone() -> None:
    scope: dict[str, Any] = {}
    exec(files_of("better-auth-and-supabase")["supabase.py"], scope)  # noqa: S102 - a file of our own page
    tokens = scope["legacy"](SECRET)
    key = jwt.Key.from_secret(SECRET, "HS256")
    user = tokens.verify(jwt.sign(SUPABASE, key, expires_in=3600))
    assert (user.subject, user.scopes) == (SUPABASE["sub"], {"orders:read"})
    others: list[dict[str, Any]] = [
        {"role": "service_role"},
        {"role": "anon", "sub": None},
        {"aud": "other"},
        {"iss": "https://other.supabase.co/auth/v1"},
        {"app_metadata": None},
    ]
    for other in others:
        claims = {name: value for name, value in (SUPABASE | other).items() if value is not None}
        with pytest.raises(TokenError):
            tokens.verify(jwt.sign(claims, key, expires_in=3600))
    with pytest.raises(TokenError):
        tokens.verify(jwt.sign(SUPABASE, key, expires_in=3600, now=1_700_000_000))


def test_users_of_supabase_and_better_auth_are_read_as_they_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of PostgreSQL's COPY, and what the page's script prints for tables of Better Auth."""
    monkeypatch.chdir(tmp_path)
    header = "id,username,email,email_verified,password_hash,disabled"
    password_hash = "$2a$10$PznXR5WSDEFtVLz3nNXmqOPpWDOmhoIcTlAEtDpmZyYPFwEz66NAu"
    row = f"{SUPABASE['sub']},ada@example.com,ada@example.com,t,{password_hash},f"
    [first] = read_lines([header + "\n", row + "\n"])
    assert isinstance(first.user, ImportedUser)
    assert (first.user.email_verified, first.user.disabled) == (True, False)
    account = draft_imported(first.user, fresh_id="", now=0)
    assert (account.id, account.canonical_email) == (SUPABASE["sub"], "ada@example.com")
    assert str(account.password_hash).startswith("$2a$10$")

    user = {"id": "a", "email": "bob@example.com", "emailVerified": False}
    other = {"id": "b", "email": "cyd@example.com", "emailVerified": True}
    credential = {"userId": "a", "providerId": "credential", "password": "00" * 16 + ":" + "00" * 64}
    tables = {"user": [user, other], "account": [credential, {"userId": "b", "providerId": "github", "password": None}]}
    Path("tables.json").write_text(json.dumps(tables))
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(files_of("better-auth-and-supabase")["export_users.py"], {})  # noqa: S102 - as above
    bob, cyd = [line.user for line in read_lines(printed.getvalue().splitlines())]
    assert isinstance(bob, ImportedUser)
    assert isinstance(cyd, ImportedUser)
    assert (bob.id, bob.email_verified, cyd.password_hash, cyd.email_verified) == ("a", False, None, True)
    assert str(draft_imported(bob, fresh_id="", now=0).password_hash).startswith("$scrypt-nfkc$ln=14,r=16,p=1$")


CONSOLE = """$ python export_users.py > users.jsonl
$ sealring users import users.jsonl
1 account imported, 0 there already
"""
"""What `import_users` of `tests.moving.moved` does and compares."""


@pytest.mark.parametrize("page", [*SCENARIOS, *WITH_NODE])
def test_the_console_of_a_page_shows_what_its_test_types(page: str) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    assert re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE) == [CONSOLE]


def test_every_page_has_its_test() -> None:
    pages = {path.stem for path in PAGES.glob("*.md")} - {"index"}
    assert pages == {*SCENARIOS, *WITH_NODE}
