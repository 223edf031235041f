"""A PostgreSQL of the tests' own, on a Unix socket, shared by all workers of one run; a database for each test.

The first worker that asks starts the server, the last one that leaves stops it. PostgreSQL
refuses to run as root, so root runs it as `postgres`, else as `nobody`.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.programs import required_program

FAST = ("-c fsync=off", "-c full_page_writes=off", "-c synchronous_commit=off", "-c max_connections=200")
"""No test cuts the power of a server that others use."""


class Cluster:
    """A PostgreSQL server in a folder of its own.

    Args:
        binaries: where initdb, pg_ctl and postgres are.
        folder: where its files go; a short path, for a socket's path has 107 bytes at most.
        settings: what is given to the server, each as `-c name=value`.
    """

    def __init__(self, binaries: Path, folder: Path, settings: Sequence[str] = FAST) -> None:
        self.binaries = binaries
        self.folder = folder
        self.settings = settings
        self.dsn = f"postgresql://postgres@/postgres?host={folder}"

    def make(self, *options: str) -> None:
        """Make the files.

        Args:
            *options: what initdb is told besides.
        """
        self.adopt()
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", *options)

    def adopt(self) -> None:
        """Give all that is in the folder to whom the server runs as."""
        if os.geteuid() == 0:
            owner = self.owner()
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the server and wait until it answers.

        Args:
            environment: what its processes find in their environment besides.
        """
        options = " ".join(("-k", str(self.folder), "-c listen_addresses=''", *self.settings))
        self._run(
            "pg_ctl", "-w", "-t", "60", "-l", str(self.folder / "pg.log"), "-o", options, "start", besides=environment
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: `smart`, `fast` or `immediate`."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def create_database(self) -> str:
        """The DSN of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def drop_database(self, dsn: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = dsn.partition("@/")[2].partition("?")[0]
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _run(self, command: str, *arguments: str, besides: Mapping[str, str] | None = None) -> None:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "LC_ALL": "C.UTF-8"} | dict(
            besides or {}
        )
        line = [str(self.binaries / command), "-D", str(self.folder / "data"), *arguments]
        with (self.folder / f"{command}.out").open("ab") as output:
            if os.geteuid() == 0:
                owner = self.owner()
                done = subprocess.run(
                    line,
                    user=owner.pw_uid,
                    group=owner.pw_gid,
                    extra_groups=[],
                    cwd=self.folder,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    check=False,
                )
            else:
                done = subprocess.run(line, cwd=self.folder, env=environment, stdout=output, stderr=output, check=False)
        if done.returncode != 0:
            raise RuntimeError((self.folder / f"{command}.out").read_text())

    @staticmethod
    def owner() -> pwd.struct_passwd:
        """Whom the server runs as when root starts it."""
        try:
            return pwd.getpwnam("postgres")
        except KeyError:
            return pwd.getpwnam("nobody")


@contextmanager
def own_cluster(settings: Sequence[str] = FAST) -> Iterator[Cluster]:
    """A server for one test alone, which may stop and start it."""
    with tempfile.TemporaryDirectory(prefix="sealring-pg-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(required_binaries(), Path(folder), settings)
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def shared_cluster(notes: Path) -> Iterator[Cluster]:
    """The server of a test run, shared by its workers.

    Args:
        notes: a folder that the workers of this run share; how many use the server, and where it is, stands there.
    """
    binaries = required_binaries()
    users = notes / "postgres-users"
    with (notes / "postgres-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        count, _, folder = users.read_text().partition(" ") if users.exists() else ("0", "", "")
        if count == "0":
            folder = tempfile.mkdtemp(prefix="sealring-pg-")
        cluster = Cluster(binaries, Path(folder))
        if count == "0":
            cluster.make()
            cluster.start()
        users.write_text(f"{int(count) + 1} {folder}")
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield cluster
        finally:
            fcntl.flock(lock, fcntl.LOCK_EX)
            left = int(users.read_text().partition(" ")[0]) - 1
            users.write_text(f"{left} {folder}")
            if left == 0:
                cluster.stop()
                shutil.rmtree(folder, ignore_errors=True)


def required_binaries() -> Path:
    """The folder of the server's programs; skip the test where there is none."""
    return required_program("initdb").resolve().parent
