"""Says in the store what this process is set to, so that another issuer is found at its start.

A declaration is a lease, renewed by maintenance and withdrawn at the end. A process that was killed is forgotten when
its lease is over; until then its settings count, so that nothing depends on who can see whom.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import replace
from typing import Protocol

from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.sessions.declared_settings import DeclaredSettings, conflict_of, differences

log = logging.getLogger("sealring")

LEASE_SECONDS = 180
"""Three times as long as maintenance waits: a shorter one would be lost by a renewal that fails."""

WITHDRAW_SECONDS = 1.0
"""A store that is away must not hold the end of a process."""


class DeclaresSettings(Protocol):
    """A store, used for declarations alone."""

    async def declare_settings(self, mine: DeclaredSettings, *, lease_seconds: int) -> tuple[DeclaredSettings, ...]:
        """See `Store.declare_settings`."""

    async def withdraw_settings(self, process: str) -> None:
        """See `Store.withdraw_settings`."""


class SettingsDeclaration:
    """What this process has declared.

    Args:
        store: where it is declared.
        settings: what this process is set to.
    """

    def __init__(self, store: DeclaresSettings, settings: DeclaredSettings) -> None:
        self._store = store
        self._settings = settings
        self.forked()

    def forked(self) -> None:
        """In a child: another process, with a declaration of its own."""
        self._mine = replace(self._settings, process=secrets.token_urlsafe(16))
        self._said: object = None

    async def declare(self) -> None:
        """Declare, or renew the declaration.

        Raises:
            ConfigurationError: a process with another issuer uses this store; nothing was declared then.
            StoreUnavailable: the store cannot be reached now.
        """
        others = await self._store.declare_settings(self._mine, lease_seconds=LEASE_SECONDS)
        other = conflict_of(self._mine, others)
        if other is not None:
            raise ConfigurationError(
                f"SEALRING_ISSUER is {self._mine.issuer} here, and {other.issuer} in another process on this store",
                hint="one application: set the same issuer everywhere; two: give each a database of its own"
                " (SEALRING_DATABASE_URL, SEALRING_DATABASE_SCHEMA); to change the issuer: set"
                f" SEALRING_PREVIOUS_ISSUER={other.issuer} too, or stop the other process (one that was killed counts"
                f" for {LEASE_SECONDS // 60} minutes more)",
            )
        found = differences(self._mine, others)
        if found and found != self._said:
            for name, ours, theirs in found:
                fields = {"setting": f"SEALRING_{name.upper()}", "here": ours, "elsewhere": theirs}
                log.warning("another process on this store has another setting", extra={"sealring": fields})
        self._said = found

    async def withdraw(self) -> None:
        """Take it back: this process ends. Where the store cannot be reached, the end of the lease does it."""
        try:
            async with asyncio.timeout(WITHDRAW_SECONDS):
                await self._store.withdraw_settings(self._mine.process)
        except (StoreUnavailable, TimeoutError) as error:
            log.debug("the declared settings were not withdrawn", extra={"sealring": {"cause": type(error).__name__}})
