"""P7: after a restore nothing that was issued before is believed, on any store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sealring import Sealring, jwt
from sealring.errors import SessionEnded, TokenError
from sealring.issuer.sessions import Issued
from sealring.sessions.revocation import RefreshClaims
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from tests.clocks import FrozenClock
from tests.store.samples import NOW, RETAIN, a_key, a_session, an_account, an_event, declare_ttl

pytestmark = pytest.mark.anyio
SECRET = "Vq3nJ8t2yZ6wLx9cRb4mKd7sPf1hGa5e"


async def restored(store: Store, now: int = NOW + 10) -> list[str]:
    entries = (await store.reset_after_restore(an_event("store_restored"), now=now)).entries
    assert all(entry.kind == "key" and entry.expires_at == now + RETAIN for entry in entries)
    return [entry.target for entry in entries]


async def test_p7_every_session_ends_and_every_epoch_rises(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    sessions = [a_session(account.id), a_session("42"), a_session("43")]
    for session in sessions:
        await store.start_session(session, an_event(), guard=None, cap=9, replaces=None)
    await store.revoke(RefreshClaims(subject="42"), an_event(), now=NOW)
    before = {session.id: await store.read_session(session.id) for session in sessions}
    await restored(store)
    for session in sessions[:2]:
        record, earlier = await store.read_session(session.id), before[session.id]
        assert record is not None
        assert earlier is not None
        assert (record.session.ended_at, record.session.ended_by) == (NOW + 10, "store_restored")
        assert record.epoch == earlier.epoch + 1
    assert await store.list_sessions(None, now=NOW + 10) == []
    assert not await store.advance_session(sessions[0], sessions[0])
    assert (await store.read_events())[-1].kind == "store_restored"


async def test_p7_every_key_is_revoked_and_the_incarnation_is_another(store: Store) -> None:
    await declare_ttl(store)
    await store.write_keys(0, [a_key("a"), a_key("b"), a_key("c", revoked_at=NOW - 5)], an_event(), now=NOW)
    before = await store.load_feed(None)
    assert sorted(await restored(store)) == ["a", "b"]
    after = await store.load_feed(None)
    assert after.incarnation != before.incarnation
    assert after.keys_version > before.keys_version
    assert (after.head, after.complete) == (2, True)
    ring = await store.read_keys()
    assert {key.kid: key.revoked_at for key in ring.keys} == {"a": NOW + 10, "b": NOW + 10, "c": NOW - 5}
    assert await restored(store) == []


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
