"""The Token Status List of this issuer (`sealring.sessions.status_list`): indexes of sessions, and the signed list.

A list is made when somebody asks, and given to all who ask within the next seconds: strangers who ask all the time cost
the store one read in five seconds on each node. Packing runs in a thread.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from sealring import jwt
from sealring.errors import ConfigurationError, NotFound, Stale
from sealring.sessions.session import Session
from sealring.sessions.status_list import StatusListSettings, pack, sign_status_list
from sealring.verifier.node_state import NodeState

REMAKE_SECONDS: Final = 5
DRAWS: Final = 32
"""Indexes drawn for one session. In a list that is three quarters full, one login in ten thousand finds none."""


def check_algorithm(settings: StatusListSettings | None, key_is_secret: bool) -> None:  # noqa: FBT001 - one question
    """Refuse a list that nobody may verify.

    Raises:
        ConfigurationError: the keys are secrets.
    """
    if settings is not None and key_is_secret:
        raise ConfigurationError(
            "SEALRING_STATUS_LIST_URL: a status list is signed by a private key",
            "set SEALRING_ALGORITHM to ES256 or another algorithm with public keys",
        )


def draw_index(session: Session, settings: StatusListSettings | None) -> Session:
    """The session with an index drawn at random (draft 21 §13.3); as it is where there is no list."""
    return session if settings is None else replace(session, status_index=secrets.randbelow(settings.size))


@dataclass(slots=True, kw_only=True)
class StatusLists:
    """Makes the list and keeps it for some seconds.

    Args:
        ended: gives the places of the sessions that have ended: `Store.ended_status_indexes`.
        settings: where it is published; None where none is.
        issuer: `iss`.
        signing_key: gives the key that signs now.
        node: of this process. What it is out of date about is not signed: a primary that its standbys have left behind
            reads what was, and would give that a time of now (F8).
    """

    ended: Callable[[], Awaitable[list[int]]]
    settings: StatusListSettings | None
    issuer: str
    signing_key: Callable[[], jwt.Key]
    node: NodeState
    _made: bytes = b""
    _made_at_ms: int = 0
    _making: asyncio.Task[None] | None = field(default=None)

    async def document(self) -> bytes:
        """The signed list, at most five seconds old.

        Raises:
            NotFound: none is published.
            Stale: this node is out of date.
            StoreUnavailable: the store cannot be reached now.
        """
        if self.settings is None:
            raise NotFound("no status list is published here")
        if self.node.clock.now_ms() >= self._made_at_ms + REMAKE_SECONDS * 1000:
            making = self._making
            if making is None or making.done() or making.get_loop() is not asyncio.get_running_loop():
                making = self._making = asyncio.create_task(self._make(self.settings), name="sealring status list")
            await asyncio.shield(making)  # who goes away stops it for nobody
        return self._made

    async def _make(self, settings: StatusListSettings) -> None:
        began_ms = self.node.clock.now_ms()  # before the store is asked
        self._check()
        ended = await self.ended()
        self._check()
        lst = await asyncio.to_thread(pack, settings.size, ended)
        self._made = sign_status_list(
            lst, self.signing_key(), issuer=self.issuer, url=settings.url, now=began_ms // 1000
        )
        self._made_at_ms = began_ms

    def _check(self) -> None:
        if not self.node.is_fresh:
            raise Stale(self.node.retry_after, self.node.last_error)
