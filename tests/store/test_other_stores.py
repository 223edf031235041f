"""The contract suite in other people's hands: a good store passes, a wrong one fails at the test of its fault."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sealring.store.protocol import Store
from tests.store.toy_stores import TOYS

pytestmark = pytest.mark.xdist_group("other stores")

SUITE = """
import pytest
from sealring.testing.store_contract import StoreContract
from tests.store.toy_stores import TOYS


class TestToy(StoreContract):
    @pytest.fixture(params=TOYS)
    async def store(self, request):
        store = TOYS[request.param].opened()
        await store.open()
        yield store
        await store.close()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    """Whether each test passed, by store; in a project that has nothing of ours but what it imports."""
    folder = tmp_path_factory.mktemp("their_project")
    folder.joinpath("test_their_store.py").write_text(SUITE)
    report = folder / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:randomly", "-p", "no:schemathesis",
         "-p", "no:cacheprovider", f"--junitxml={report}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    passed: dict[str, dict[str, bool]] = defaultdict(dict)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        name, _, parameters = case.get("name", "").partition("[")
        store = next(toy for toy in TOYS if toy in parameters.rstrip("]").split("-"))
        passed[store][name] = passed[store].get(name, True) and case.find("failure") is None
        assert case.find("error") is None, name
    return passed


def test_a_good_store_passes(ran: dict[str, dict[str, bool]]) -> None:
    assert len(ran["Delegating"]) >= 79
    assert all(ran["Delegating"].values())


@pytest.mark.parametrize("name", [name for name, toy in TOYS.items() if toy.fails])
def test_a_wrong_store_fails_where_it_is_wrong(ran: dict[str, dict[str, bool]], name: str) -> None:
    assert [test for test in TOYS[name].fails if ran[name][test]] == [], "it passed"
    failed = [test for test, passed in ran[name].items() if not passed]
    assert len(failed) < 24, "one fault, not a broken store"


def test_every_method_has_a_promise_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "stores.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    methods = {name for name in dir(Store) if not name.startswith("_") and callable(getattr(Store, name))}
    assert rows == methods
