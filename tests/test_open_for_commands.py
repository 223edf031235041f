"""`Sealring.open(follow=False)`: what a command needs, and nothing that a server does."""

from __future__ import annotations

import pytest

from sealring.errors import Stale
from tests.serving import cheap_sealring


@pytest.mark.anyio
async def test_a_command_writes_and_makes_no_key_and_follows_nothing() -> None:
    auth = cheap_sealring()
    await auth.open(follow=False)
    await auth.revoke_subject("42")
    await auth.issuer.keys.read()
    assert auth.issuer.keys.listing() == []
    assert len((await auth.store.load_feed(None)).entries) == 1
    with pytest.raises(Stale):
        auth.verify("any token")
    await auth.close()
    await auth.open()
    assert [key["state"] for key in auth.issuer.keys.listing()] == ["signing", "published"]
    assert auth.node.is_fresh
    await auth.close()
