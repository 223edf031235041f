"""Two applications on one store: another issuer is refused at the start, other differences are said."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sealring import ConfigurationError, Sealring
from sealring.issuer.declared_settings import LEASE_SECONDS
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.serving import SECRET, cheap_sealring

pytestmark = pytest.mark.anyio

OLD, NEW = "https://old.example", "https://new.example"


class Apart:
    """A process of its own on a store that others use too: it is not closed with the process."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def open(self) -> None: ...

    async def close(self) -> None: ...


def process(store: Store, clock: FrozenClock, issuer: str, **settings: Any) -> Sealring:
    shared: Any = Apart(store)
    return cheap_sealring(shared, clock, issuer=issuer, **settings)


def said(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    words = "another process on this store has another setting"
    return [record.__dict__["sealring"] for record in caplog.records if record.getMessage() == words]


async def test_a_second_application_with_another_issuer_is_refused_before_it_writes_anything(
    store: Store, clock: FrozenClock
) -> None:
    async with process(store, clock, OLD).lifespan():
        before = await store.read_keys()
        second = process(store, clock, NEW, algorithm="Ed25519")
        with pytest.raises(ConfigurationError) as refused:
            await second.open()
        assert str(refused.value) == f"SEALRING_ISSUER is {NEW} here, and {OLD} in another process on this store"
        hint = refused.value.hint or ""
        assert "set the same issuer everywhere" in hint
        assert "SEALRING_DATABASE_URL" in hint
        assert f"SEALRING_PREVIOUS_ISSUER={OLD}" in hint
        assert await store.read_keys() == before
        async with process(store, clock, OLD).lifespan():
            pass
    async with process(store, clock, NEW).lifespan():
        """The first has ended: the next may have any issuer."""


async def test_an_issuer_may_be_changed_by_one_restart_after_the_other_and_back(
    store: Store, clock: FrozenClock
) -> None:
    async with process(store, clock, OLD).lifespan(), process(store, clock, NEW, previous_issuer=OLD).lifespan():
        async with process(store, clock, OLD).lifespan():
            """A server of the old setting that crashed comes back."""
        async with process(store, clock, NEW, previous_issuer=OLD).lifespan():
            """And the next of the new one."""
        with pytest.raises(ConfigurationError, match="https://third"):
            await process(store, clock, "https://third.example", previous_issuer=OLD).open()
    async with process(store, clock, NEW).lifespan():
        """The old one is gone, and the setting may go too."""


async def test_a_process_that_was_killed_counts_until_its_lease_is_over(store: Store, clock: FrozenClock) -> None:
    killed = process(store, clock, OLD)
    await killed.open()
    await killed.parts.maintenance.stop()
    await killed.follower.stop()
    second = process(store, clock, NEW)
    clock.pass_seconds(LEASE_SECONDS)
    with pytest.raises(ConfigurationError, match="another process"):
        await second.open()
    clock.pass_seconds(1)
    async with second.lifespan():
        pass


async def test_maintenance_renews_the_lease_and_says_who_came_meanwhile(
    store: Store, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = process(store, clock, OLD)
    async with first.lifespan():
        clock.pass_seconds(LEASE_SECONDS)
        await first.parts.maintenance.run_maintenance()
        clock.pass_seconds(LEASE_SECONDS)
        with pytest.raises(ConfigurationError):
            await process(store, clock, NEW).open()
        clock.pass_seconds(1)  # as when its machine was suspended
        async with process(store, clock, NEW).lifespan():
            await first.parts.maintenance.run_maintenance()
        [error] = [record for record in caplog.records if record.getMessage() == "two issuers on one store"]
        assert OLD in error.__dict__["sealring"]["cause"]


async def test_what_may_differ_is_said_once(store: Store, clock: FrozenClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sealring")
    async with process(store, clock, OLD).lifespan():
        second = process(store, clock, OLD, audience="orders", algorithm="Ed25519", cookie_name="shop")
        async with second.lifespan():
            await second.parts.maintenance.run_maintenance()
    assert said(caplog) == [
        {"setting": "SEALRING_ALGORITHM", "here": "Ed25519", "elsewhere": "ES256"},
        {"setting": "SEALRING_AUDIENCE", "here": "orders", "elsewhere": OLD},
        {"setting": "SEALRING_COOKIE_NAME", "here": "shop", "elsewhere": "sealring"},
    ]


async def test_an_audience_that_follows_the_issuer_is_no_difference(
    store: Store, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(store, clock, OLD).lifespan(), process(store, clock, NEW, previous_issuer=OLD).lifespan():
        assert said(caplog) == []


async def test_a_start_that_fails_leaves_no_declaration(store: Store, clock: FrozenClock) -> None:
    async with process(store, clock, OLD).lifespan():
        pass
    unfit = process(store, clock, NEW, secret=SECRET[::-1])
    with pytest.raises(ConfigurationError, match="secret"):
        await unfit.open()
    async with process(store, clock, OLD).lifespan():
        pass


async def test_commands_declare_nothing_and_are_not_refused(store: Store, clock: FrozenClock) -> None:
    async with process(store, clock, OLD).lifespan(), process(store, clock, NEW).lifespan(follow=False):
        pass
    async with process(store, clock, NEW).lifespan(follow=False), process(store, clock, OLD).lifespan():
        pass


async def test_a_forked_process_declares_for_itself(store: Store, clock: FrozenClock) -> None:
    parent = process(store, clock, OLD)
    async with parent.lifespan():
        parent.parts.declaration.forked()
        await parent.parts.declaration.declare()
    with pytest.raises(ConfigurationError):  # the child's was withdrawn, and not the parent's
        await process(store, clock, NEW).open()
