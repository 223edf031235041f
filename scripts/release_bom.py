"""Bills of materials of a release, in CycloneDX: what an installation of each package may bring along.

That of the Python package comes from uv.lock, with every extra, and names each file by its hash. The npm package brings
nothing along; React, which its hook uses, is the application's.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot5
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from scripts.pythons import uv
from scripts.release_files import ROOT, client, project


def python_bom() -> str:
    """Of `sealring` with every extra, from the lock."""
    tool = uv()
    if tool is None:
        raise SystemExit("sealring: error: no uv here\nhint: scripts/release makes the environment that has it")
    options = ["--frozen", "--no-default-groups", "--all-extras", "--format", "cyclonedx1.5"]
    command = [tool, "export", "--quiet", "--preview-features", "sbom-export", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    bom: dict[str, Any] = json.loads(done.stdout)
    described = project()
    bom["metadata"]["component"] |= {
        "purl": PackageURL("pypi", name=described["name"], version=described["version"]).to_string(),
        "description": described["description"],
        "licenses": [{"expression": described["license"]}],
    }
    return json.dumps(bom, indent=2, ensure_ascii=False) + "\n"


def npm_bom() -> str:
    """Of `@sealring/client`."""
    described = client()
    scope, name = described["name"].split("/")
    bom = Bom()
    bom.metadata.component = Component(
        type=ComponentType.LIBRARY,
        group=scope,
        name=name,
        version=described["version"],
        description=described["description"],
        licenses=[LicenseExpression(described["license"])],
        purl=PackageURL("npm", scope, name, described["version"]),
    )
    return JsonV1Dot5(bom).output_as_string(indent=2) + "\n"


def bom_faults(text: str, needed: set[str]) -> list[str]:
    """Where a bill breaks the schema of CycloneDX, lacks what is needed, or names what only development needs."""
    broken = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if broken is not None:
        return [f"sbom: {broken}"]
    named = {row["name"] for row in json.loads(text).get("components", [])}
    groups = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["dependency-groups"]
    grouped = {name_of(line) for line in groups["dev"] if isinstance(line, str)}
    return [f"sbom: {name} is missing" for name in sorted(needed - named)] + [
        f"sbom: {name} is not part of an installation" for name in sorted((grouped - needed) & named)
    ]


def required() -> set[str]:
    """What pyproject.toml names for users: the base install and every extra."""
    described = project()
    lines = [*described["dependencies"], *chain.from_iterable(described["optional-dependencies"].values())]
    return {name_of(line) for line in lines}


def name_of(requirement: str) -> str:
    """The name at the begin of a requirement."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def write(folder: Path) -> dict[Path, str]:
    """Both bills, into a folder; the text of each file."""
    version = project()["version"]
    made = {
        folder / f"sealring-{version}.cdx.json": python_bom(),
        folder / f"sealring-client-{client()['version']}.cdx.json": npm_bom(),
    }
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return made
