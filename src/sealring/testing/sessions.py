"""Starts sessions for a test that may or may not run in an event loop, and waits for them either way.

Without a loop, or where the application is open in another one, `auth.sync()` does it. In the very loop in which it is
open nobody may wait, so a short-lived thread does it while the loop stands still: that is safe with a store in memory,
which has no connections that belong to a loop. With any other store the test must await by itself, and the error says
so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sealring.issuer.log_in import LoggedIn
from sealring.issuer.session_tokens import Issued
from sealring.sealring import Sealring
from sealring.sync import SyncSealring
from sealring.testing.in_memory import InMemorySealring

T = TypeVar("T")


def start(
    auth: Sealring,
    user: str | Issued | LoggedIn,
    *,
    scopes: Iterable[str] | None,
    claims: Mapping[str, Any] | None,
) -> Issued:
    """The session of a user: a new one, or the one that is given."""
    if not isinstance(user, str):
        if scopes is not None or claims is not None:
            raise TypeError("scopes and claims are those of the session that is given: leave them out")
        return user.issued if isinstance(user, LoggedIn) else user
    return wait(
        auth,
        lambda: auth.start_session(user, scopes=scopes, claims=claims),
        lambda s: s.start_session(user, scopes=scopes, claims=claims),
    )


def wait(auth: Sealring, here: Callable[[], Coroutine[Any, Any, T]], elsewhere: Callable[[SyncSealring], T]) -> T:
    """Do it, and wait, wherever this is called.

    Raises:
        RuntimeError: this is the event loop in which a `Sealring` with a database is open.
    """
    if not _is_open_here(auth):
        return elsewhere(auth.sync())
    if not isinstance(auth, InMemorySealring):
        raise RuntimeError(  # noqa: TRY004 - the type is fine elsewhere, only this place is not
            "this Sealring has a database and is open in this event loop, which cannot wait for itself: await"
            " auth.start_session(…) and give its result to as_user, or use InMemorySealring"
        )
    with ThreadPoolExecutor(1, "sealring testing") as thread:
        return thread.submit(asyncio.run, here()).result()


def _is_open_here(auth: Sealring) -> bool:
    try:
        auth.sync().open()
    except RuntimeError:  # this thread runs the loop that would have to answer
        return True
    return False
