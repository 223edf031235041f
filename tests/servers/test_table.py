"""The conformance table on every server: some hosts in the ordinary run, all of them in the slow one, and the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conformance.hosts import HOSTS
from tests.conformance.test_hosts import CASES
from tests.servers.table import COLUMNS, ask_all, markdown

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "frameworks.md").read_text()
NO_DIFFERENCE: dict[tuple[str, str], list[str]] = {(host, column): [] for host in HOSTS for column in COLUMNS}


ASGI_HOSTS = ("FastAPI router", "Starlette mount", "Django ASGI")
WSGI_HOSTS = ("Flask", "Django WSGI", "raw WSGI")
SOME = {
    "uvicorn": ASGI_HOSTS,
    "hypercorn": ASGI_HOSTS,
    "granian ASGI": ("Litestar", "Quart"),
    "granian ASGI, HTTP/2": ("Litestar", "Quart"),
    "gunicorn sync": WSGI_HOSTS,
    "gunicorn gthread": WSGI_HOSTS,
    "gunicorn preload": WSGI_HOSTS,
    "granian WSGI": ("Flask",),
}


@pytest.mark.long
@pytest.mark.parametrize("column", SOME)
def test_a_server_answers_as_the_table_says(column: str) -> None:
    found = ask_all([column], SOME[column])
    assert len(found) == len(SOME[column])
    assert not any(found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("column", COLUMNS)
def test_every_host_answers_as_the_table_says_on_every_server(column: str) -> None:
    found = ask_all([column])
    assert not any(found.values()), found


def test_the_page_has_every_host_every_server_and_every_request() -> None:
    assert markdown(NO_DIFFERENCE) in PAGE, f"the suite has {len(CASES)} requests now: scripts/conformance"
