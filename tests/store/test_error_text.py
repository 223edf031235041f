"""Why PostgreSQL did not answer: in words for operators, with no piece of a password or of a statement."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from sealring.cli.run import run
from sealring.errors import StoreUnavailable
from sealring.store.postgres.database import Database
from sealring.store.postgres.error_text import reason_of
from tests.ports import free_port
from tests.serving import SECRET


async def refusal(dsn: str) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        await Database(dsn).connect()
    return str(refused.value).removeprefix("the database could not be asked: ")


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    port = free_port()
    said = await refusal(f"postgresql://ada:hunter2@127.0.0.1:{port}/orders")
    assert said == f'connection to server at "127.0.0.1", port {port} failed: Connection refused'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        ("postgresql://ada:hun@ter2@127.0.0.1/orders", "its host name cannot be resolved"),  # an @ that is not escaped
        ("postgresql://ada:hun/ter2@127.0.0.1/orders", "its host name cannot be resolved"),  # a port named "hun"
        ("postgresql://ada@127.0.0.1/orders?sslmode=hunter2", "OperationalError"),
    ],
)
async def test_a_url_that_is_cut_wrongly_shows_no_piece_of_it(dsn: str, reason: str) -> None:
    assert await refusal(dsn) == reason


@pytest.mark.parametrize(("error", "reason"), [(PoolTimeout(), "no connection in time"), (TimeoutError(), "no answer")])
def test_what_took_too_long_is_said_so(error: Exception, reason: str) -> None:
    assert reason_of(error).startswith(reason)


@pytest.mark.postgres
@pytest.mark.anyio
async def test_what_the_server_says_of_entering_is_passed_on(postgres_dsn: str) -> None:
    assert 'database "nowhere" does not exist' in await refusal(make_conninfo(postgres_dsn, dbname="nowhere"))
    assert 'role "nobody at all" does not exist' in await refusal(make_conninfo(postgres_dsn, user="nobody at all"))


@pytest.mark.postgres
def test_what_the_server_says_of_values_is_not(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("SELECT 'hunter2'::int")
        assert reason_of(refused.value) == "22P02"
        connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("CREATE TABLE hunter2 (id int)")
        assert reason_of(refused.value) == "cannot execute CREATE TABLE in a read-only transaction (25006)"


@pytest.mark.parametrize("line", [["users", "list"], ["serve", "--port", "0"], ["check"], ["migrate"]])
def test_every_command_says_what_is_wrong_and_where_to_look(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALRING_SECRET", SECRET)
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")
    monkeypatch.setenv("SEALRING_DATABASE_URL", f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/orders")
    assert run(line) == 1
    out, err = capsys.readouterr()
    said = out if line == ["check"] else err
    assert "failed: Connection refused\n" in said
    assert "hint: look at SEALRING_DATABASE_URL" in said
    assert "hunter2" not in out + err


def test_a_reason_is_one_line() -> None:
    two = psycopg.OperationalError('connection failed: connection to server at "::1", port 5 failed: gone\nand more')
    assert reason_of(two) == 'connection to server at "::1", port 5 failed: gone'
