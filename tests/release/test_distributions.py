"""What would be published: the files and the metadata of wheel, sdist, npm package, and bills of materials.

The ordinary run builds wheel and sdist once. The slow group installs them on every Python of this machine.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from copy import deepcopy
from email.message import Message
from pathlib import Path

import pytest

from scripts.build_release import (
    build_python,
    npm_package_faults,
    pack_npm,
    python_faults,
    sdist_wheel_faults,
    tree_faults,
)
from scripts.pythons import SUPPORTED, by_series
from scripts.release_bom import bom_faults, npm_bom, python_bom, required
from scripts.release_files import (
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
from scripts.try_release import try_node, try_pythons
from tests.programs import required_program

pytestmark = pytest.mark.xdist_group("distributions")

VERSION = project()["version"]
Distributions = tuple[Path, Path]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Wheel and sdist of this tree."""
    return build_python(tmp_path_factory.mktemp("dist"))


def test_wheel_and_sdist_hold_their_files_and_say_what_pyproject_says(distributions: Distributions) -> None:
    assert python_faults(*distributions) == []


def test_the_wheel_is_typed_licensed_and_has_no_tests(distributions: Distributions) -> None:
    names = names_in(distributions[0])
    about = f"sealring-{VERSION}.dist-info"
    assert {"sealring/py.typed", f"{about}/licenses/LICENSE", f"{about}/licenses/NOTICE"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"sealring", about}


@pytest.mark.parametrize("name", ["tests/test_door.py", "bench/run.py", "sealring/.env", "sealring/old.db"])
def test_a_file_too_much_in_the_wheel_is_a_fault(distributions: Distributions, name: str) -> None:
    assert wheel_faults([*names_in(distributions[0]), name], VERSION) == [f"wheel: {name} does not belong there"]


@pytest.mark.parametrize("name", ["sealring/py.typed", f"sealring-{VERSION}.dist-info/licenses/NOTICE"])
def test_a_file_too_few_in_the_wheel_is_a_fault(distributions: Distributions, name: str) -> None:
    rest = [one for one in names_in(distributions[0]) if one != name]
    assert wheel_faults(rest, VERSION) == [f"wheel: {name} is missing"]


def test_what_the_sdist_lacks_or_has_too_much_is_a_fault(distributions: Distributions) -> None:
    names, top = names_in(distributions[1]), f"sealring-{VERSION}"
    assert sdist_faults([name for name in names if name != f"{top}/README.md"], VERSION) == [
        "sdist: README.md is missing"
    ]
    for stray in ("clients/js/node_modules/react/index.js", ".env", "src/sealring/__pycache__/a.pyc", "shop.db"):
        assert sdist_faults([*names, f"{top}/{stray}"], VERSION) == [f"sdist: {top}/{stray} does not belong there"]
    assert sdist_faults([*names, "setup.py"], VERSION) == [f"sdist: setup.py is not below {top}/"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Version", "0.2.0"),
        ("License-Expression", "MIT"),
        ("License-File", "COPYING"),
        ("Requires-Python", ">=3.12"),
        ("Provides-Extra", "flsk"),
        ("Classifier", "Framework :: Flsk"),
    ],
)
def test_metadata_that_differ_are_a_fault(distributions: Distributions, field: str, value: str) -> None:
    metadata = deepcopy(metadata_of(distributions[0]))
    del metadata[field]
    metadata[field] = value
    (fault,) = metadata_faults(metadata, project())
    assert fault.startswith(f"metadata: {field} is ['{value}'], want ")


@pytest.mark.parametrize("text", ["[a](docs/index.md)", "![a](page.png)", '<img src="page.png">', "[a](#figures)"])
def test_a_link_that_leads_nowhere_in_a_registry_is_a_fault(distributions: Distributions, text: str) -> None:
    metadata: Message = deepcopy(metadata_of(distributions[0]))
    metadata.set_payload(f"{metadata.get_payload()}\n{text}\n")
    (fault,) = metadata_faults(metadata, project())
    assert fault.endswith(" leads nowhere in a registry")


def test_the_readmes_of_registries_have_text_and_no_link_into_the_repository(distributions: Distributions) -> None:
    description = str(metadata_of(distributions[0]).get_payload())
    assert "## Ten lines" in description
    assert "```python" in description
    package = ROOT.joinpath("clients/js/README.md").read_text("utf-8")
    assert re.findall(r"\]\((?!https://)[^)]*\)", package) == []


def test_the_classifiers_name_the_pythons_that_a_release_is_tried_on() -> None:
    named = [row.rpartition(" ")[2] for row in project()["classifiers"] if re.search(r"Python :: 3\.\d+$", row)]
    assert tuple(named) == SUPPORTED


def test_every_file_names_the_same_version() -> None:
    assert version_faults(VERSION) == []
    assert len(version_faults("0.0.9")) == 4


CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n\n- A line.\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (CHANGELOG, None),
        (CHANGELOG.replace("2026-12-01", "not released yet"), "want the line"),
        (CHANGELOG.replace("2026-12-01", "2026-11-30"), "want the line"),
        (CHANGELOG.replace("0.1.0", "0.0.9"), "want the line"),
        (CHANGELOG.replace("Unreleased]\n", "Unreleased]\n\n- Another.\n"), "- Another. belongs below [0.1.0]"),
    ],
)
def test_a_changelog_of_a_release_has_its_date_and_nothing_that_waits(text: str, fault: str | None) -> None:
    faults = changelog_faults(text, "0.1.0", "2026-12-01")
    assert len(faults) == (fault is not None)
    assert (fault or "") in "".join(faults)


def test_what_no_commit_has_keeps_a_release_back() -> None:
    assert tree_faults(str) == []
    assert tree_faults(lambda: " M src/sealring/errors.py\n") == ["git: M src/sealring/errors.py is in no commit"]


def test_the_npm_package_holds_what_it_exports_and_runs_nothing_at_its_installation() -> None:
    package = client()
    good = ["LICENSE", "README.md", "package.json", "types/bodies.d.ts"]
    good += [f"src/{name}.js" for name in ("client", "credentials", "errors", "index", "page", "passkey", "react")]
    good += [f"types/{name}.d.ts" for name in ("client", "credentials", "errors", "index", "page", "passkey", "react")]
    assert npm_faults(good, package) == []
    assert npm_faults([*good, "src/served.js"], package) == ["npm: src/served.js does not belong there"]
    assert npm_faults(good[1:], package) == ["npm: LICENSE is missing"]
    hooked = package | {"scripts": {"postinstall": "node a.js"}, "dependencies": {"left-pad": "1.0.0"}}
    assert [fault.split()[1] for fault in npm_faults(good, hooked)] == ["postinstall", "left-pad"]
    assert package["publishConfig"] == {"access": "public"}, "else npm refuses a package with a scope"


def test_the_bills_of_materials_hold_what_an_installation_brings_and_fit_the_schema() -> None:
    bom = python_bom()
    assert bom_faults(bom, required()) == []
    assert bom_faults(npm_bom(), set()) == []
    read = json.loads(bom)
    assert read["metadata"]["component"]["purl"] == f"pkg:pypi/sealring@{VERSION}"
    locked = tomllib.loads(ROOT.joinpath("uv.lock").read_text("utf-8"))["package"]
    versions = {row["name"]: row.get("version") for row in locked}
    for row in read["components"]:
        assert row["version"] == versions[row["name"]] or [one["name"] for one in locked].count(row["name"]) > 1
        assert all(file["hashes"] for file in row["externalReferences"]), row["name"]
    assert json.loads(npm_bom())["metadata"]["component"]["purl"] == f"pkg:npm/%40sealring/client@{VERSION}"


def test_a_bill_that_lacks_something_or_is_none_is_a_fault() -> None:
    read = json.loads(python_bom())
    less = read | {"components": [row for row in read["components"] if row["name"] != "argon2-cffi"]}
    assert bom_faults(json.dumps(less), required()) == ["sbom: argon2-cffi is missing"]
    more = read | {"components": [*read["components"], {"type": "library", "name": "pytest", "version": "9"}]}
    assert bom_faults(json.dumps(more), required()) == ["sbom: pytest is not part of an installation"]
    assert "specVersion" in bom_faults(json.dumps(read | {"specVersion": 2}), required())[0]


@pytest.mark.slow
def test_the_sdist_builds_the_same_wheel(distributions: Distributions) -> None:
    assert sdist_wheel_faults(*distributions) == []


@pytest.mark.slow
def test_it_installs_in_a_bare_environment_on_every_python_of_this_machine(distributions: Distributions) -> None:
    lines = list(try_pythons(list(distributions)))
    here = [series for series, python in by_series().items() if python is not None]
    assert here, "none but the one that runs this"
    assert len(lines) == len(SUPPORTED)
    assert sum("bare and [server]" in line for line in lines) == len(here), lines


@pytest.mark.slow
def test_the_npm_package_installs_without_a_registry_and_is_imported(tmp_path: Path) -> None:
    required_program("npm")
    tarball = pack_npm(tmp_path)
    assert npm_package_faults(tarball) == []
    assert "nothing else came along" in try_node(tarball)


@pytest.mark.slow
def test_an_sdist_that_builds_another_wheel_is_found(distributions: Distributions, tmp_path: Path) -> None:
    wheel = shutil.copy(distributions[0], tmp_path)
    with Path(wheel).open("ab") as file:
        file.write(b"\0")
    assert len(sdist_wheel_faults(Path(wheel), distributions[1])) == 1
