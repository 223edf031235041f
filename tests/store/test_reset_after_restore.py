"""P7: after a restore nothing that was issued before is believed; what a store does for it is in its contract."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sealring import Sealring, jwt
from sealring.errors import SessionEnded, TokenError
from sealring.issuer.session_tokens import Issued
from sealring.store.sqlite import SqliteStore
from tests.clocks import FrozenClock

pytestmark = pytest.mark.anyio
SECRET = "Vq3nJ8t2yZ6wLx9cRb4mKd7sPf1hGa5e"


def a_node(path: Path, clock: FrozenClock) -> Sealring:
    return Sealring(secret=SECRET, store=SqliteStore(path, clock.now_ms), clock=clock)


async def refusal(node: Sealring, issued: Issued) -> str:
    with pytest.raises(TokenError) as refused:
        node.verify(issued.access_token.text)
    return refused.value.code


async def test_p7_after_yesterdays_backup_nothing_of_before_is_alive(tmp_path: Path) -> None:
    """Also what the backup has never heard of: sessions begun since, their keys, a revocation that is lost."""
    clock = FrozenClock()
    live, backup = tmp_path / "live.db", tmp_path / "backup.db"
    node = a_node(live, clock)
    await node.open()
    kept, revoked_since = [await node.start_session(subject) for subject in ("kept", "revoked since")]
    await node.store.close()
    shutil.copy(live, backup)
    await node.store.open()
    begun_since = await node.start_session("begun since")
    await node.revoke_session(revoked_since.session.id)
    (kid,) = [key["kid"] for key in node.issuer.keys.listing() if key["state"] == "signing"]
    await node.issuer.revoke_key(kid)
    with_new_key = await node.start_session("with a key of the lost time")
    await node.close()

    shutil.copy(backup, live)
    clock.pass_seconds(1)
    naive = a_node(live, clock)
    await naive.open()
    # why the command is needed: by itself a restored store revives what had been revoked
    assert naive.verify(revoked_since.access_token.text).subject == "revoked since"
    # a node that went through it all without a restart
    await naive.issuer.reset_after_restore()
    assert await naive.follower.poll()
    assert naive.node.reloads["incarnation"] == 1
    fresh = a_node(live, clock)
    await fresh.open()
    for survivor in (naive, fresh):
        for issued in (kept, revoked_since, begun_since, with_new_key):
            assert await refusal(survivor, issued) in {"revoked", "unknown_key"}
            with pytest.raises(SessionEnded):
                await survivor.refresh_session(issued.refresh_token)
        assert survivor.verify((await survivor.start_session("kept")).access_token.text).subject == "kept"
    assert not set(_kids(fresh)) & {jwt.peek(issued.access_token.text).header["kid"] for issued in (kept, with_new_key)}
    await naive.close()
    await fresh.close()


def _kids(node: Sealring) -> list[str]:
    return [key["kid"] for key in node.issuer.keys.jwks()["keys"]]
