"""What a subject may do now: asked of the application at each login and refresh, else read from its account.

The question is asked outside of any transaction and has a time limit. The application may ask a database of its own, so
it may fail: then the client gets 503 and tries again, and nobody is logged out because a table was locked. A grant that
cannot be is the application's mistake, and answered alike; the log has the traceback.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from inspect import iscoroutinefunction

from sealring.accounts.account import Account
from sealring.errors import GrantUnavailable, Unavailable
from sealring.sessions.grant import Grant, GrantFor
from sealring.sessions.session import Session

log = logging.getLogger(__name__)

GRANT_SECONDS = 5.0
"""Half of the usual retry window, so that a refresh that is tried again finds the same answer."""


class Grants:
    """Asks what subjects may do.

    Args:
        grant_for: the application's answer; None leaves it to the account, or to what the session started with.
        seconds: how long it may take.

    Raises:
        TypeError: `grant_for` is no async function.
    """

    def __init__(self, grant_for: GrantFor | None, *, seconds: float = GRANT_SECONDS) -> None:
        if grant_for is not None and not _is_async(grant_for):
            raise TypeError("grant_for must be an async function from a Session to a Grant or None")
        self._grant_for = grant_for
        self._seconds = seconds

    @property
    def by_application(self) -> bool:
        """Whether the application is asked."""
        return self._grant_for is not None

    async def ask(self, session: Session, account: Account | None) -> Grant | None:
        """What the session's subject may do now; None: nothing, no session.

        Raises:
            GrantUnavailable: the application did not answer in time, or not with a grant that can be.
            Unavailable: the application raised this itself.
        """
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
