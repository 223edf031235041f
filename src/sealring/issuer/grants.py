"""What a subject may do now: asked of the application at each login and refresh, else read from its account.

The question is asked outside of any transaction and has a time limit. The application may ask a database of its own, so
it may fail: then the client gets 503 and tries again, and nobody is logged out because a table was locked. A grant that
cannot be is the application's mistake, and answered alike; the log has the traceback.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextvars import Context
from dataclasses import replace
from inspect import iscoroutinefunction

from sealring.accounts.account import Account
from sealring.errors import GrantUnavailable, Unavailable
from sealring.sessions.grant import Grant, GrantFor
from sealring.sessions.session import Session

log = logging.getLogger(__name__)

TWO_FACTORS = frozenset({"mfa", "phr"})
"""The classes of sessions whose user has shown two factors."""

GRANT_SECONDS = 5.0
"""Half of the usual retry window, so that a refresh that is tried again finds the same answer."""


class Grants:
    """Asks what subjects may do.

    Args:
        grant_for: the application's answer; None leaves it to the account, or to what the session started with.
        seconds: how long it may take.
        mfa_scopes: those that only a session has whose user has shown two factors.

    Raises:
        TypeError: `grant_for` is no async function.
    """

    def __init__(
        self, grant_for: GrantFor | None, *, seconds: float = GRANT_SECONDS, mfa_scopes: Iterable[str] = ()
    ) -> None:
        if grant_for is not None and not _is_async(grant_for):
            raise TypeError("grant_for must be an async function from a Session to a Grant or None")
        self._grant_for = grant_for
        self._seconds = seconds
        self._mfa_scopes = frozenset(mfa_scopes)

    @property
    def by_application(self) -> bool:
        """Whether the application is asked."""
        return self._grant_for is not None

    def allowed(self, session: Session, scopes: Sequence[str]) -> tuple[str, ...]:
        """Of these scopes, those that a session may have after what its user has shown."""
        if not self._mfa_scopes or session.acr in TWO_FACTORS:
            return tuple(scopes)
        return tuple(scope for scope in scopes if scope not in self._mfa_scopes)

    async def ask(self, session: Session, account: Account | None) -> Grant | None:
        """What the session's subject may do now; None: nothing, no session.

        Raises:
            GrantUnavailable: the application did not answer in time, or not with a grant that can be.
            Unavailable: the application raised this itself.
        """
        grant = await self._ask(session, account)
        return None if grant is None else replace(grant, scopes=self.allowed(session, grant.scopes))

    async def _ask(self, session: Session, account: Account | None) -> Grant | None:
        if self._grant_for is None:
            return Grant(session.scopes if account is None else account.scopes, session.claims)
        try:
            async with asyncio.timeout(None) as limit:
                # in an empty context: the loop keeps a timer that is no longer needed, and with it what the request set
                Context().run(limit.reschedule, asyncio.get_running_loop().time() + self._seconds)
                grant = await self._grant_for(session)
            return None if grant is None else _checked(grant)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("grant_for failed")
            raise GrantUnavailable(type(error).__name__) from error


def _is_async(function: object) -> bool:
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _checked(grant: Grant) -> Grant:
    if not isinstance(grant, Grant):
        raise TypeError(f"grant_for must return a Grant or None, not {type(grant).__name__}")
    return grant
