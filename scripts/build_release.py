"""Builds what a release publishes into dist/, looks at each file, and uses it; `scripts/release` runs this.

Wheel, sdist, npm package, two bills of materials, and the hashes of all of them. Nothing is published.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from scripts.release_bom import bom_faults, required, write
from scripts.release_files import (
    CLIENT,
    ROOT,
    changelog_faults,
    client,
    metadata_faults,
    metadata_of,
    names_in,
    npm_faults,
    project,
    sdist_faults,
    version_faults,
    wheel_faults,
)
from scripts.try_release import run, try_node, try_pythons

DIST = ROOT / "dist"


def build_python(folder: Path, source: Path = ROOT) -> tuple[Path, Path]:
    """The wheel and the sdist of a tree."""
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, folder=source)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def pack_npm(folder: Path) -> Path:
    """The npm package of the browser client."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("sealring: error: no npm here\nhint: on Debian: apt-get install npm")
    (said,) = json.loads(run(npm, "pack", "--json", "--pack-destination", folder, folder=CLIENT))
    return folder / str(said["filename"]).replace("@", "").replace("/", "-")


def python_faults(wheel: Path, sdist: Path) -> list[str]:
    """What is wrong with the files and the metadata of both, and what twine says of them."""
    described = project()
    version = described["version"]
    faults = wheel_faults(names_in(wheel), version) + sdist_faults(names_in(sdist), version)
    for distribution in (wheel, sdist):
        faults += [f"{distribution.name}: {fault}" for fault in metadata_faults(metadata_of(distribution), described)]
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return faults if done.returncode == 0 else [*faults, f"twine check: {done.stdout}{done.stderr}"]


def sdist_wheel_faults(wheel: Path, sdist: Path) -> list[str]:
    """Whether the sdist builds the very same wheel."""
    with tempfile.TemporaryDirectory() as name, tarfile.open(sdist) as archive:
        archive.extractall(name, filter="data")
        (tree,) = Path(name).iterdir()
        again, _ = build_python(Path(name, "again"), tree)
        same = again.read_bytes() == wheel.read_bytes()
    return [] if same else [f"{sdist.name}: builds another wheel than the tree"]


def npm_package_faults(tarball: Path) -> list[str]:
    """What is wrong with the files of the npm package."""
    return npm_faults([name.removeprefix("package/") for name in names_in(tarball)], client())


def tree_faults(status: Callable[[], str]) -> list[str]:
    """What the working tree has that no commit has."""
    return [f"git: {line.strip()} is in no commit" for line in status().splitlines()]


def main(arguments: list[str]) -> int:
    """Build, look, use; 1 where a fault was found, or with --final also where something of a release is missing."""
    if unknown := set(arguments) - {"--final"}:
        sys.stderr.write(f"sealring: error: unknown option {' '.join(unknown)}\nhint: scripts/release [--final]\n")
        return 2
    version = project()["version"]
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    wheel, sdist = build_python(DIST)
    tarball = pack_npm(DIST)
    faults = version_faults(version) + python_faults(wheel, sdist) + npm_package_faults(tarball)
    faults += sdist_wheel_faults(wheel, sdist)
    for text, needed in zip(write(DIST).values(), (required(), set[str]()), strict=True):
        faults += bom_faults(text, needed)
    made = sorted(DIST.iterdir())
    sums = "".join(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made)
    DIST.joinpath("SHA256SUMS").write_text(sums)
    sys.stdout.write(sums)
    if not faults:
        for line in [*try_pythons([wheel, sdist]), try_node(tarball)]:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    today = datetime.now(UTC).date().isoformat()
    changelog = ROOT.joinpath("CHANGELOG.md").read_text("utf-8")
    missing = changelog_faults(changelog, version, today)
    missing += tree_faults(lambda: run("git", "status", "--porcelain", folder=ROOT))
    for line in faults:
        sys.stderr.write(f"fault: {line}\n")
    for line in missing:
        sys.stderr.write(f"not a release yet: {line}\n")
    return int(bool(faults or ("--final" in arguments and missing)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
