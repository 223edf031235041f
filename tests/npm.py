"""The browser client as an application gets it: packed by npm, installed beside what the lockfile names."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.programs import required_program

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "clients" / "js"
PAGE = ROOT / "docs" / "reference" / "client-js.md"
SNIPPET = re.compile(r"^```jsx?\n// (\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INSTALL_WITHIN_SECONDS = 180


def run(*command: str, folder: Path, **environment: str) -> str:
    """What a program of npm's world writes; it fails the test when it fails."""
    done = subprocess.run(
        [str(required_program(command[0])), *command[1:]],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "NEXT_TELEMETRY_DISABLED": "1", **environment},
        capture_output=True,
        text=True,
        timeout=INSTALL_WITHIN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def installed(folder: Path = PACKAGE) -> Path:
    """`node_modules`, as the lockfile says; fetched once, whichever worker comes first."""
    lockfile, modules = folder / "package-lock.json", folder / "node_modules"
    digest, stamp = sha256(lockfile.read_bytes()).hexdigest(), modules / ".sealring"
    with lockfile.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            required_program("node")
            run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
            stamp.write_text(digest)
    return modules


def packed(folder: Path) -> tuple[Path, list[str]]:
    """The file that `npm pack` makes, and what is in it."""
    (said,) = json.loads(run("npm", "pack", "--json", "--pack-destination", str(folder), folder=PACKAGE))
    return folder / f"sealring-client-{said['version']}.tgz", sorted(file["path"] for file in said["files"])


def application(folder: Path) -> Path:
    """An empty application with the package installed from its file, and all that the lockfile names."""
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    for each in installed().iterdir():
        if each.name != "@sealring":
            modules.joinpath(each.name).symlink_to(each)
    unpack(folder)
    folder.joinpath("package.json").write_text('{"type": "module", "private": true}')
    return folder


def unpack(folder: Path) -> None:
    """Install the package into an application's `node_modules`, from its file."""
    place = folder / "node_modules" / "@sealring" / "client"
    tarball, _ = packed(folder)
    with tarfile.open(tarball) as archive:
        for member in archive:
            target = place / Path(member.name).relative_to("package")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None, f"{member.name} is no file"
            target.write_bytes(content.read())


def snippets() -> dict[str, str]:
    """The files that the page shows, by their path."""
    return dict(SNIPPET.findall(PAGE.read_text(encoding="utf-8")))


def package() -> dict[str, Any]:
    """`package.json`."""
    read: dict[str, Any] = json.loads(PACKAGE.joinpath("package.json").read_text(encoding="utf-8"))
    return read
