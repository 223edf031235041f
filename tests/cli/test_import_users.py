"""`users import`: what is wrong is said line by line, nothing is written by half, and it may be repeated."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import bcrypt
import pytest

from tests.cli.conftest import Shell
from tests.cli.test_accounts import log_in

OLD_PASSWORD = "hunter22"
"""Shorter than a new one may be: it was accepted elsewhere."""
HASH = bcrypt.hashpw(OLD_PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def as_lines(*users: object) -> str:
    return "".join(json.dumps(user) + "\n" for user in users)


def stored_hash(username: str) -> str:
    with sqlite3.connect("sealring.db") as db:
        [found] = db.execute("SELECT password_hash FROM accounts WHERE canonical_name = ?", (username,)).fetchone()
    return str(found)


def accounts(shell: Shell) -> dict[str, dict[str, object]]:
    return {row["username"]: row for row in shell("users list --json").json}


def test_a_user_logs_in_with_the_old_password_and_the_hash_is_replaced(shell: Shell, folder: Path) -> None:
    shell("init")
    (folder / "users.jsonl").write_text(as_lines({"id": "42", "username": "Bob", "password_hash": HASH}))
    said = shell("users import users.jsonl")
    assert (said.code, said.out, said.err) == (0, "1 account imported, 0 there already\n", "")
    assert accounts(shell)["Bob"]["id"] == "42"
    assert stored_hash("bob") == HASH
    assert log_in("bob", "hunter23") == "invalid_credentials"
    assert stored_hash("bob") == HASH
    assert isinstance(log_in("bob", OLD_PASSWORD), tuple)
    assert stored_hash("bob").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert isinstance(log_in("bob", OLD_PASSWORD), tuple)
    causes = [(line["kind"], line["cause"]) for line in map(json.loads, shell("audit --json").out.splitlines())]
    assert ("account_created", "imported by operator") in causes
    assert causes.count(("password_changed", "rehashed at login")) == 1

    said = shell("users import users.jsonl")
    assert (said.code, said.out) == (0, "0 accounts imported, 1 there already\n")
    assert stored_hash("bob").startswith("$argon2id$"), "an import sets no password back"


def test_scopes_with_which_nobody_could_log_in_are_a_wrong_line(shell: Shell) -> None:
    shell("init")
    users = as_lines({"username": "ann"}, {"username": "bob", "scopes": [f"scope:{n}-{'x' * 20}" for n in range(200)]})
    for command in ("users import --check -", "users import -"):
        said = shell(command, stdin=users)
        assert said.code == 1
        assert "line 2: scopes: are too many" in said.err
    assert accounts(shell) == {}


def test_every_member_is_taken_over(shell: Shell) -> None:
    shell("init")
    users = as_lines(
        {"username": "ann", "email": "Ann@Example.com", "email_verified": True, "scopes": ["a", "b"], "id": "7"},
        {"username": "bob", "email": "bob@example.com", "scopes": "a  b", "disabled": True, "password_hash": HASH},
    )
    assert shell("users import -", stdin=users).code == 0
    found = accounts(shell)
    assert (found["ann"]["id"], found["ann"]["email"], found["ann"]["scopes"]) == ("7", "Ann@Example.com", ["a", "b"])
    assert (found["bob"]["status"], found["bob"]["scopes"]) == ("disabled", ["a", "b"])
    assert log_in("bob", OLD_PASSWORD) == "invalid_credentials"
    assert log_in("ann", OLD_PASSWORD) == "invalid_credentials"
    with sqlite3.connect("sealring.db") as db:
        of_verified = (
            "SELECT name, CASE WHEN email_verified_at IS NULL THEN NULL ELSE canonical_email END FROM accounts"
        )
        reserved = dict(db.execute(of_verified))
    assert reserved == {"ann": "ann@example.com", "bob": None}, "an address that nobody verified is not reserved (U3)"


def test_csv_has_a_header_and_empty_cells_are_left_out(shell: Shell, folder: Path) -> None:
    shell("init")
    text = f'username,password_hash,email,scopes,disabled\nann,{HASH},,"a b",false\n\nbob,,bob@example.com,,TRUE\n'
    (folder / "users.csv").write_text("\ufeff" + text)
    said = shell("users import users.csv")
    assert (said.code, said.out) == (0, "2 accounts imported, 0 there already\n")
    found = accounts(shell)
    assert (found["ann"]["email"], found["ann"]["scopes"]) == (None, ["a", "b"])
    assert (found["bob"]["email"], found["bob"]["status"]) == ("bob@example.com", "disabled")
    assert isinstance(log_in("ann", OLD_PASSWORD), tuple)


WRONG = [
    ({"password_hash": HASH}, "username: field required"),
    ({"username": "x y  z"}, "username: must not have two spaces in a row"),
    ({"username": 7}, "username: must be text"),
    ({"username": "c", "password_hash": "hunter22"}, "password_hash: must be a hash of Argon2id"),
    ({"username": "c", "password_hash": "$2b$15$" + "a" * 53}, "password_hash: costs more than a login may"),
    ({"username": "c", "email": "nowhere"}, "email: must be an email address"),
    ({"username": "c", "scopes": ["a b"]}, "scopes: scope 'a b' is not a scope token"),
    ({"username": "c", "scopes": {"a": 1}}, "scopes: must be a list"),
    ({"username": "c", "disabled": "no"}, "disabled: must be true or false"),
    ({"username": "c", "id": ""}, "id: must be 1 to 255 printable characters"),
    ({"username": "c", "id": "x" * 256}, "id: must be 1 to 255 printable characters"),
    ({"username": "c", "id": 7}, "id: must be text"),
    ({"username": "c", "emial": "c@example.com"}, "emial: unknown; the members are username"),
    ({"username": "OLD"}, "username: is that of line 1"),
    ({"username": "c", "id": "1"}, "id: is that of line 1"),
    ({"username": "c", "email": "OLD@example.com", "email_verified": True}, "email: is that of line 1"),
    (["c"], "line: must be one JSON object"),
]


@pytest.mark.parametrize(("user", "reason"), WRONG)
def test_a_wrong_line_is_named_and_nothing_is_written(shell: Shell, user: object, reason: str) -> None:
    shell("init")
    old = {"username": "old", "id": "1", "email": "old@example.com", "email_verified": True, "password_hash": HASH}
    said = shell("users import -", stdin=as_lines(old) + "\n" + as_lines(user))
    assert said.code == 1
    first, error, hint = said.err.splitlines()
    assert first.startswith(f"line 3: {reason}")
    assert error == "sealring: error: 1 line cannot be imported; nothing was written"
    assert "--skip-invalid" in hint
    assert "$2b$" not in said.err
    assert accounts(shell) == {}

    said = shell("users import --skip-invalid -", stdin=as_lines(old) + "\n" + as_lines(user))
    assert (said.code, said.out) == (1, "1 account imported, 0 there already\n")
    assert said.err.startswith(f"line 3: {reason}")
    assert set(accounts(shell)) == {"old"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,hash\nann,x\n", "header: unknown column 'name'"),
        ("email\nann@example.com\n", "header: must name each column once, username among them"),
        ("username,username\na,b\n", "header: must name each column once"),
        ("", "header: must name each column once"),
    ],
)
def test_a_wrong_header_is_named(shell: Shell, text: str, reason: str) -> None:
    shell("init")
    said = shell("users import -", stdin=text)
    assert said.code == 1
    assert said.error.startswith(reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("username,email\nann\n", "line 2: line: must have 2 columns, not 1"),
        ("username,disabled\nann,maybe\n", "line 2: disabled: must be true or false"),
        ('username\n"ann\n', "line 2: line: must be CSV"),
        ('{"username": "ann"\n', "line 1: line: must be one JSON object"),
        ('{"username": "' + "a" * 70_000 + '"}\n', "line 1: line: must have at most 65,536 characters"),
        ("{" + '"a":[' * 20_000 + "\n", "line 1: line: must"),
        ("username\n" + "a" * 70_000 + "\n", "line 2: line: must have at most 65,536 characters"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(shell: Shell, text: str, reason: str) -> None:
    shell("init")
    said = shell("users import -", stdin=text)
    assert said.code == 1
    assert said.err.startswith(reason)
    assert accounts(shell) == {}


def test_a_file_that_is_no_text_is_one_clear_line(shell: Shell, folder: Path) -> None:
    shell("init")
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    assert shell("users import binary").error == "the file must be text in UTF-8"
    assert shell("users import nowhere").code == 2


def test_a_name_or_an_id_of_somebody_else_is_a_wrong_line(house: Shell) -> None:
    bob = {"username": "bob", "id": "2", "email": "bob@example.com", "email_verified": True}
    assert house("users import -", stdin=as_lines(bob)).code == 0
    for user, reason in (
        ({"username": "ADA", "id": "7"}, "username: is another account's"),
        ({"username": "carl", "id": "2"}, "id: is another account's"),
        ({"username": "ada", "id": "2"}, "username: is another account's"),
        (
            {"username": "bob", "email": "other@example.com"},
            "username: is that of an account with another email address",
        ),
    ):
        said = house("users import -", stdin=as_lines({"username": "dora"}, user))
        assert said.code == 1
        assert said.err.startswith(f"line 2: {reason}\n")
        assert set(accounts(house)) == {"ada", "bob"}
    assert house("users import -", stdin=as_lines({"username": "Bob"})).out.endswith("1 there already\n")

    # what only the store knows is found when the line is written
    said = house(
        "users import -", stdin=as_lines({"username": "erin", "email": "bob@example.com", "email_verified": True})
    )
    assert said.code == 1
    assert said.err.splitlines()[0] == "line 1: email: is taken"
    assert set(accounts(house)) == {"ada", "bob"}


def test_j17_the_id_of_a_deleted_account_is_never_taken_again(house: Shell) -> None:
    bob = as_lines({"username": "bob", "id": "2"})
    assert house("users import -", stdin=bob).code == 0
    assert house("users delete bob --yes").code == 0

    said = house("users import -", stdin=bob)
    assert said.code == 1
    assert said.err.startswith("line 1: id: is, or was, that of another account, and is never used again\n")
    assert set(accounts(house)) == {"ada"}


def test_check_writes_nothing(shell: Shell) -> None:
    shell("init")
    said = shell("users import --check -", stdin=as_lines({"username": "ann"}, {"username": "bob"}))
    assert (said.code, said.out) == (0, "2 accounts can be imported, 0 there already\n")
    assert accounts(shell) == {}
    said = shell("users import --check -", stdin=as_lines({"username": "ann"}, {"username": ""}))
    assert said.code == 1
    assert said.err.startswith("line 2: username: must not be empty\n")


def test_many_users_are_imported_by_one_command(shell: Shell) -> None:
    shell("init")
    users = as_lines(*({"username": f"user{number}", "password_hash": HASH} for number in range(250)))
    assert shell("users import -", stdin=users).out == "250 accounts imported, 0 there already\n"
    assert shell("users import -", stdin=users).out == "0 accounts imported, 250 there already\n"
    assert len(accounts(shell)) == 250


def test_a_missing_package_is_said_at_the_import(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("init")
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    said = shell("users import -", stdin=as_lines({"username": "ann", "password_hash": HASH}))
    assert said.code == 0
    assert said.err.splitlines() == [
        "sealring: warning: 1 account cannot log in without the package bcrypt",
        "hint: pip install 'sealring[bcrypt]'",
    ]
