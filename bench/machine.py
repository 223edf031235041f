"""The machine and the versions that a run was made with: what a reader needs to repeat it, and no name of a host."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from bench.page import Run

PACKAGES = (
    *("cryptography", "msgspec", "pybase64", "argon2-cffi", "psycopg", "pyjwt", "joserfc", "authlib", "python-jose"),
    *("fastapi", "starlette", "fastapi-users", "litestar", "quart", "flask", "flask-jwt-extended", "django"),
    *("djangorestframework", "djangorestframework-simplejwt", "django-ninja", "uvicorn", "uvloop", "httptools"),
    *("gunicorn", "httpx2", "redis", "hiredis"),
)
PROGRAMS = {
    "Node.js": ("node", "--version"),
    "PostgreSQL": ("postgres", "--version"),
    "Redis": ("redis-server", "--version"),
    "wrk": ("wrk", "-v"),
}
NODE_PACKAGES = ("fast-jwt", "jsonwebtoken")


def describe(*, quick: bool) -> Run:
    """What this run is made with."""
    return Run(began=f"{datetime.now(UTC):%Y-%m-%d %H:%M}", quick=quick, machine=machine(), versions=versions())


def machine() -> dict[str, str]:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "CPU": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before the run": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    """By name; what is not installed is left out."""
    found = {"Sealring": f"{metadata.version('sealring')}, commit {said_by('git', 'rev-parse', '--short', 'HEAD')}"}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name in NODE_PACKAGES:
        file = Path(__file__).parent / ".peers" / "node_modules" / name / "package.json"
        if file.exists():
            found[name] = msgspec.json.decode(file.read_bytes())["version"]
    found["SQLite"] = sqlite3.sqlite_version
    for name, (program, option) in PROGRAMS.items():
        number = re.search(r"\d+(?:\.\d+)+", said_by(program, option))
        if number:
            found[name] = number[0]
    return found


def said_by(program: str, *options: str) -> str:
    """What a program says of itself; nothing where it is missing."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    command = shutil.which(program) or (str(debian[-1]) if debian else None)
    if command is None:
        return ""
    done = subprocess.run([command, *options], capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return (done.stdout or done.stderr).strip()
