"""A store that tells of each event once it is committed: to the log, and to the application's hook.

What is told has happened: an operation that was refused, or did nothing, is not told. The hook is a
courtesy to the application; what it raises is logged, and changes nothing of what was committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from sealring.audit.event import EVENTS, Event
from sealring.store.protocol import Store
from sealring.store.records import StartedSession

log = logging.getLogger("sealring.audit")

OnEvent = Callable[[Event], None]
HAPPENED: dict[str, Callable[[Any], bool]] = {
    "create_account": lambda _: True,
    "settle_attempt": lambda _: True,
    "change_account": lambda entries: entries is not None,  # an empty tuple: done, and nothing to revoke
    "write_keys": lambda entries: entries is not None,
    "start_session": lambda started: started is not None,
    "revoke": bool,  # no entry: there was nothing to end
}
"""The methods that take an event, and whether what they returned says that it happened."""


def announcing(store: Store, listeners: Sequence[OnEvent]) -> Store:
    """The same store, telling of what it commits."""
    return cast("Store", _Announcing(store, listeners))


class _Announcing:
    def __init__(self, store: Store, listeners: Sequence[OnEvent]) -> None:
        self._store = store
        self._listeners = listeners

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in HAPPENED:
            return method

        async def told(*arguments: Any, **options: Any) -> Any:
            result = await method(*arguments, **options)
            if HAPPENED[name](result):
                event = next(one for one in (*arguments, *options.values()) if isinstance(one, Event))
                self._tell(event)
                if isinstance(result, StartedSession):
                    for entry in result.entries:  # the store's own audit lines for what had to make room
                        cause = "replaced" if entry.target == options.get("replaces") else "over_cap"
                        self._tell(replace(event, kind="session_ended", session=entry.target, cause=cause, detail={}))
            return result

        return told

    def _tell(self, event: Event) -> None:
        fields = {"subject": event.subject, "session": event.session, "address": event.address, "cause": event.cause}
        told = {name: value for name, value in fields.items() if value} | dict(event.detail)
        log.log(getattr(logging, EVENTS[event.kind].severity.upper()), event.kind, extra={"sealring": told})
        for listen in self._listeners:
            try:
                listen(event)
            except Exception:
                log.exception("the application's on_event raised", extra={"sealring": {"kind": event.kind}})
