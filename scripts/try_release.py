"""Installs what a release holds as a stranger would: in bare environments, on every supported Python, and in Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.pythons import by_series, uv
from scripts.release_files import client, project

IMPORTS = "import sealring, sealring.jwt, importlib.metadata as m; print(m.version('sealring'))"
WITHOUT_EXTRAS = (
    "from sealring import jwt; key = jwt.Key.generate('ES256');"
    "token = jwt.sign({'sub': 'ada', 'exp': 4102444800}, key); print(jwt.verify(token, key).claims['sub'])"
)
TYPED = "import importlib.resources as r; print(r.files('sealring').joinpath('py.typed').is_file())"
LICENSED = "import importlib.metadata as m; print(sum('licenses/' in str(f) for f in m.files('sealring')))"


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """What a command writes; where it fails, so does the release, with all that it said."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=kept | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"sealring: error: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def try_python(distribution: Path, python: str, extra: str, folder: Path) -> None:
    """Install a wheel or an sdist in an environment that has nothing, and use it."""
    tool, version = uv(), project()["version"]
    if tool is None:
        raise SystemExit("sealring: error: no uv here")
    place = folder / "environment"
    run(tool, "venv", "--quiet", "--clear", "--python", python, place, folder=folder)
    own, wanted = place / "bin" / "python", f"sealring{extra} @ {distribution.as_uri()}"
    run(tool, "pip", "install", "--quiet", "--python", own, wanted, folder=folder)
    asked = {IMPORTS: version, WITHOUT_EXTRAS: "ada", TYPED: "True", LICENSED: "2"}
    for program, answer in asked.items():
        said = run(own, "-I", "-W", "error", "-c", program, folder=folder)
        if said != answer:
            raise SystemExit(f"sealring: error: {program}\nsaid {said}, want {answer}")
    if extra:
        said = run(place / "bin" / "sealring", "--version", folder=folder)
        if version not in said:
            raise SystemExit(f"sealring: error: sealring --version said {said}")


def try_pythons(distributions: list[Path]) -> Iterator[str]:
    """Each distribution on each Python, without extras and with [server]; a line for each Python."""
    for series, python in by_series().items():
        if python is None:
            yield f"Python {series}: NOT TRIED, none here"
            continue
        with tempfile.TemporaryDirectory() as folder:
            for distribution in distributions:
                for extra in ("", "[server]"):
                    try_python(distribution, python, extra, Path(folder))
        yield f"Python {series}: installed from {' and '.join(one.name for one in distributions)}, bare and [server]"


def try_node(tarball: Path) -> str:
    """Install the npm package in an empty folder, without a registry, and import what it exports."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return "Node: NOT TRIED, none here"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("package.json").write_text('{"type": "module", "private": true}')
        options = ["--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer"]
        run(npm, "install", *options, tarball, folder=folder)
        program = 'import { Client } from "@sealring/client"; console.log(new Client({ base: "/auth" }).state.status);'
        said = run(node, "--input-type=module", "-e", program, folder=folder)
        (installed,) = json.loads(run(npm, "ls", "--json", "--omit=peer", folder=folder))["dependencies"]
    if (said, installed) != ("unknown", client()["name"]):
        raise SystemExit(f"sealring: error: {tarball.name}: {installed} said {said}")
    return (
        f"Node {run(node, '--version', folder=tarball.parent)}: installed from {tarball.name}, nothing else came along"
    )
