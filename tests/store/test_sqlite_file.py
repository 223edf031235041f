"""The SQLite file: whose it is, and what is said when it cannot be used."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealring import Sealring
from sealring.errors import ConfigurationError, Stale, StoreUnavailable
from sealring.store import open_store
from sealring.store.sqlite import SqliteStore, group_commit
from sealring.testing.store_contract.samples import an_account, an_event
from tests.clocks import FrozenClock
from tests.serving import SECRET

pytestmark = pytest.mark.anyio


async def refusal(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        await SqliteStore(path).open()
    assert refused.value.hint
    return refused.value


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_the_database_is_for_its_owner_only(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "sealring.db")
        await store.open()
        await store.create_account(an_account(), an_event("account_created"))
        modes = modes_in(tmp_path)
        await store.close()
    finally:
        os.umask(mask)
    assert {"sealring.db", "sealring.db-wal", "sealring.db-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_k7_a_missing_folder_is_said(tmp_path: Path) -> None:
    assert "folder" in str(await refusal(tmp_path / "missing" / "sealring.db"))
    assert modes_in(tmp_path) == {}


async def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "sealring.db").mkdir()
    assert "cannot be written" in str(await refusal(tmp_path / "sealring.db"))


async def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sealring.db"
    path.write_text("not a database, but somebody's letter\n" * 100)
    before = path.read_bytes()
    assert "not an SQLite database" in str(await refusal(path))
    assert path.read_bytes() == before


async def test_p8_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sealring.db"
    store = SqliteStore(path)
    await store.open()
    await store.close()
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE schema_version SET version = 999")
    db.close()
    assert "schema 999" in str(await refusal(path))


async def test_p8_a_migration_that_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sealring.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE rate_limit_buckets (in_the_way)")
    db.commit()
    await refusal(path)
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"rate_limit_buckets"}
    db.execute("DROP TABLE rate_limit_buckets")
    db.commit()
    db.close()
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def test_p8_many_that_open_at_once_make_one_schema(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "sealring.db") for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    pages = [await store.load_feed(None) for store in stores]
    assert len({page.incarnation for page in pages}) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "sealring.db")
    first, second = SqliteStore(tmp_path / "sealring.db"), SqliteStore(tmp_path / "link.db")
    await first.open()
    await second.open()
    accounts = [an_account(f"user-{number}") for number in range(40)]
    writes = [
        (first, second)[number % 2].create_account(account, an_event("account_created"))
        for number, account in enumerate(accounts)
    ]
    await asyncio.gather(*writes)
    assert len(await first.list_accounts()) == len(await second.list_accounts()) == 40
    assert [event.number for event in await second.read_events()] == list(range(1, 41))
    await first.close()
    await second.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may enter: those of pytest are for their owner only."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("what", ["folder", "file", "folder of a file"])
def test_p3_a_place_that_may_not_be_written_is_said(open_folder: Path, what: str) -> None:
    path = open_folder / "sealring.db"
    if what == "file":
        open_folder.chmod(0o777)
        path.touch(mode=0o444)
    if what == "folder of a file":
        path.touch()
        path.chmod(0o666)
    program = f"""
        import asyncio, os
        from sealring.store.sqlite import SqliteStore
        from sealring.errors import ConfigurationError
        os.setuid(65534)
        try:
            asyncio.run(SqliteStore({str(path)!r}).open())
        except ConfigurationError as error:
            print(error, error.hint)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert "SEALRING_DATABASE_URL" in done.stdout


def test_a_url_names_the_store(tmp_path: Path) -> None:
    relative, absolute = open_store("sqlite:///sealring.db"), open_store(f"sqlite:///{tmp_path}/a.db")
    assert isinstance(relative, SqliteStore)
    assert isinstance(absolute, SqliteStore)
    assert relative.writer.path == Path.cwd() / "sealring.db"
    assert absolute.writer.path == tmp_path.resolve() / "a.db"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "no kind of store"),
        ("sealring.db", "no kind of store"),
        (":memory:", "no kind of store"),
        ("file:sealring.db", "no kind of store"),
        ("mysql://u:secret@h/d", "no kind of store"),
        ("postgresql+psycopg://u:secret@h/d", "names a driver"),
        ("sqlite+aiosqlite:///sealring.db", "names a driver"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite://:memory:", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////:memory:", "in memory"),
        ("sqlite:///%3Amemory%3A", "in memory"),
        ("sqlite:///folder/:memory:", "in memory"),
        ("sqlite:sealring.db", "names no file"),
        ("sqlite://sealring.db", "names no file"),
        ("sqlite:///a/", "names no file"),
        ("sqlite:///a%zz.db", "names no file"),
        ("sqlite:///a%ff.db", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite:///a.db?mode=ro", "takes no parameters"),
        ("sqlite:///a.db#x", "takes no parameters"),
        ("sqlite:///file:a.db", "a file: URI"),
        ("sqlite:///file:a.db%3Fmode=memory", "a file: URI"),
        ("sqlite:///a.db ", "a space or has control"),
        ("sqlite:///a.db%0a", "a space or has control"),
        ("sqlite:///a%00.db", "a space or has control"),
    ],
)
def test_a_bad_url_is_refused_without_repeating_it(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        open_store(url)
    assert refused.value.hint
    assert "secret" not in str(refused.value)
    assert "secret" not in refused.value.hint


@pytest.mark.parametrize("name", [":memory:", "folder/:memory:", "file:a.db"])
def test_a_store_made_by_hand_takes_no_such_name_either(name: str) -> None:
    with pytest.raises(ConfigurationError):
        SqliteStore(name)


def test_percent_escapes_of_a_url_are_decoded(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/my%20orders%3F%25.db")
    assert isinstance(store, SqliteStore)
    assert store.writer.path == tmp_path.resolve() / "my orders?%.db"


async def test_a_name_with_marks_of_a_uri_is_opened_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my orders?mode=memory#%20.db"
    store = SqliteStore(path)
    await store.open()
    await store.create_account(an_account(), an_event("account_created"))
    await store.close()
    assert path.stat().st_size > 0


def remove(path: Path) -> None:
    path.unlink()


def remove_all(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def remove_the_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def move_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("away", [remove, remove_all, remove_the_log, replace, move_the_folder])
async def test_nothing_is_acknowledged_into_a_file_that_nobody_will_see(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    away: Callable[[Path], None],
) -> None:
    monkeypatch.setattr(group_commit, "LOOK_SECONDS", 0.0)
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "sealring.db"
    store = SqliteStore(path)
    await store.open()
    await store.create_account(an_account("ada"), an_event("account_created"))
    away(path)
    after = sorted(path.parent.iterdir()) if path.parent.is_dir() else None
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            await store.create_account(an_account("eve"), an_event("account_created"))
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            await store.load_feed(None)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert after == (sorted(path.parent.iterdir()) if path.parent.is_dir() else None), "no empty file in its place"
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
async def test_a_file_that_goes_away_during_a_write_keeps_nothing_and_later_writes_do_not_begin(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sealring.db")
    await store.open()
    with pytest.raises(StoreUnavailable, match="removed or replaced"):
        await store.writer.write(lambda _: (tmp_path / "sealring.db").unlink())
    begun: list[sqlite3.Connection] = []
    with pytest.raises(StoreUnavailable, match="removed or replaced"):
        await store.writer.write(begun.append)
    assert not begun
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
async def test_a_file_that_comes_back_is_used_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "folder" / "sealring.db"
    path.parent.mkdir()
    store = SqliteStore(path)
    await store.open()
    move_the_folder(path)
    with pytest.raises(StoreUnavailable):
        await store.create_account(an_account("ada"), an_event("account_created"))
    (tmp_path / "elsewhere").rename(path.parent)
    await store.create_account(an_account("ada"), an_event("account_created"))
    assert [account.name for account in await store.list_accounts()] == ["ada"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
async def test_a_node_whose_file_is_gone_answers_stale_within_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LOOK_SECONDS", 0.0)
    clock = FrozenClock()
    auth = Sealring(secret=SECRET, store=SqliteStore(tmp_path / "sealring.db", clock.now_ms), clock=clock)
    async with auth.lifespan():
        issued = await auth.start_session("42")
        assert auth.verify(issued.access_token.text).subject == "42"
        (tmp_path / "sealring.db").unlink()
        clock.pass_seconds(auth.settings.max_staleness + 0.1)
        assert not await auth.follower.poll()
        assert "removed or replaced" in str(auth.node.last_error)
        with pytest.raises(Stale):
            auth.verify(issued.access_token.text)
        with pytest.raises(StoreUnavailable):
            await auth.start_session("42")
