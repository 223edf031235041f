"""`init`, `secret`, `migrate`, `check`, `version`: setting up, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from sealring import Sealring
from sealring.cli.serve import prepare
from sealring.settings.root_secret import weakness
from tests.cli.conftest import Shell
from tests.serving import SECRET


def test_init_writes_a_fresh_secret_for_its_owner_alone(shell: Shell, folder: Path) -> None:
    said = shell("init")
    assert (said.code, said.err) == (0, "")
    assert said.out == "wrote .env with a new 64-byte secret\n"
    env = folder / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    [secret] = re.findall(r"^SEALRING_SECRET=([0-9a-f]{128})$", env.read_text(), re.MULTILINE)
    assert weakness(secret) is None
    assert secret not in said.out


def test_init_never_overwrites(shell: Shell, folder: Path) -> None:
    (folder / ".env").write_text("OTHER=1\n")
    said = shell("init")
    assert said.code == 1
    assert said.error == ".env already exists and was not changed"
    assert "sealring secret" in said.err
    assert (folder / ".env").read_text() == "OTHER=1\n"


@pytest.mark.parametrize("before", ["OTHER=1\n", "OTHER=1", ""])
def test_what_init_hints_at_adds_a_secret(shell: Shell, folder: Path, before: str) -> None:
    (folder / ".env").write_text(before)
    command = shell("init").err.splitlines()[1].removeprefix("hint: to add a secret to it: ")
    sealring = f"{sys.executable} -c 'from sealring.cli import main; main()' secret"
    subprocess.run(["/bin/sh", "-c", command.replace("sealring secret", sealring)], check=True)
    assert re.fullmatch(r"(OTHER=1\n+)?\n?SEALRING_SECRET=[0-9a-f]{128}\n", (folder / ".env").read_text())
    assert shell("migrate").code == 0


def test_init_hints_at_no_second_line_beside_a_secret(shell: Shell, folder: Path) -> None:
    shell("init")
    before = (folder / ".env").read_bytes()
    said = shell("init")
    assert said.error == ".env already exists and was not changed"
    assert "it has a SEALRING_SECRET" in said.err
    assert ">>" not in said.err
    assert (folder / ".env").read_bytes() == before


def test_two_lines_for_one_setting_are_refused(house: Shell, folder: Path) -> None:
    with (folder / ".env").open("a") as env:
        env.write(f"SEALRING_SECRET={SECRET}\n")
    for line in ("users list", "migrate", "serve --port 0"):
        said = house(line)
        assert said.error == "SEALRING_SECRET stands in .env 2 times, and only the last would count"
        assert SECRET not in said.err
    assert "WRONG configuration: SEALRING_SECRET stands in .env 2 times" in house("check").out


def test_init_follows_no_link_to_somebody_elses_file(shell: Shell, folder: Path) -> None:
    (folder / ".env").symlink_to(folder / "elsewhere")
    assert shell("init").code == 1
    assert not (folder / "elsewhere").exists()


def test_init_where_nothing_can_be_written(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")  # root may write everywhere else
    said = shell("init")
    assert said.code == 1
    assert said.error.startswith("cannot write .env: ")


def test_secret_prints_another_one_each_time(shell: Shell) -> None:
    first, second = shell("secret").out, shell("secret").out
    assert first != second
    for text in (first, second):
        assert re.fullmatch(r"[0-9a-f]{128}\n", text)


def test_version(shell: Shell) -> None:
    assert re.fullmatch(r"sealring \d+\.\d+\.\d+\n", shell("version").out)
    assert shell("--version") == shell("version")


def test_migrate_makes_the_store_and_does_nothing_the_second_time(shell: Shell, folder: Path) -> None:
    shell("init")
    for _ in range(2):
        said = shell("migrate")
        assert (said.code, said.out) == (0, "the schema is up to date\n")
    assert stat.S_IMODE((folder / "sealring.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["migrate", "users list", "sessions list", "keys list", "audit"])
def test_without_a_secret_every_command_says_how_to_get_one(shell: Shell, folder: Path, command: str) -> None:
    said = shell(command)
    assert said.error == "SEALRING_SECRET is not set"
    assert "sealring secret" in said.err
    assert list(folder.iterdir()) == [], "nothing half-written"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SEALRING_SECRET", "hunter2", "SEALRING_SECRET is too short"),
        ("SEALRING_SECRET", "a-string-secret-at-least-256-bits-long", "SEALRING_SECRET is well known"),
        ("SEALRING_SECRTE", "x", "unknown setting SEALRING_SECRTE"),
        ("SEALRING_TRUSTED_PROXIES", "unix:/run/x", "SEALRING_TRUSTED_PROXIES: "),
        ("SEALRING_ACCESS_TTL", "soon", "SEALRING_ACCESS_TTL: "),
        ("SEALRING_ISSUER", "nowhere", "SEALRING_ISSUER: "),
        ("SEALRING_DATABASE_URL", "mysql://db", "the database URL names no kind of store"),
        ("SEALRING_DATABASE_URL", "sqlite:///no/such/folder/x.db", ""),
        ("SEALRING_DATABASE_URL", "sqlite:////proc/x.db", ""),
        ("SEALRING_DATABASE_URL", "sqlite:///.env/x.db", ""),
    ],
)
def test_a_bad_setting_is_one_clear_line(  # noqa: PLR0917 - fixtures and columns
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    shell("init")
    monkeypatch.setenv(name, value)
    said = shell("migrate")
    assert said.error.startswith(message)
    if name == "SEALRING_SECRET":
        assert value not in said.err
    assert [path.name for path in folder.iterdir()] == [".env"]


@pytest.mark.parametrize("content", [b"this is no database at all, but text" * 100, b"SQLite format 3\x00garbage"])
def test_a_file_that_is_no_database_is_left_as_it_is(shell: Shell, folder: Path, content: bytes) -> None:
    shell("init")
    (folder / "sealring.db").write_bytes(content)
    assert shell("migrate").error
    assert (folder / "sealring.db").read_bytes() == content


def test_p8_a_newer_schema_is_refused(house: Shell, folder: Path) -> None:
    with sqlite3.connect(folder / "sealring.db") as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%version%'")]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("PRAGMA user_version = 99")
        for table in tables:
            if table.startswith("schema"):
                db.execute(f"UPDATE {table} SET version = 99")  # noqa: S608 - a name from the schema
    db.close()
    said = house("users list")
    assert said.code == 1
    assert "newer" in said.error or "schema" in said.error, version


def test_check_finds_nothing_wrong_with_a_fresh_house(house: Shell) -> None:
    house("keys rotate")
    said = house("check")
    assert said.code == 0, said.out
    assert "WRONG" not in said.out
    for subject in ("configuration", "secret", ".env", "cookies", "staleness", "store", "clock", "keys"):
        assert f"ok    {subject}: " in said.out


@pytest.mark.parametrize(
    ("networks", "named"), [("0.0.0.0/0", "0.0.0.0/0"), ("10.0.0.5,::/0", "::/0"), ("128.0.0.0/1", "128.0.0.0/1")]
)
def test_u10_check_says_when_half_the_internet_is_trusted(
    house: Shell, monkeypatch: pytest.MonkeyPatch, networks: str, named: str
) -> None:
    monkeypatch.setenv("SEALRING_TRUSTED_PROXIES", networks)
    said = house("check")
    assert said.code == 1
    assert f"WRONG proxies: SEALRING_TRUSTED_PROXIES trusts {named}: " in said.out


def test_check_makes_neither_a_store_nor_a_key(shell: Shell, folder: Path) -> None:
    shell("init")
    said = shell("check")
    assert (said.code, said.err) == (0, "")
    assert "ok    store: not there yet" in said.out
    assert [path.name for path in folder.iterdir()] == [".env"]
    (folder / "sealring.db").touch()
    assert "ok    store: not there yet" in shell("check").out
    assert (folder / "sealring.db").stat().st_size == 0
    shell("migrate")
    before = contents(folder)
    said = shell("check")
    assert said.code == 0
    assert "ok    keys: none yet" in said.out
    assert contents(folder) == before


def test_check_makes_nothing_when_the_secret_is_bad(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALRING_SECRET", "short")
    assert shell("check").code == 1
    assert list(folder.iterdir()) == []


def test_check_leaves_an_older_schema_as_it_is(house: Shell, folder: Path) -> None:
    house("migrate")
    with contextlib.closing(sqlite3.connect(folder / "sealring.db")) as db, db:
        db.execute("UPDATE schema_version SET version = -1")
    before = contents(folder)
    said = house("check")
    assert said.code == 1
    assert "WRONG schema: version -1, and this program wants 1" in said.out
    assert contents(folder) == before


@pytest.mark.postgres
def test_check_makes_no_table_in_postgresql(shell: Shell, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("init")
    monkeypatch.setenv("SEALRING_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("SEALRING_DATABASE_SCHEMA", "seals")
    made = (
        "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace), to_regnamespace('seals')"
    )
    said = shell("check")
    assert (said.code, said.err) == (0, "")
    assert "ok    store: not there yet" in said.out
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute(made).fetchall() == [(0, None)]
    monkeypatch.delenv("SEALRING_DATABASE_SCHEMA")
    assert "ok    store: not there yet" in shell("check").out
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute(made).fetchall() == [(0, None)]
    assert shell("migrate").code == 0
    assert "ok    schema: version 1" in shell("check").out


@pytest.mark.postgres
@pytest.mark.parametrize("schema", ["", "seals"])
def test_check_says_who_may_make_no_tables(
    shell: Shell, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    shell("init")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute(f"DROP ROLE IF EXISTS weak{schema}".encode())
        connection.execute(f"CREATE ROLE weak{schema} LOGIN".encode())
    monkeypatch.setenv("SEALRING_DATABASE_URL", postgres_dsn.replace("postgres@", f"weak{schema}@"))
    monkeypatch.setenv("SEALRING_DATABASE_SCHEMA", schema)
    said = shell("check")
    assert said.code == 1
    assert f"WRONG store: this role may make {'no schema' if schema else 'no tables'}" in said.out


def contents(folder: Path) -> list[str]:
    """All that the database holds, as SQL."""
    with contextlib.closing(sqlite3.connect(folder / "sealring.db")) as db:
        return list(db.iterdump())


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("SEALRING_SECRET", "short", "WRONG secret: SEALRING_SECRET is too short"),
        ("SEALRING_SECRET", "9d3f51c07a8e4b62" * 4, "WRONG keys: signing key"),
        ("SEALRING_ISSUER", "http://auth.example.com", "WRONG cookies: the issuer is plain http"),
        ("SEALRING_POLL_INTERVAL", "4s", "WRONG staleness: one lost poll"),
        ("SEALRING_ACCESS_TTL", "soon", "WRONG configuration: SEALRING_ACCESS_TTL"),
        ("SEALRING_DATABASE_URL", "sqlite:////proc/x.db", "WRONG store: "),
    ],
)
def test_check_says_what_is_wrong_and_how_to_mend_it(
    house: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    house("keys rotate")
    monkeypatch.setenv(name, value)
    said = house("check")
    assert said.code == 1
    assert line in said.out
    assert "hint: " in said.out
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.5,::/0", "::/0"),
        ("128.0.0.0/1", "128.0.0.0/1"),
        ("unix,0.0.0.0/0", "0.0.0.0/0"),
        ("::/0, unix", "::/0"),
    ],
)
def test_check_warns_of_a_trust_in_everybody(
    house: Shell, monkeypatch: pytest.MonkeyPatch, value: str, named: str
) -> None:
    monkeypatch.setenv("SEALRING_TRUSTED_PROXIES", value)
    said = house("check")
    assert said.code == 1
    assert f"WRONG proxies: SEALRING_TRUSTED_PROXIES trusts {named}" in said.out


@pytest.mark.parametrize("trusted", ["10.0.0.0/8,fc00::/7,192.0.2.1", "unix", "unix, 10.0.0.5", "fc00::/7,unix"])
def test_check_accepts_the_proxies_of_a_private_network_and_of_a_socket(
    house: Shell, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    monkeypatch.setenv("SEALRING_TRUSTED_PROXIES", trusted)
    said = house("check")
    assert said.code == 0, said.out
    assert "proxies" not in said.out


@pytest.mark.parametrize(
    ("ttl", "line"),
    [
        ("600s", "ok    access tokens: live 600 s, by the settings and by the store"),
        ("20s", "ok    access tokens: live 20 s by the settings here, and up to 600 s by the store"),
        ("900s", "ok    access tokens: live 900 s by the settings here, and up to 600 s by the store"),
    ],
)
def test_n1_check_compares_the_life_of_tokens_with_what_the_store_knows(
    house: Shell, monkeypatch: pytest.MonkeyPatch, ttl: str, line: str
) -> None:
    async def declare() -> None:
        async with Sealring(access_ttl="600s").lifespan():
            pass

    asyncio.run(declare())
    monkeypatch.setenv("SEALRING_ACCESS_TTL", ttl)
    said = house("check")
    assert said.code == 0, said.out
    assert line in said.out


def test_check_names_the_processes_of_the_store_and_who_is_in_the_way(
    house: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def kill(issuer: str) -> None:
        killed = Sealring(issuer=issuer)
        await killed.open()
        monkeypatch.setattr(killed.parts.declaration, "withdraw", lambda: asyncio.sleep(0))
        await killed.close()

    assert "processes" not in house("check").out
    asyncio.run(kill("http://127.0.0.1:8000"))
    said = house("check")
    assert said.code == 0
    assert "ok    processes: 1 with issuer http://127.0.0.1:8000, audience http://127.0.0.1:8000, ES256\n" in said.out
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:9000")
    said = house("check")
    assert said.code == 0
    assert "ES256: a server with issuer http://127.0.0.1:9000, as set here, does not start beside them" in said.out
    assert re.search(r"one that was killed counts for 1[78]\d seconds more", said.out)
    monkeypatch.setenv("SEALRING_PREVIOUS_ISSUER", "http://127.0.0.1:8000")
    assert house("check").code == 0


def test_k7_check_finds_an_env_file_that_others_can_read(house: Shell, folder: Path) -> None:
    (folder / ".env").chmod(0o644)
    said = house("check")
    assert said.code == 1
    assert "WRONG .env: others can read it (mode 644)" in said.out
    assert "hint: chmod 600 .env" in said.out


def test_k7_serve_warns_of_an_env_file_that_others_can_read(
    house: Shell, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house("version").code == 0
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")
    prepare("127.0.0.1", "http://127.0.0.1:8000")
    assert capsys.readouterr().err == ""
    (folder / ".env").chmod(0o640)
    prepare("127.0.0.1", "http://127.0.0.1:8000")
    assert capsys.readouterr().err == ("sealring: warning: .env: others can read it (mode 640)\nhint: chmod 600 .env\n")


@pytest.mark.parametrize(
    "line", ["", "nonsense", "users", "users nonsense", "--nonsense", "users create", "keys revoke", "token sign",
             "serve --port 70000", "serve --port x", "serve --workers 0", "users create a b c",
             "users create ada --password hunter2"],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_shows_the_way(shell: Shell, folder: Path, line: str) -> None:
    said = shell(line)
    assert said.code == 2
    assert "--help" in said.err + said.out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("line", ["", "users", "sessions", "keys", "token"])
def test_a_group_alone_shows_its_help_as_it_is_written(shell: Shell, line: str) -> None:
    said = shell(line)
    assert (said.code, said.out) == (2, "")
    assert said.err == shell(f"{line} --help").out
    assert "\nCommands:\n" in said.err


@pytest.mark.parametrize(
    "line", ["--help", "serve --help", "users --help", "users create --help", "token --help", "keys generate --help"]
)
def test_help_is_there(shell: Shell, line: str) -> None:
    said = shell(line)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: sealring")
