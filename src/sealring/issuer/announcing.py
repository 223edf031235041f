"""A store that tells of each event once it is committed: to the log, and to the application's hook.

What is told has happened: an operation that was refused, or did nothing, is not told. The hook is a
courtesy to the application; what it raises is logged, and changes nothing of what was committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

from sealring.store.protocol import Store
from sealring.store.records import Event

log = logging.getLogger("sealring.audit")

OnEvent = Callable[[Event], None]
EVENTFUL = ("create_account", "change_account", "start_session", "revoke", "settle_attempt", "write_keys")
NOTHING_HAPPENED: tuple[object, ...] = (None, ())
"""What an eventful method returns when it did nothing; `create_account` and `settle_attempt` return none and did."""
ALWAYS_HAPPEN = {"create_account", "settle_attempt"}


def announcing(store: Store, listeners: Sequence[OnEvent]) -> Store:
    """The same store, telling of what it commits."""
    return cast("Store", _Announcing(store, listeners))


class _Announcing:
    def __init__(self, store: Store, listeners: Sequence[OnEvent]) -> None:
        self._store = store
        self._listeners = listeners

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in EVENTFUL:
            return method

        async def told(*arguments: Any, **options: Any) -> Any:
            result = await method(*arguments, **options)
            if name in ALWAYS_HAPPEN or result not in NOTHING_HAPPENED:
                self._tell(next(one for one in (*arguments, *options.values()) if isinstance(one, Event)))
            return result

        return told

    def _tell(self, event: Event) -> None:
        fields = {"subject": event.subject, "session": event.session, "address": event.address, "cause": event.cause}
        told = {name: value for name, value in fields.items() if value} | dict(event.detail)
        log.info(event.kind, extra={"sealring": told})
        for listen in self._listeners:
            try:
                listen(event)
            except Exception:
                log.exception("the application's on_event raised", extra={"sealring": {"kind": event.kind}})
