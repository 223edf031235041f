"""A PgBouncer of the tests' own, in transaction mode: what stands between nodes and PostgreSQL in many places.

Debian's program, on a Unix socket in a folder of its own. It refuses to run as root, as PostgreSQL does. Few server
connections for many clients, so that neighboring transactions of one client travel on different ones.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.programs import required_program
from tests.store.postgres_cluster import Cluster

PORT = 6432
SERVER_CONNECTIONS = 3


class Pooler:
    """A PgBouncer in front of a PostgreSQL.

    Args:
        cluster: the PostgreSQL.
        folder: where its files go.
        settings: of its section `pgbouncer`, beside ours.
    """

    def __init__(self, cluster: Cluster, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._cluster = cluster
        self._folder = folder
        self._settings = {
            "listen_addr": "",
            "listen_port": str(PORT),
            "unix_socket_dir": str(folder),
            "auth_type": "any",
            "admin_users": "postgres",
            "pool_mode": "transaction",
            "default_pool_size": str(SERVER_CONNECTIONS),
            "max_client_conn": "200",
            "server_login_retry": "1",
        } | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def through(self, dsn: str) -> str:
        """The DSN that reaches the same database through this pooler."""
        return dsn.replace(f"host={self._cluster.folder}", f"host={self._folder}&port={PORT}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        text = "\n".join(["[databases]", f"* = host={self._cluster.folder} user=postgres", "[pgbouncer]", *lines, ""])
        ini = self._folder / "pgbouncer.ini"
        ini.write_text(text)
        self._folder.chmod(0o755)
        owner = self._cluster.owner() if os.geteuid() == 0 else None
        if owner is not None:
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        with (self._folder / "pgbouncer.log").open("ab") as log:
            self._process = subprocess.Popen(
                [required_program("pgbouncer"), str(ini)],
                user=None if owner is None else owner.pw_uid,
                group=None if owner is None else owner.pw_gid,
                extra_groups=None if owner is None else [],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.ask("SHOW VERSION")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "pgbouncer.log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def ask(self, command: str) -> list[tuple[object, ...]]:
        """What its console answers."""
        dsn = f"postgresql://postgres@/pgbouncer?host={self._folder}&port={PORT}"
        with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            cursor = console.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """End it at once, with all that passes through it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def own_pooler(cluster: Cluster, **settings: str) -> Iterator[Pooler]:
    """A pooler for as long as `with` lasts."""
    required_program("pgbouncer")
    with tempfile.TemporaryDirectory(prefix="sealring-pgb-", ignore_cleanup_errors=True) as folder:
        pooler = Pooler(cluster, Path(folder), settings)
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.kill()
