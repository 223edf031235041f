"""`sealring users identities`: what an operator sees of them and unlinks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import quote

from sealring.accounts.changes import CredentialAdded
from sealring.issuer.identities import credential_of
from sealring.providers import Identity
from sealring.store.sqlite import SqliteStore
from sealring.testing.store_contract.samples import an_event
from tests.cli.conftest import Shell

ADA = Identity(provider="acme", issuer="https://login.example.com", subject="4711", email="ada@example.com")


def link(folder: Path, username: str) -> None:
    async def work() -> None:
        store = SqliteStore(folder / "sealring.db")
        await store.open()
        account = await store.find_account(canonical_name=username)
        assert account is not None
        change = CredentialAdded(credential=credential_of(ADA, account.id, now=1), epoch=account.epoch)
        assert (await store.change_account(account.id, change, an_event("credential_added"), now=1)).result
        await store.close()

    asyncio.run(work())


def test_an_operator_lists_and_unlinks_identities(house: Shell, folder: Path) -> None:
    assert house("users identities list ada").out == "no identities\n"
    link(folder, "ada")
    (own,) = house("users identities list ada --json").json
    assert own == {
        "id": ADA.credential_id,
        "provider": "acme",
        "issuer": "https://login.example.com",
        "subject": "4711",
        "label": "ada@example.com",
        "last_used_at": 1,
    }
    said = house(f"users identities unlink ada {quote(own['id'])}")
    assert said.out == f"unlinked {own['id']} from ada; every session that began by it ended\n"
    assert house("users identities list ada --json").json == []
    lines = map(json.loads, house("audit --json").out.splitlines())
    assert [line["cause"] for line in lines if line["kind"] == "credential_removed"] == ["by operator"]


def test_what_is_not_there_is_an_error(house: Shell) -> None:
    assert house("users identities list nobody").error == "no account has this name"
    assert house("users identities unlink ada x").error == "no such identity"
