"""The pages on PostgreSQL, against a real one: Alembic beside us, and PgBouncer with the files of its page."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from sealring import Sealring, SessionEnded
from sealring.errors import TokenError
from sealring.jwt import parse_duration
from sealring.settings import SETTINGS
from tests.docs.transcript import Terminal, files, page, steps
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import SECRET
from tests.store.postgres_cluster import Cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.mark.slow
def test_alembic_and_sealring_share_a_database_as_the_page_says(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead = {
        "change-me-to-what-sealring-secret-prints": SECRET,
        "postgresql://shop@/shop": f"'{postgres_dsn}'",
    }
    terminal = Terminal(tmp_path, monkeypatch, capsys, instead)
    terminal.follow("how-to/postgresql-and-orm.md")
    assert sum("alembic" in command for command in terminal.typed) == 4
    with psycopg.connect(postgres_dsn) as connection:
        rows = connection.execute("SELECT schemaname, tablename FROM pg_tables").fetchall()
    assert {("public", "users"), ("public", "alembic_version"), ("sealring", "accounts")} <= set(rows)


@contextmanager
def pgbouncer(cluster: Cluster, folder: Path, database: str) -> Iterator[str]:
    """PgBouncer with the page's files, where paths, ports and the database are those of this machine."""
    folder.chmod(0o755)
    port = free_port()
    shown = files("how-to/pgbouncer.md")
    ini = shown["/etc/pgbouncer/pgbouncer.ini"]
    for words, others in {
        "host=127.0.0.1 port=5432 dbname=shop": f"host={cluster.folder} dbname={database}",
        "listen_port = 6432": f"listen_port = {port}",
        "/etc/pgbouncer/userlist.txt": str(folder / "userlist.txt"),
    }.items():
        assert words in ini
        ini = ini.replace(words, others)
    (folder / "pgbouncer.ini").write_text(ini + "unix_socket_dir =\n")
    (folder / "userlist.txt").write_text(shown["/etc/pgbouncer/userlist.txt"])
    owner: pwd.struct_passwd | None = cluster.owner() if os.geteuid() == 0 else None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [required_program("pgbouncer"), str(folder / "pgbouncer.ini")],
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        url = shown["environment"].partition("=")[2].strip().replace(":6432/", f":{port}/")
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            else:
                break
        yield url
    finally:
        process.kill()
        process.wait(20)


def test_a_node_runs_through_pgbouncer_with_the_files_of_the_page(
    postgres_cluster: Cluster,
    postgres_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'sealring_server'").fetchone():
            admin.execute("CREATE ROLE sealring_server LOGIN")
        admin.execute("GRANT ALL ON SCHEMA public TO sealring_server")
    database = postgres_dsn.partition("@/")[2].partition("?")[0]
    with (
        tempfile.TemporaryDirectory(prefix="sealring-page-") as folder,  # where PgBouncer's own user may enter
        pgbouncer(postgres_cluster, Path(folder), database) as url,
    ):
        settings = {"SEALRING_SECRET": SECRET, "SEALRING_DATABASE_URL": url}
        terminal = Terminal(Path(folder), monkeypatch, capsys, settings=settings)
        assert "signs" in terminal.run("sealring keys rotate")
        ((command, shown),) = steps("how-to/pgbouncer.md")
        terminal.type(command, shown)


async def test_a_dump_is_restored_as_the_page_says_and_revives_no_session(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/how-to/backup.md: its blocks on PostgreSQL."""
    dump, restore = re.findall(r"^```sh\n(.*?)^```", page("how-to/backup.md"), re.DOTALL | re.MULTILINE)
    settings = {"SEALRING_SECRET": SECRET, "SEALRING_DATABASE_URL": postgres_dsn}
    terminal = Terminal(tmp_path, monkeypatch, capsys, settings=settings)
    node = Sealring(secret=SECRET, database_url=postgres_dsn)
    async with node.lifespan():
        held, ended = await node.start_session("42"), await node.start_session("43")
        assert terminal.run(dump) == ""
        await node.revoke_session(ended.session.id)
    said = terminal.run(restore)
    assert said == "store reset after restore: all sessions ended, all signing keys replaced\n"
    async with node.lifespan():
        for issued in (held, ended):
            with pytest.raises(TokenError):
                node.verify(issued.access_token.text)
            with pytest.raises(SessionEnded):
                await node.refresh_session(issued.refresh_token)
        assert node.verify((await node.start_session("42")).access_token.text).subject == "42"


def test_patroni_promotes_only_what_has_every_acknowledged_commit() -> None:
    """docs/how-to/high-availability.md: what its table needs of the file, and of the setting beside it."""
    shown = files("how-to/high-availability.md")
    asked = yaml.safe_load(shown["/etc/patroni/config.yml"])["bootstrap"]["dcs"]
    assert (asked["synchronous_mode"], asked["synchronous_mode_strict"]) == (True, False)
    assert asked["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert asked["loop_wait"] + 2 * asked["retry_timeout"] <= asked["ttl"], "Patroni's own rule"
    settings = dict(line.split("=", 1) for line in shown["environment"].splitlines())
    assert settings.keys() <= {row.variable for row in SETTINGS.values()}
    assert conninfo_to_dict(settings["SEALRING_DATABASE_URL"])["target_session_attrs"] == "read-write"
    assert parse_duration(settings["SEALRING_MAX_STALENESS"]) >= asked["ttl"] + 2 * asked["loop_wait"]
