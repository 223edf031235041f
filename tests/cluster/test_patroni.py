"""A failover with the Patroni of docs/how-to/high-availability.md: nobody is logged out, nobody comes back.

Two database machines and an etcd as processes on loopback. It needs Debian's `etcd-server`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import yaml

from tests.cluster.failover.machine import as_owner
from tests.docs.transcript import files
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import bearer, register, start
from tests.store.postgres_cluster import Cluster, required_binaries

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

READY_SECONDS = 90
FAILOVER_SECONDS = 60
PAGE = files("how-to/high-availability.md")


class Machine:
    """One database machine: Patroni, and the PostgreSQL that it starts."""

    def __init__(self, name: str, folder: Path, etcd: int) -> None:
        self.port, self.api, self.folder = free_port(), free_port(), folder
        read: dict[str, Any] = yaml.safe_load(PAGE["/etc/patroni/config.yml"])
        read |= {"name": name, "etcd3": {"hosts": f"127.0.0.1:{etcd}"}, "watchdog": {"mode": "off"}}
        read["restapi"] = dict.fromkeys(("listen", "connect_address"), f"127.0.0.1:{self.api}")
        read["postgresql"] |= dict.fromkeys(("listen", "connect_address"), f"127.0.0.1:{self.port}")
        read["postgresql"] |= {
            "data_dir": str(folder / name),
            "bin_dir": str(required_binaries()),
            "parameters": {"unix_socket_directories": str(folder)},
            "pg_hba": [line.replace("10.0.0.0/24", "127.0.0.1/32") for line in read["postgresql"]["pg_hba"]],
        }
        self.password = read["postgresql"]["authentication"]["superuser"]["password"]
        self.data, self.name = folder / name, name
        (folder / f"{name}.yml").write_text(yaml.safe_dump(read))
        self.process = as_postgres(folder, name, [sys.executable, "-m", "patroni", f"{name}.yml"])

    def role(self) -> str:
        """What Patroni says that it is."""
        try:
            answer = httpx2.get(f"http://127.0.0.1:{self.api}/patroni", timeout=3, trust_env=False).json()
        except (httpx2.TransportError, ValueError):
            return "gone"
        return "sync" if answer.get("sync_standby") else str(answer.get("role"))

    def die(self) -> None:
        """The machine loses its power."""
        postmaster = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        self.process.kill()
        self.process.wait()
        os.kill(postmaster, signal.SIGKILL)  # its children leave when they see that

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def as_postgres(folder: Path, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    person = as_owner() if os.geteuid() == 0 else []
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [*person, *command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
            stdout=log,
            stderr=log,
        )


@contextmanager
def machines(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two of them, the first one the primary, the second its synchronous standby."""
    if os.geteuid() == 0:
        os.chown(folder, Cluster.owner().pw_uid, Cluster.owner().pw_gid)
    client, peer = free_port(), free_port()
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    etcd = [
        str(required_program("etcd")), "--data-dir", str(folder / "etcd"), "--listen-client-urls", here,
        "--advertise-client-urls", here, "--listen-peer-urls", there, "--initial-advertise-peer-urls", there,
        "--initial-cluster", f"default={there}",
    ]  # fmt: skip
    with ExitStack() as stack:
        process = as_postgres(folder, "etcd", etcd)
        stack.callback(process.wait)
        stack.callback(process.kill)
        both = []
        for name, role in (("a", "master primary"), ("b", "sync")):
            machine = Machine(name, folder, client)
            stack.callback(machine.stop)
            wait_for(machine, role)
            both.append(machine)
        yield both[0], both[1]


def wait_for(machine: Machine, roles: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while machine.role() not in roles.split():
        assert time.monotonic() < deadline, (machine.folder / f"{machine.name}.log").read_text()[-3000:]
        time.sleep(0.2)


def codes(url: str, tokens: Mapping[str, str]) -> dict[str, int]:
    """What a node says of each token."""
    asked = {name: httpx2.get(f"{url}/auth/live", headers=bearer(token), timeout=30) for name, token in tokens.items()}
    return {name: answer.status_code for name, answer in asked.items()}


def test_a_failover_ends_nothing_and_revives_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="sealring-pat-", ignore_cleanup_errors=True))
        )
        first, second = stack.enter_context(machines(folder))
        with psycopg.connect(
            f"postgresql://postgres:{first.password}@127.0.0.1:{first.port}/postgres", autocommit=True
        ) as admin:
            admin.execute("CREATE DATABASE shop")
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        shown = PAGE["environment"].splitlines()[0].partition("=")[2]
        url = shown.replace("sealring_server:secret", f"postgres:{first.password}").replace(
            "10.0.0.21,10.0.0.22,10.0.0.23", hosts
        )
        assert hosts in url
        nodes = []
        for name, staleness in (("short", "5s"), ("long", "45s")):
            (tmp_path / name).mkdir()
            settings = {
                "SEALRING_DATABASE_URL": url,
                "SEALRING_SECRET": "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef",
                "SEALRING_ISSUER": "http://127.0.0.1:8000",
                "SEALRING_MAX_STALENESS": staleness,
            }
            nodes.append(served := start(tmp_path / name, "--no-demo", port=free_port(), **settings))
            stack.callback(served.kill)
        short, long = nodes
        with short.client() as client:
            live, ended = register(client, "ada"), register(client, "eve")
            assert client.post("/auth/logout", headers=bearer(ended["access_token"])).status_code == 204
        tokens = {"live": live["access_token"], "ended": ended["access_token"]}
        good, stale = {"live": 204, "ended": 401}, {"live": 503, "ended": 503}
        time.sleep(1)  # the other node has polled
        assert codes(short.url, tokens) == codes(long.url, tokens) == good

        first.die()
        seen, deadline = set[str](), time.monotonic() + FAILOVER_SECONDS
        while not ("out" in seen and codes(short.url, tokens) == good):
            assert time.monotonic() < deadline, "the failover took too long"
            now = codes(short.url, tokens)
            assert all(now[name] in {good[name], 503} for name in now), "out of date or right: never the opposite"
            seen.add("out" if now == stale else "in")  # the two are asked one after the other
            assert codes(long.url, tokens) == good, "its bound is longer than the failover"
            time.sleep(0.2)
        assert second.role() in {"master", "primary"}
        with short.client() as client:
            again = client.post("/auth/refresh", json={"refresh_token": live["refresh_token"]})
            assert again.status_code == 200
            refused = client.post("/auth/refresh", json={"refresh_token": ended["refresh_token"]})
            assert refused.json()["code"] == "session_ended"
