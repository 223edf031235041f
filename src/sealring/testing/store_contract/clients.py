"""Registered clients: a change and the death of their tokens are one step (I7)."""

from __future__ import annotations

import asyncio

import pytest

from sealring.accounts.oauth_client import (
    ClientChange,
    ClientRemoval,
    ClientScopesChange,
    ClientSecretChange,
)
from sealring.audit.event import EventKind
from sealring.sessions.revocation import EndToken
from sealring.store.protocol import Store
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    NOW,
    RETAIN,
    a_client,
    a_session,
    an_event,
    declare_ttl,
    with_account,
)

REGISTERED: EventKind = "client_registered"
CHANGED: EventKind = "client_changed"


class ClientContract(Contract):
    """The tests of this part."""

    async def test_clients_come_back_as_they_were_written(self, store: Store) -> None:
        report = a_client(id="client_b", introspects=True, name="nightly ☾", scopes=())
        gateway = a_client("gateway", id="client_a")
        for client in (report, gateway):
            committed = await store.create_client(client, an_event(REGISTERED))
            assert ([line.kind for line in committed.events], committed.entries) == ([REGISTERED], ())
        assert await store.find_client("client_b") == report
        assert await store.list_clients() == [gateway, report]
        assert await store.list_clients(after="client_a") == [report]
        assert await store.list_clients(limit=1) == [gateway]
        for odd in ("nobody", "a\0b", "\ud800"):
            assert await store.find_client(odd) is None
            assert not (await store.change_client(odd, ClientRemoval(), an_event(CHANGED), now=NOW)).result

    @pytest.mark.parametrize(
        "change", [ClientSecretChange(secret_digest="other"), ClientScopesChange(scopes=("a", "b")), ClientRemoval()]
    )
    async def test_i7_every_change_of_a_client_kills_its_tokens(self, store: Store, change: ClientChange) -> None:
        await declare_ttl(store)
        report = a_client()
        await store.create_client(report, an_event(REGISTERED))
        committed = await store.change_client(report.id, change, an_event(CHANGED), now=NOW)
        assert committed.result
        ((entry,), (line,)) = committed.entries, committed.events
        assert (entry.kind, entry.target, entry.epoch, line.kind) == ("subject", report.id, 1, CHANGED)
        assert entry.expires_at == NOW + RETAIN
        assert (await store.load_feed(0)).entries == committed.entries
        assert await store.read_epoch(report.id) == 1
        changed = await store.find_client(report.id)
        match change:
            case ClientSecretChange():
                assert changed is not None
                assert (changed.secret_digest, changed.scopes, changed.epoch) == ("other", report.scopes, 1)
            case ClientScopesChange():
                assert changed is not None
                assert (changed.secret_digest, changed.scopes, changed.epoch) == (report.secret_digest, ("a", "b"), 1)
            case ClientRemoval():
                assert changed is None

    async def test_j17_the_id_of_a_client_is_never_used_again(self, store: Store) -> None:
        report = a_client()
        await store.create_client(report, an_event(REGISTERED))
        account = await with_account(store)
        for taken in (report.id, account):
            with pytest.raises(ValueError, match="never used again"):
                await store.create_client(a_client(id=taken), an_event(REGISTERED))
        await store.change_client(report.id, ClientRemoval(), an_event(CHANGED), now=NOW)
        with pytest.raises(ValueError, match="never used again"):
            await store.create_client(report, an_event(REGISTERED))
        session = a_session(report.id)
        started = await store.start_session(session, an_event(), guard=None, cap=9, replaces=None)
        assert started.result is None, "no session starts for it either"

    async def test_of_several_that_remove_a_client_one_does(self, store: Store) -> None:
        report = a_client()
        await store.create_client(report, an_event(REGISTERED))
        removals = [store.change_client(report.id, ClientRemoval(), an_event(CHANGED), now=NOW) for _ in range(4)]
        assert sorted(one.result for one in await asyncio.gather(*removals)) == [False, False, False, True]
        assert len((await store.load_feed(0)).entries) == 1

    async def test_one_token_of_a_client_dies_alone_and_needs_no_session(self, store: Store) -> None:
        await declare_ttl(store)
        report = a_client()
        await store.create_client(report, an_event(REGISTERED))
        revocation = EndToken(id="A" * 22, subject=report.id)
        committed = await store.revoke(revocation, an_event("token_revoked"), now=NOW)
        (entry,) = committed.entries
        assert (entry.kind, entry.target, entry.expires_at) == ("session", "A" * 22, NOW + RETAIN)
        assert (await store.load_feed(0)).entries == (entry,)
        assert await store.read_epoch(report.id) == 0
