"""A computer of its own as a network and process namespace: it loses its power, stops, and is cut off as a whole.

All machines hang on one bridge, which lies in the network namespace of this process; `tests.cluster.failover.run` is
started in one of its own, so nothing of this is seen outside. Needs root, as `unshare` and `iptables` do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.programs import required_program
from tests.store.postgres_cluster import Cluster

BRIDGE = "sealring0"
UNSHARE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
INIT = "trap '' CHLD; exec sleep infinity"
"""Process 1 of bash, not dash: a child of which nobody asks is no zombie; Patroni would wait for a zombie to stop."""
READS = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""A Python of root's own, as of pyenv, may lie where nobody else may look."""
START_SECONDS = 10


def run(*command: str) -> None:
    """A command that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


def as_owner() -> list[str]:
    """What to put before a command, for root to run it as whom PostgreSQL runs as."""
    owner = Cluster.owner()
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *READS, "--"]


def make_bridge(addresses: Iterable[str]) -> None:
    """The switch that all machines hang on.

    Args:
        addresses: what this namespace is called there, for the nodes of Sealring.
    """
    ip = str(required_program("ip"))
    run(ip, "link", "set", "lo", "up")
    run(ip, "link", "add", BRIDGE, "type", "bridge")
    run(ip, "link", "set", BRIDGE, "up")
    for address in addresses:
        run(ip, "addr", "add", f"{address}/24", "dev", BRIDGE)


class Machine:
    """One computer.

    Args:
        name: one letter.
        addresses: what it is called on the network.
        folder: its disk, which outlives it.
    """

    def __init__(self, name: str, addresses: Sequence[str], folder: Path) -> None:
        self.name = name
        self.addresses = addresses
        self.folder = folder
        self._outer: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._init = 0
        self._ip = str(required_program("ip"))
        self._iptables = str(required_program("iptables"))

    def boot(self) -> None:
        """Switch it on: no process runs on it yet."""
        self._outer = subprocess.Popen([*UNSHARE, "bash", "-c", INIT], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not (children := _children(self._outer.pid)):
            assert time.monotonic() < deadline, "unshare has started nothing"
            time.sleep(0.02)
        (self._init,) = children
        end = f"veth-{self.name}"
        run(self._ip, "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", str(self._init))
        run(self._ip, "link", "set", end, "master", BRIDGE, "up")
        self._inside(self._ip, "link", "set", "lo", "up")
        for address in self.addresses:
            self._inside(self._ip, "addr", "add", f"{address}/24", "dev", "eth0")
        self._inside(self._ip, "link", "set", "eth0", "up")

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a program on it, as whom PostgreSQL runs as.

        Args:
            name: of its log.
            command: the program and its arguments.
        """
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                ["nsenter", f"--target={self._init}", "--net", "--pid", "--mount", "--", *as_owner(), *command],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"},
                stdout=log,
                stderr=log,
            )
        self._started.append(process)

    def kill(self) -> None:
        """It loses its power: every process is gone at once, its network too."""
        os.kill(self._init, signal.SIGKILL)
        assert self._outer is not None
        self._wake()
        for process in (*self._started, self._outer):
            process.wait(START_SECONDS)
        self._started.clear()
        self._init = 0

    def send(self, number: signal.Signals, word: str = "") -> None:
        """Send a signal to its processes.

        Args:
            number: of the signal.
            word: to those alone that have it in their command line; empty: to all.
        """
        for process in self._processes():
            if word.encode() in _read(process / "cmdline"):
                os.kill(int(process.name), number)
        if number == signal.SIGCONT:
            self._wake()

    def _wake(self) -> None:
        """`nsenter` stops together with what it has started, and would never see its end."""
        for process in self._started:
            process.send_signal(signal.SIGCONT)

    def cut(self, peers: Sequence[str] = ()) -> None:
        """Cut it off: packets vanish both ways, and nobody is told.

        Args:
            peers: from these addresses alone; empty: from all.
        """
        for peer in peers or ["0.0.0.0/0"]:
            self._inside(self._iptables, "-A", "INPUT", "-i", "eth0", "-s", peer, "-j", "DROP")
            self._inside(self._iptables, "-A", "OUTPUT", "-o", "eth0", "-d", peer, "-j", "DROP")

    def join(self) -> None:
        """End the cut."""
        self._inside(self._iptables, "-F")

    def close(self) -> None:
        """Switch it off for good."""
        if self._init:
            self.send(signal.SIGCONT)
            self.kill()

    def _inside(self, *command: str) -> None:
        run("nsenter", f"--target={self._init}", "--net", "--", *command)

    def _processes(self) -> list[Path]:
        here = _namespace(Path(f"/proc/{self._init}"))
        return [process for process in Path("/proc").glob("[0-9]*") if _namespace(process) == here]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _namespace(process: Path) -> Path | None:
    try:
        return (process / "ns/pid").readlink()
    except OSError:  # it has ended meanwhile
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
