"""What of the browser client is made from other files is up to date, and one source stands behind both forms of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.write_client import BODIES, MODULES, SERVED, SOURCE, WRITTEN, read_bodies, served, type_of
from sealring.http.endpoints.published import CLIENT
from sealring.http.openapi import components
from sealring.http.routes import ENDPOINTS
from tests.npm import PACKAGE, ROOT


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_is_written_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == WRITTEN[path](), "run scripts/docs"


def test_the_server_hands_out_the_file_that_is_written() -> None:
    assert CLIENT.read_bytes() == SERVED.read_bytes()


def test_every_line_of_the_source_is_served() -> None:
    lines = set(served().splitlines())
    for name in MODULES:
        for line in SOURCE.joinpath(f"{name}.js").read_text(encoding="utf-8").splitlines():
            own = name == "served" or not line.startswith("export ")
            assert line.startswith(("import ", "// @ts-check", "/** @typedef {import(", "  ", "} from")) or (
                (line if own else line.removeprefix("export ")) in lines
            ), line


def test_no_two_modules_have_one_name_for_two_things() -> None:
    """They stand in one file where they are served."""
    defined = re.findall(r"^(?:const|let|(?:async )?function|class) (\w+)", served(), re.MULTILINE)
    assert len(defined) == len(set(defined))
    assert {"Client", "Problem", "served"} <= set(defined)


def test_every_body_of_the_table_has_a_type_with_its_fields() -> None:
    text = BODIES.read_text(encoding="utf-8")
    answered = components(ENDPOINTS)
    for name, schema in {**answered, **read_bodies()}.items():
        (body,) = re.findall(rf"^export type {name} = {{\n(.*?)^}};$", text, re.DOTALL | re.MULTILINE)
        fields = re.findall(r"^  (\w+)(\??): (.*);$", body, re.MULTILINE)
        assert [field for field, _, _ in fields] == list(schema["properties"])
        for field, optional, kind in fields:
            is_required = field in schema.get("required", ())
            assert (optional == "") == is_required, f"{name}.{field}"
            known = type_of(schema["properties"][field])
            assert kind == (known.removesuffix(" | null") if name in answered and not is_required else known)


def test_a_schema_without_a_type_is_no_guess() -> None:
    with pytest.raises(ValueError, match="no type for the schema"):
        type_of({"type": "date"})


def test_the_package_carries_the_license() -> None:
    assert PACKAGE.joinpath("LICENSE").read_bytes() == ROOT.joinpath("LICENSE").read_bytes()


def test_the_lockfile_names_no_registry() -> None:
    for lockfile in ROOT.joinpath("clients").glob("*/package-lock.json"):
        text = lockfile.read_text(encoding="utf-8")
        assert '"resolved"' not in text
        assert '"integrity"' in text
