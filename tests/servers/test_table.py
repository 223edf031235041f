"""The conformance table on every server: some hosts in the ordinary run, all of them in the slow one."""

from __future__ import annotations

import sys

import pytest

from tests.servers.table import COLUMNS, ask_all

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.mark.parametrize("column", ["granian ASGI", "hypercorn, HTTP/2", "granian WSGI"])
def test_a_server_answers_as_the_table_says(column: str) -> None:
    found = ask_all([column], ["Litestar", "Quart", "Flask"])
    assert found
    assert not any(found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("column", COLUMNS)
def test_every_host_answers_as_the_table_says_on_every_server(column: str) -> None:
    found = ask_all([column])
    assert not any(found.values()), found
