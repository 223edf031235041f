"""A node alone with PostgreSQL: many that start at once, one that is too old, one whose writers all wait (P8, F5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from sealring import Issued, Sealring
from sealring.cli.run import run
from sealring.errors import StoreUnavailable, TokenError, Unavailable
from sealring.sessions.revocation import RefreshClaims
from sealring.store.postgres import PostgresStore
from sealring.store.records import Committed
from sealring.store.schema import read_migrations
from sealring.testing.store_contract.samples import NOW, an_event
from tests.cluster.node import SECRET

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def lines(self, start: str) -> list[str]:
        return [line for line in self.out.splitlines() if line.startswith(start)]


Command = Callable[..., Said]


@pytest.fixture
def sealring(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command line on one node of the cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALRING_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")  # or `serve` writes it into our own environment

    def command(*arguments: str, secret: str = SECRET) -> Said:
        monkeypatch.setenv("SEALRING_SECRET", secret)
        code = run(arguments)
        return Said(code, *capsys.readouterr())

    return command


async def test_p8_nodes_that_start_at_once_make_one_schema(postgres_dsn: str) -> None:
    stores = [PostgresStore(postgres_dsn) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    assert len({(await store.load_feed(None)).incarnation for store in stores}) == 1
    for store in stores:
        await store.close()


def test_p8_a_node_of_an_older_version_refuses_a_newer_schema(sealring: Command, postgres_dsn: str) -> None:
    assert sealring("migrate").code == 0
    known = read_migrations("postgresql")[-1].number
    with psycopg.connect(postgres_dsn, autocommit=True) as newer:
        newer.execute("UPDATE schema_version SET version = version + 1")
    for arguments in (["serve", "--port", "0"], ["migrate"], ["check"]):
        refused = sealring(*arguments)
        assert refused.code == 1
        said = refused.out + refused.err
        assert f"the database has schema {known + 1}, this program knows {known}" in said
        assert "hint: run the version of sealring that wrote it, or a newer one" in said


async def test_f5_writers_that_wait_for_a_locked_row_do_not_make_the_node_stale(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    await store.open()
    revocation = RefreshClaims(subject="42")
    await store.revoke(revocation, an_event("claims_refreshed"), now=NOW)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as holder:
        await holder.execute("SELECT 1 FROM subjects WHERE subject = '42' FOR UPDATE")
        waiting = [
            asyncio.create_task(store.revoke(revocation, an_event("claims_refreshed"), now=NOW)) for _ in range(20)
        ]
        await asyncio.sleep(0.3)
        for _ in range(5):
            async with asyncio.timeout(2):
                assert (await store.load_feed(1)).complete
        assert not any(task.done() for task in waiting)
        await holder.rollback()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, Committed | Unavailable) for outcome in outcomes)
    await store.close()


def test_check_says_that_a_node_has_another_secret_than_the_ring(sealring: Command) -> None:
    assert sealring("keys", "rotate").code == 0, "makes the first keys, which `check` and `keys list` do not"
    first = sealring("check")
    assert first.code == 0
    other = sealring("check", secret=SECRET[::-1])
    assert other.code == 1
    (line,) = other.lines("WRONG")
    assert "cannot be opened with the secrets" in line
    assert other.lines("ok    secret") != first.lines("ok    secret")
    assert SECRET not in first.out


def test_check_shows_what_nodes_of_one_cluster_must_agree_on(sealring: Command) -> None:
    assert sealring("keys", "rotate").code == 0, "makes the schema and the first keys, which `check` does not"
    done = sealring("check")
    for subject in ("store", "schema", "incarnation", "writes", "clock", "lag", "keys"):
        assert done.lines(f"ok    {subject}:"), done.out
    before = done.lines("ok    incarnation")
    assert sealring("check").lines("ok    incarnation") == before
    asked = sealring("restored")
    assert asked.code != 0
    assert sealring("check").lines("ok    incarnation") == before
    assert sealring("restored", "--yes").code == 0
    assert sealring("check").lines("ok    incarnation") != before


async def test_p7_restored_is_in_force_on_a_running_node(sealring: Command, postgres_dsn: str) -> None:
    node = Sealring(secret=SECRET, database_url=postgres_dsn, poll_interval=0.1)
    async with node.lifespan():
        held = await node.start_session("42")
        assert node.verify(held.access_token.text).subject == "42"
        done = await asyncio.to_thread(sealring, "restored", "--yes")
        assert done.code == 0, done.err
        async with asyncio.timeout(10):
            while node.node.reloads.get("incarnation") is None:  # noqa: ASYNC110 - a task beside us
                await asyncio.sleep(0.05)
        with pytest.raises(TokenError):
            node.verify(held.access_token.text)
        assert node.verify((await _when_there_is_a_key(node)).access_token.text).subject == "42"


async def _when_there_is_a_key(node: Sealring) -> Issued:
    """All keys were revoked; this node may learn of that one poll before it learns of the new key."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await node.start_session("42")
            except StoreUnavailable:
                await asyncio.sleep(0.05)
