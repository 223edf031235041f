"""Three database machines with etcd, Patroni and PostgreSQL, by the files of docs/how-to/high-availability.md."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.cluster.failover.machine import Machine
from tests.docs.transcript import files
from tests.programs import required_program
from tests.store.postgres_cluster import Cluster, required_binaries

PAGE = files("how-to/high-availability.md")
READY_SECONDS = 120.0
NAMES = "abc"


class Databases:
    """The cluster of the page; each machine runs a member of etcd too, which has an address of its own.

    Args:
        folder: for the disks; a short path, for a socket's path has 107 bytes at most.
        synchronous: whether commits wait for a standby, as on the page.
    """

    def __init__(self, folder: Path, *, synchronous: bool = True) -> None:
        self.folder = folder
        self.read: dict[str, Any] = yaml.safe_load(PAGE["/etc/patroni/config.yml"])
        self.read["bootstrap"]["dcs"]["synchronous_mode"] &= synchronous
        self._roles = ["leader", "replica", "sync_standby" if synchronous else "replica"]
        self.password: str = self.read["postgresql"]["authentication"]["superuser"]["password"]
        self.machines = {name: self._machine(name, number) for number, name in enumerate(NAMES, 1)}
        self._client = httpx2.AsyncClient(timeout=2, trust_env=False)

    def address(self, name: str) -> str:
        """Of PostgreSQL on a machine."""
        return self.machines[name].addresses[0]

    def _machine(self, name: str, number: int) -> Machine:
        folder = self.folder / name
        folder.mkdir()
        address, etcd = f"10.0.0.2{number}", f"10.0.0.3{number}"
        read = json.loads(json.dumps(self.read)) | {"name": name, "watchdog": {"mode": "off"}}
        for part, port in (("restapi", 8008), ("postgresql", 5432)):
            assert self.read[part]["listen"] == f"10.0.0.21:{port}"
            read[part] |= dict.fromkeys(("listen", "connect_address"), f"{address}:{port}")
        read["postgresql"] |= {
            "data_dir": str(folder / "data"),
            "bin_dir": str(required_binaries()),
            "parameters": {"unix_socket_directories": str(folder)},
        }
        (folder / "patroni.yml").write_text(yaml.safe_dump(read))
        return Machine(name, [address, etcd], folder)

    def boot(self, name: str) -> None:
        """Switch a machine on, and all that runs on it."""
        machine = self.machines[name]
        owner = Cluster.owner()
        for path in (machine.folder, *machine.folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        machine.boot()
        members = {one: f"http://{self.machines[one].addresses[1]}:2380" for one in NAMES}
        client, peer = f"http://{machine.addresses[1]}:2379", members[name]
        machine.start("etcd", [
            str(required_program("etcd")), "--name", name, "--data-dir", str(machine.folder / "etcd"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", ",".join(f"{one}={url}" for one, url in members.items()),
        ])  # fmt: skip
        machine.start("patroni", [sys.executable, "-m", "patroni", str(machine.folder / "patroni.yml")])

    async def open(self) -> None:
        """Switch all of them on."""
        self.folder.chmod(0o755)
        for name in NAMES:
            self.boot(name)
        await self.whole()

    async def view(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """What the Patroni of one machine says of each; empty where it does not answer."""
        try:
            answer = await self._client.get(f"http://{self.address(name)}:8008/cluster")
            return {member["name"]: member for member in answer.json()["members"]}
        except (httpx2.TransportError, ValueError, KeyError):
            return {}

    async def named(self, role: str) -> str:
        """The machine with a role, once all are whole: `leader`, `sync_standby`, `replica`."""
        members = await self.whole()
        return next(name for name, member in members.items() if member["role"] == role)

    async def another_leads(self, leader: str, seconds: float = READY_SECONDS) -> None:
        """Wait until another machine leads, by what the others say: the old leader may not know.

        Args:
            leader: who led.
            seconds: how long, at most.
        """
        others = NAMES.replace(leader, "")
        async with asyncio.timeout(seconds):
            while True:
                for members in await asyncio.gather(*map(self.view, others)):
                    if any(members[name]["role"] == "leader" for name in others if name in members):
                        return
                await asyncio.sleep(0.5)

    async def whole(self, seconds: float = READY_SECONDS) -> Mapping[str, Mapping[str, Any]]:
        """Wait until all agree that one leads, one is its synchronous standby, and the third follows."""
        deadline = time.monotonic() + seconds
        while True:
            views = await asyncio.gather(*map(self.view, NAMES))
            if all(self._is_whole(members) for members in views) and len({_roles(members) for members in views}) == 1:
                return views[0]
            if time.monotonic() > deadline:
                logs = "\n".join((self.folder / name / "patroni.log").read_text()[-1500:] for name in NAMES)
                raise TimeoutError(f"the database machines are not whole: {views}\n{logs}")
            await asyncio.sleep(0.5)

    def _is_whole(self, members: Mapping[str, Mapping[str, Any]]) -> bool:
        roles = sorted(member["role"] for member in members.values())
        states = {member["state"] for member in members.values()}
        lags = [member.get("lag", 0) for member in members.values()]
        return roles == self._roles and states <= {"running", "streaming"} and lags == [0] * 3

    async def switch_over(self, leader: str, candidate: str) -> None:
        """What `patronictl switchover` does."""
        body = {"leader": leader, "candidate": candidate}
        answer = await self._client.post(f"http://{self.address(leader)}:8008/switchover", json=body, timeout=60)
        assert answer.is_success, answer.text

    async def close(self) -> None:
        """Switch all of them off."""
        await self._client.aclose()
        for machine in self.machines.values():
            machine.close()


def _roles(members: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(member["role"])) for name, member in members.items()))
