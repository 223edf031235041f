"""Builds deploy/Dockerfile as the image `sealring`; `scripts/containers` runs this.

Where Docker Hub cannot be reached, a Debian with Python and PostgreSQL stands in for `python` and for `postgres`. Its
start makes a user and a database of the same variables as the image of Docker Hub.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.podman import LIMITS, Engine
from scripts.release_files import ROOT

FILE = ROOT / "deploy" / "Dockerfile"
CACHE = ROOT / ".cache" / "containers"
PACKAGES = ("ca-certificates", "postgresql", "python3", "python3-venv")
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
_START_POSTGRES = r"""#!/bin/sh
set -eu
data=/var/lib/postgresql/data
run() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
install -d -o postgres -g postgres -m 700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
  (umask 077 && printf %s "$POSTGRES_PASSWORD" > /tmp/password && chown postgres /tmp/password)
  run initdb -D "$data" -U "$POSTGRES_USER" -A scram-sha-256 --pwfile=/tmp/password
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  run pg_ctl -w -D "$data" -o "-c listen_addresses='' -k /tmp" start
  PGPASSWORD="$POSTGRES_PASSWORD" run createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
  run pg_ctl -w -m fast -D "$data" stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D "$data" -c 'listen_addresses=*' -k /tmp
"""


def stand_in() -> Path:
    """A root file system of Debian as a tar file, made once and kept in .cache."""
    kept = CACHE / "debian.tar"
    if kept.exists():
        return kept
    tool = shutil.which("debootstrap", path="/usr/sbin:/usr/bin")
    if tool is None:
        raise SystemExit("sealring: error: no debootstrap here\nhint: on Debian: apt-get install debootstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    tree = CACHE / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    command = [tool, "--variant=minbase", f"--include={','.join(PACKAGES)}", "stable", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"sealring: error: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr}")
    shutil.copy(Path("/") / CERTIFICATES, tree / CERTIFICATES)  # those that the registries have here
    start = tree / "usr" / "local" / "bin" / "start-postgres"
    start.write_text(_START_POSTGRES)
    start.chmod(0o755)
    programs = next(tree.glob("usr/lib/postgresql/*/bin"))
    for program in programs.iterdir():
        tree.joinpath("usr", "local", "bin", program.name).symlink_to(Path("/") / program.relative_to(tree))
    part = kept.with_suffix(".part")
    hidden = ["--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*", "--exclude=./var/cache/apt/archives/*"]
    subprocess.run(["tar", *hidden, "-C", str(tree), "-cf", str(part), "."], check=True)
    shutil.rmtree(tree)
    return part.rename(kept)


def provide(engine: Engine, image: str) -> str:
    """Have an image that the files name: from Docker Hub, or else its stand-in; which of the two."""
    if engine.succeeds("pull", "--quiet", image):
        return f"{image}: from Docker Hub"
    changes = [f"ENV SSL_CERT_FILE=/{CERTIFICATES}", f"ENV PIP_CERT=/{CERTIFICATES}"]
    if "/postgres:" in image:
        changes.append('ENTRYPOINT ["/usr/local/bin/start-postgres"]')
    options = [f"--change={change}" for change in changes]
    engine("import", *options, stand_in(), image)
    return f"{image}: Docker Hub is out of reach, a Debian stands in"


def main(folder: Path) -> None:
    """Provide what the files start from, and build."""
    engine, text = Engine(folder), FILE.read_text("utf-8")
    python = dict(re.findall(r"^ARG (\w+)=(.+)$", text, re.MULTILINE))["PYTHON"]
    compose = ROOT.joinpath("deploy", "compose.yaml").read_text("utf-8")
    named = sorted({one.replace("${PYTHON}", python) for one in re.findall(r"^FROM (\S+)", text, re.MULTILINE)})
    named += re.findall(r"^ +image: (docker\.io/\S+)$", compose, re.MULTILINE)
    for image in named:
        sys.stdout.write(f"{provide(engine, image)}\n")
    limits = [f"--ulimit={limit}" for limit in (*LIMITS, "memlock=65536:65536")]
    options = ["--isolation", "chroot", "--format", "docker", "--ignorefile", ROOT / ".dockerignore", *limits]
    engine("bud", *options, "-f", FILE, "-t", "localhost/sealring", ROOT, program="buildah")
    sys.stdout.write("deploy/Dockerfile: built\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
