"""podman and buildah as `scripts/containers` calls them, with their storage in a folder of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

LIMITS = ("nofile=1024:1024", "nproc=4096:4096")
_CONFIGURATION = f"""
[containers]
default_ulimits = [{", ".join(f'"{limit}"' for limit in LIMITS)}]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


class Engine:
    """One storage of images and containers, in a folder.

    Args:
        folder: where all of it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.joinpath("containers.conf").write_text(_CONFIGURATION)

    def __call__(self, *arguments: str | Path, program: str = "podman", fails: bool = False) -> str:
        """What a command prints on both of its outputs.

        Args:
            arguments: the command and its options.
            program: podman or buildah.
            fails: whether it must fail in the place of succeeding.

        Raises:
            SystemExit: it did the other thing.
        """
        own = ["--root", self._folder / "store", "--runroot", self._folder / "run", "--storage-driver", "overlay"]
        own += ["--network-config-dir", self._folder / "networks"] if program == "podman" else []
        command = [program, *map(str, own), *map(str, arguments)]
        environment = os.environ | {"CONTAINERS_CONF": str(self._folder / "containers.conf")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        if (done.returncode != 0) is not fails:
            raise SystemExit(f"sealring: error: {' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def succeeds(self, *arguments: str) -> bool:
        """Whether a command of podman succeeds."""
        try:
            self(*arguments)
        except SystemExit:
            return False
        return True
