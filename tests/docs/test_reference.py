"""The reference pages say what there is: every setting, command, route and error code, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sealring.cli.run import sealring
from sealring.demo import create_app
from sealring.http.health_routes import HEALTH, METRICS
from sealring.http.problems import ANSWERS
from sealring.http.routes import ENDPOINTS
from sealring.http.well_known_routes import WELL_KNOWN_ENDPOINTS
from sealring.settings import PREFIX, SETTINGS, Settings, load_settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, without code marks."""
    lines = (DOCS / page).read_text().splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]


NOT_SET = {
    "none",
    "the issuer",
    "the host of the issuer",
    "console: where the issuer is on loopback; else none",
    "pages below the auth routes of the issuer",
    "the account page of the pages",
}
"""Words for what is found out where a setting is left out."""


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {cells[0]: cells[1] for cells in rows("reference/settings.md") if cells[0].startswith(PREFIX)}
    assert set(documented) == {row.variable for row in SETTINGS.values()}
    defaults = Settings()
    for name, default in documented.items():
        field = name.removeprefix(PREFIX).lower()
        if default in NOT_SET:
            assert not getattr(defaults, field)
            continue
        setting: Any = {field: default}
        assert getattr(load_settings(**setting), field) == getattr(defaults, field), name


def commands(group: click.Group, words: str = "sealring") -> set[str]:
    found = set()
    for name, command in group.commands.items():
        found |= commands(command, f"{words} {name}") if isinstance(command, click.Group) else {f"{words} {name}"}
    return found


def test_every_command_is_documented() -> None:
    documented = {cells[0] for cells in rows("reference/commands.md") if cells[0].startswith("sealring ")}
    assert documented == commands(sealring)


def test_every_route_is_documented() -> None:
    documented = [
        cells[0] for cells in rows("reference/routes.md") if cells[0].startswith(("GET", "POST", "PATCH", "DELETE"))
    ]
    served = [f"{one.method} /auth{one.path}" for one in ENDPOINTS]
    served += [f"{one.method} /.well-known{one.path}" for one in WELL_KNOWN_ENDPOINTS]
    served += [f"{one.method} {one.path}" for one in (*HEALTH, *METRICS)]
    assert sorted(documented) == sorted(served)


def test_the_demo_serves_the_table_and_its_own_two_routes(tmp_path: Path) -> None:
    settings = load_settings(
        secret="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use", database_url=f"sqlite:///{tmp_path}/a.db"
    )
    paths = create_app(settings).openapi()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    table = {f"{one.method} /auth{one.path}" for one in ENDPOINTS if one.in_schema}
    table |= {f"{one.method} {one.path}" for one in HEALTH}
    assert described == table | {"POST /api/createNewUser", "GET /api/userOrders"}


def test_every_error_code_is_documented() -> None:
    every = rows("reference/errors.md")
    documented = {(cells[0], cells[1]) for cells in every if len(cells) > 1 and cells[1].isdigit()}
    assert documented == {(row.code, str(row.status)) for row in ANSWERS.values()}
