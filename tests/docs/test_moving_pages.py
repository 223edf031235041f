"""Each page of docs/moving, run against the library that it comes from, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.npm import installed
from tests.serving import environment

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "moving"
FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
SECRETS = ("SECRET_KEY", "JWT_SECRET_KEY", "SECRET", "DJANGO_SECRET_KEY", "TOKEN_SECRET")
SECRET = "a secret of the old application, long enough"

SCENARIOS = ("pyjwt", "fastapi-users", "flask-jwt-extended", "simplejwt", "authlib", "allauth")
"""Pages that a script of `tests/moving/scenarios` follows."""


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


@pytest.mark.parametrize("page", SCENARIOS)
def test_a_page_holds_against_the_library_that_it_comes_from(page: str, tmp_path: Path) -> None:
    follow(page, f"from_{page.replace('-', '_')}", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_NODE)
def test_a_page_holds_against_the_package_of_npm_that_it_comes_from(page: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(installed(ROOT / "tests" / "moving"))
    follow(page, f"from_{page.replace('-', '_')}", tmp_path)


def test_the_page_of_express_holds_against_what_its_packages_wrote(tmp_path: Path) -> None:
    follow("express", "from_express", tmp_path, "recorded")


def test_every_page_has_its_test() -> None:
    pages = {path.stem for path in PAGES.glob("*.md")} - {"index"}
    assert pages == {*SCENARIOS, *WITH_NODE}
