"""What the files of a release must be: pure questions about names, metadata and texts, answered by a list of faults.

`scripts/release` asks them of what it built, and tests ask them of what is wrong on purpose.
"""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
CLIENT = ROOT / "clients" / "js"
LICENSES = ("LICENSE", "NOTICE")
NEEDED_IN_SDIST = (
    "pyproject.toml", "README.md", "CHANGELOG.md", "SECURITY.md", "uv.lock", *LICENSES, "src/sealring/py.typed",
    "scripts/test", "tests/conftest.py", "docs/index.md", "clients/js/package.json", "deploy/Dockerfile", ".ci/run",
)  # fmt: skip
KEPT_OUT = re.compile(r"(^|/)(\.env|\.venv|\.git|__pycache__|node_modules|dist|build|.*\.(db|pyc|pem|log))(/|$)")
"""What lies about in a working tree and is for nobody else."""
_RELATIVE_LINK = re.compile(r"\]\((?!https://)[^)]*\)|\b(?:src|href|srcset)=")
_DATED = re.compile(r"^## \[([^\]]+)\] - (.+)$", re.MULTILINE)


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    read: dict[str, Any] = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    return read


def client() -> dict[str, Any]:
    """package.json of the browser client."""
    read: dict[str, Any] = json.loads(CLIENT.joinpath("package.json").read_text("utf-8"))
    return read


def wheel_names(version: str) -> set[str]:
    """What a wheel holds: the package as it lies in src, its metadata and its licenses, and nothing else."""
    about = f"sealring-{version}.dist-info"
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    metadata = {f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    return {name for name in files if not KEPT_OUT.search(name)} | metadata | {
        f"{about}/licenses/{name}" for name in LICENSES
    }  # fmt: skip


def wheel_faults(names: Iterable[str], version: str) -> list[str]:
    """What a wheel has too much or lacks."""
    found, wanted = set(names), wheel_names(version)
    return [f"wheel: {name} is missing" for name in sorted(wanted - found)] + [
        f"wheel: {name} does not belong there" for name in sorted(found - wanted)
    ]


def sdist_faults(names: Iterable[str], version: str) -> list[str]:
    """What an sdist lacks to build, test and read all of Sealring, and what lay about."""
    top, found = f"sealring-{version}/", set(names)
    return (
        [f"sdist: {name} is missing" for name in NEEDED_IN_SDIST if top + name not in found]
        + [f"sdist: {name} is not below {top}" for name in sorted(found) if not name.startswith(top)]
        + [f"sdist: {name} does not belong there" for name in sorted(found) if KEPT_OUT.search(name)]
    )


def npm_names(package: dict[str, Any]) -> set[str]:
    """What the npm package holds: the modules and types that its exports reach, the rest of `src`, its license."""
    entries = {path.removeprefix("./") for entry in package["exports"].values() for path in entry.values()}
    modules = {path.stem for path in CLIENT.joinpath("src").glob("*.js")} - {"served"}
    return {"LICENSE", "README.md", "package.json"} | entries | {
        name for module in modules for name in (f"src/{module}.js", f"types/{module}.d.ts")
    }  # fmt: skip


def npm_faults(names: Iterable[str], package: dict[str, Any]) -> list[str]:
    """What the npm package has too much or lacks."""
    found, wanted = set(names), npm_names(package)
    faults = [f"npm: {name} is missing" for name in sorted(wanted - found)]
    faults += [f"npm: {name} does not belong there" for name in sorted(found - wanted)]
    hooks = {"preinstall", "install", "postinstall", "prepare"} & package.get("scripts", {}).keys()
    faults += [f"npm: {hook} would run on the machine of whom installs it" for hook in sorted(hooks)]
    return faults + [f"npm: {name} is needed at run time" for name in sorted(package.get("dependencies", {}))]


def metadata_faults(metadata: Message, wanted: dict[str, Any]) -> list[str]:
    """Where the metadata of a distribution differs from pyproject.toml, or leads a reader nowhere."""
    expected = {
        "Name": [wanted["name"]],
        "Version": [wanted["version"]],
        "Summary": [wanted["description"]],
        "Requires-Python": [wanted["requires-python"]],
        "License-Expression": [wanted["license"]],
        "License-File": list(LICENSES),
        "Provides-Extra": sorted(wanted["optional-dependencies"]),
        "Classifier": sorted(wanted["classifiers"]),
        "Description-Content-Type": ["text/markdown"],
    }
    faults = [
        f"metadata: {field} is {sorted(metadata.get_all(field, []))}, want {values}"
        for field, values in expected.items()
        if sorted(metadata.get_all(field, [])) != sorted(values)
    ]
    description = str(metadata.get_payload())
    faults += [f"metadata: {link} leads nowhere in a registry" for link in _RELATIVE_LINK.findall(description)]
    return faults if "# Sealring" in description else [*faults, "metadata: the description is missing"]


def version_faults(version: str) -> list[str]:
    """Which files name another version than pyproject.toml."""
    lock = json.loads(CLIENT.joinpath("package-lock.json").read_text("utf-8"))
    locked = tomllib.loads(ROOT.joinpath("uv.lock").read_text("utf-8"))["package"]
    named = {
        "clients/js/package.json": client()["version"],
        "clients/js/package-lock.json": lock["packages"][""]["version"],
        "uv.lock": next(row["version"] for row in locked if row["name"] == "sealring"),
        "CHANGELOG.md": next(iter(_DATED.findall(ROOT.joinpath("CHANGELOG.md").read_text("utf-8"))), ("none",))[0],
    }
    return [f"{file}: version {other}, want {version}" for file, other in named.items() if other != version]


def changelog_faults(text: str, version: str, today: str) -> list[str]:
    """What keeps a changelog from being that of a release on this day: its date, and lines that belong to it."""
    dates = dict(_DATED.findall(text))
    if dates.get(version) != today:
        return [f"CHANGELOG.md: want the line '## [{version}] - {today}', not {dates.get(version)}"]
    waiting = text.partition("## [Unreleased]")[2].partition("\n## ")[0]
    return [f"CHANGELOG.md: {line} belongs below [{version}]" for line in waiting.splitlines() if line.startswith("- ")]


def names_in(path: Path) -> list[str]:
    """The files of a wheel, an sdist or an npm package."""
    return sorted(name for name, _ in contents(path))


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each file of an archive, with its bytes."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
        return
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield member.name, file.read()


def metadata_of(path: Path) -> Message:
    """METADATA of a wheel, or PKG-INFO of an sdist."""
    (text,) = (body for name, body in contents(path) if re.fullmatch(r"[^/]+/(METADATA|PKG-INFO)", name))
    return BytesParser().parsebytes(text)
