"""What an issuer does in the background: declares the life of its tokens, makes the keys that the ring lacks, forgets.

A verifier's poll only reads (design D18), so this is where a missing key is made. It runs once a minute, and soon after
the poll has brought in a ring that another node wrote: what that node left undone is then done here.
"""

from __future__ import annotations

import asyncio
import logging
import time

from sealring.errors import ConfigurationError, SealringError
from sealring.forks import leave_to_parent
from sealring.issuer.access_ttl import AccessTtl
from sealring.issuer.commit import CommittingStore
from sealring.issuer.declared_settings import SettingsDeclaration
from sealring.issuer.keys import SigningKeys
from sealring.verifier.node_state import NodeState

log = logging.getLogger("sealring")

EVERY_SECONDS = 60
RETRY_SECONDS = 5


class Maintenance:
    """The background work of one issuer.

    Args:
        store: what is forgotten is forgotten there.
        keys: completed.
        access_ttl: its declaration is renewed.
        declaration: renewed.
        node: does nothing while it is out of date: its clock may be wrong, and must not say what has expired (T1).
        audit_seconds: how long audit lines are kept.
        look_seconds: how often it looks whether another ring of keys is in memory; no I/O.
    """

    def __init__(
        self,
        store: CommittingStore,
        keys: SigningKeys,
        access_ttl: AccessTtl,
        declaration: SettingsDeclaration,
        node: NodeState,
        *,
        audit_seconds: int,
        look_seconds: float,
    ) -> None:
        self._store = store
        self._keys = keys
        self._access_ttl = access_ttl
        self._declaration = declaration
        self._node = node
        self._audit_seconds = audit_seconds
        self._look_seconds = look_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run in the running event loop, until `stop`. Call when the keys have been completed."""
        self._task = asyncio.create_task(self._run(), name="sealring maintenance")

    async def stop(self) -> None:
        """Stop, and wait until it has."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def abandon(self) -> None:
        """Let go of a task whose event loop has ended."""
        self._task = None

    def forked(self) -> None:
        """In a child: the task is the parent's."""
        leave_to_parent(self._task)
        self._task = None

    async def _run(self) -> None:
        completed = self._keys.version
        due = time.monotonic() + EVERY_SECONDS
        while True:
            await asyncio.sleep(min(self._look_seconds, EVERY_SECONDS))
            if self._keys.version == completed and time.monotonic() < due:
                continue
            if not self._node.is_fresh:
                continue
            try:
                await self.run_maintenance()
                due = time.monotonic() + EVERY_SECONDS
            except SealringError as error:
                log.warning("maintenance failed", extra={"sealring": {"cause": error.code}})
                due = time.monotonic() + RETRY_SECONDS
            completed = self._keys.version

    async def run_maintenance(self) -> None:
        """Do everything once.

        Raises:
            StoreUnavailable: the store cannot be reached now.
        """
        await self._access_ttl.declare()
        await self._keys.load()
        try:
            await self._declaration.declare()
        except ConfigurationError as error:  # it runs already: only a lease that was lost lets another in
            log.error("two issuers on one store", extra={"sealring": {"cause": str(error), "hint": error.hint}})  # noqa: TRY400 - no traceback
        await self._store.purge(now=self._node.clock.now_ms() // 1000, audit_seconds=self._audit_seconds)
