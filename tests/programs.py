"""Programs that tests start, and the Debian packages that hold them; `scripts/test` installs each of these."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "initdb": "postgresql",
    "pgbouncer": "pgbouncer",
    "nginx": "nginx-light",
    "caddy": "caddy",
    "systemd-analyze": "systemd",
    "etcd": "etcd-server",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "iptables": "iptables",
    "chromium": "chromium",
    "cc": "gcc libc6-dev",
    "curl": "curl",
    "node": "nodejs",
    "npm": "npm",
    "podman": "podman crun netavark aardvark-dns iptables iproute2",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
_PLACES = {
    "initdb": tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parts[4]))),
    "pgbouncer": (Path("/usr/sbin"),),
    "nginx": (Path("/usr/sbin"),),
    "debootstrap": (Path("/usr/sbin"),),
    "haproxy": (Path("/usr/sbin"),),
    "ip": (Path("/usr/sbin"),),
    "iptables": (Path("/usr/sbin"),),
}
"""Where Debian puts what is on nobody's PATH."""


def required_program(name: str) -> Path:
    """Where a program of `PACKAGES` is; without it the test is skipped, and fails under CI."""
    found = shutil.which(name) or next(filter(None, (shutil.which(name, path=p) for p in _PLACES.get(name, ()))), None)
    if found is None:
        reason = f"{name} is missing: apt-get install {PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return Path(found)
