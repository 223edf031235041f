"""F13: a node needs no right to rewrite what is dead or has happened. docs/how-to/many-nodes.md says which it needs."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from sealring import Sealring
from sealring.errors import StoreUnavailable
from tests.cluster.node import SECRET

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "many-nodes.md"


def granted() -> str:
    """The statements of the page."""
    found = re.search(r"```sql\n(CREATE ROLE sealring_server.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1].replace("CREATE ROLE sealring_server LOGIN;", "")


async def test_f13_a_node_serves_with_the_rights_that_the_docs_name(postgres_dsn: str) -> None:
    owner = Sealring(secret=SECRET, database_url=postgres_dsn)
    async with owner.lifespan():
        pass
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'sealring_server'").fetchone():
            admin.execute("CREATE ROLE sealring_server LOGIN")
        admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")  # as on a server with other defaults
        admin.execute(granted().encode())
    server = postgres_dsn.replace("postgres@", "sealring_server@")
    node = Sealring(secret=SECRET, database_url=server)
    async with node.lifespan():
        logged_in = await node.register("ada", "correct horse battery staple", address="192.0.2.7")
        held = await node.start_session("42")
        refreshed = await node.refresh_session(held.refresh_token)
        assert node.verify(refreshed.access_token.text).subject == "42"
        await node.revoke_session(held.session.id)
        await node.revoke_subject(logged_in.account.id)
        await node.issuer.keys.rotate()
        assert await node.follower.poll()
        assert await node.store.heartbeat(every_ms=0)
        with pytest.raises(StoreUnavailable, match="42501"):  # housekeeping is put off, and everything else goes on
            await node.store.purge(now=2**33, audit_seconds=0)
    with psycopg.connect(server, autocommit=True) as thief:
        for statement in (
            "DELETE FROM revocations",
            "UPDATE revocations SET target = 'somebody else'",
            "DELETE FROM events",
            "UPDATE events SET subject = ''",
            "DELETE FROM subjects",
            "DELETE FROM store",
            "DROP TABLE revocations",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                thief.execute(statement.encode())
