"""The pages on PostgreSQL, against a real one: Alembic beside us, and PgBouncer with the files of its page."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.docs.transcript import Terminal, files, steps
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import SECRET
from tests.store.postgres_cluster import Cluster

pytestmark = pytest.mark.postgres


def test_alembic_and_sealring_share_a_database_as_the_page_says(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead = {
        "replace-me-with-what-sealring-secret-prints": SECRET,
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
